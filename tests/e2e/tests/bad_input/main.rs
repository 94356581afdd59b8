//! Bad manifests: the good ones beside them serve, the bad ones are named in one line each, and what
//! was good once serves on until it is gone.

mod written;
mod among_good;
mod changing;
mod going;

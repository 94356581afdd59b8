//! The agent as its users meet it: how it starts, ends, restarts, refuses, and what it tells.

mod wait;
mod lifecycle;
mod restart;
mod beside;
mod detach;
mod lists;
mod status;
mod refused;

//! `monitor` and `top`, as a person at a node uses them.

mod follow;
mod monitor;
mod screen;
mod stage;
mod top;
mod tty;

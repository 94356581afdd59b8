//! Load, attach, pin and detach on this kernel.

pub mod budget;

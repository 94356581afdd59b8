//! What goes on while agents die, come again, and are replaced (rules 5.1.2, 5.1.8 and 5.1.11).

mod crashes;
mod crowd;
mod detached;
mod devices;
mod load;
mod pins;
mod programs;
mod server;
mod versions;

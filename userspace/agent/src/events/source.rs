//! Where events come from: the loader's ring, or a fake in tests.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use tidegate_abi::{Event, EventFilter};
use tidegate_loader::EventSource;

/// See [`EventSource`], whose methods these are.
pub(crate) trait Source: Send + 'static {
    /// Readable when events wait.
    fn descriptor(&self) -> io::Result<OwnedFd>;
    /// The error is one sentence.
    fn set_filter(&mut self, filter: &EventFilter) -> Result<(), String>;
    /// Shows at most so many, and says how many there were.
    fn drain_some(&mut self, most: u32, show: &mut dyn FnMut(&Event)) -> u32;
}

impl Source for EventSource {
    fn descriptor(&self) -> io::Result<OwnedFd> {
        self.as_fd().try_clone_to_owned()
    }
    fn set_filter(&mut self, filter: &EventFilter) -> Result<(), String> {
        self.set_filter(filter).map_err(|error| error.to_string())
    }
    fn drain_some(&mut self, most: u32, show: &mut dyn FnMut(&Event)) -> u32 {
        self.drain_some(most, show)
    }
}

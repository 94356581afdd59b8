//! One TCP connection of the echo server: what it still owes, and whether more will come.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use nix::sys::epoll::EpollFlags;

/// A client that sends and does not read is not read from beyond this.
const MOST_OWED: usize = 1 << 18;

pub(super) struct Connection {
    stream: TcpStream,
    owed: VecDeque<u8>,
    ended: bool,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, greeting: Vec<u8>) -> Self {
        Self {
            stream,
            owed: greeting.into(),
            ended: false,
        }
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// What to wake up for.
    pub(super) fn wants(&self) -> EpollFlags {
        let mut wants = EpollFlags::empty();
        wants.set(
            EpollFlags::EPOLLIN,
            !self.ended && self.owed.len() < MOST_OWED,
        );
        wants.set(EpollFlags::EPOLLOUT, !self.owed.is_empty());
        wants
    }

    /// Reads and answers what can be now; false when the connection is over.
    pub(super) fn serve(&mut self) -> bool {
        self.receive() && self.send() && !(self.ended && self.owed.is_empty())
    }

    fn receive(&mut self) -> bool {
        let mut buffer = [0; 65536];
        while !self.ended && self.owed.len() < MOST_OWED {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.ended = true,
                Ok(length) => self.owed.extend(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return false,
            }
        }
        true
    }

    fn send(&mut self) -> bool {
        while !self.owed.is_empty() {
            match self.stream.write(self.owed.as_slices().0) {
                Ok(length) => drop(self.owed.drain(..length)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return false,
            }
        }
        true
    }
}

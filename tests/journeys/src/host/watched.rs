//! A frame that notes how far it was read, and that must not be written.

use std::cell::Cell;

use tidegate_datapath::{Packet, checksum::Change};

use super::HostPacket;

/// The frame. Whoever writes to it ends the test.
#[derive(Debug)]
pub struct Watched<'a> {
    packet: &'a HostPacket,
    read_to: Cell<usize>,
}

impl<'a> Watched<'a> {
    /// Nothing is read yet.
    pub fn new(packet: &'a HostPacket) -> Self {
        Self {
            packet,
            read_to: Cell::new(0),
        }
    }

    /// All of its bytes; looking at them here is not noted.
    pub fn bytes(&self) -> &[u8] {
        &self.packet.bytes
    }

    /// Whether it stands for a super-packet.
    pub fn is_super(&self) -> bool {
        self.packet.is_segmented
    }

    /// Nothing was read beyond its end.
    ///
    /// # Panics
    /// When something was.
    pub fn was_read_within(&self) {
        assert!(self.read_to.get() <= self.packet.len());
    }
}

impl Packet for Watched<'_> {
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let bytes = self.packet.load(offset)?;
        self.read_to.set(self.read_to.get().max(offset + N));
        Some(bytes)
    }

    fn store<const N: usize>(&mut self, _offset: usize, _bytes: [u8; N]) -> Option<()> {
        panic!("parsing writes nothing");
    }

    fn len(&self) -> usize {
        self.packet.len()
    }

    fn is_segmented(&self) -> bool {
        self.packet.is_segmented()
    }

    fn adjust_checksum(&mut self, _offset: usize, _change: Change) -> Option<()> {
        panic!("parsing writes nothing");
    }

    fn resize(&mut self, _len: usize) -> Option<()> {
        panic!("parsing writes nothing");
    }

    fn open_gap(&mut self, _offset: usize, _room: usize) -> Option<()> {
        panic!("parsing writes nothing");
    }
}

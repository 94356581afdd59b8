//! A frame that notes how far it was read, and that must not be written.

use std::cell::Cell;

use tidegate_datapath::{Packet, checksum::Change};
use tidegate_journeys::host::HostPacket;

pub(super) struct Watched<'a> {
    packet: &'a HostPacket,
    read_to: Cell<usize>,
}

impl<'a> Watched<'a> {
    pub(super) fn new(packet: &'a HostPacket) -> Self {
        Self {
            packet,
            read_to: Cell::new(0),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.packet.bytes
    }

    pub(super) fn is_super(&self) -> bool {
        self.packet.is_segmented
    }

    pub(super) fn was_read_within(&self) {
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

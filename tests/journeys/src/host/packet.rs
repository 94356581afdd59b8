//! A frame in memory.

use tidegate_datapath::{
    Packet,
    checksum::{self, Change},
};

/// The bytes of one frame; all checksums in it are complete.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HostPacket {
    /// From the first byte of the link header on.
    pub bytes: Vec<u8>,
    /// Whether it stands for a super-packet.
    pub is_segmented: bool,
}

impl HostPacket {
    /// An ordinary frame.
    pub fn new(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            is_segmented: false,
        }
    }
}

impl Packet for HostPacket {
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.bytes.get(offset..)?.first_chunk().copied()
    }

    fn store<const N: usize>(&mut self, offset: usize, bytes: [u8; N]) -> Option<()> {
        *self.bytes.get_mut(offset..)?.first_chunk_mut()? = bytes;
        Some(())
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn is_segmented(&self) -> bool {
        self.is_segmented
    }

    fn adjust_checksum(&mut self, offset: usize, change: Change) -> Option<()> {
        let old = self.load::<2>(offset)?;
        self.store(offset, checksum::transport(old, change))
    }

    fn resize(&mut self, len: usize) -> Option<()> {
        self.bytes.resize(len, 0);
        Some(())
    }

    fn open_gap(&mut self, offset: usize, room: usize) -> Option<()> {
        if offset > self.bytes.len() {
            return None;
        }
        self.bytes
            .splice(offset..offset, std::iter::repeat_n(0, room));
        Some(())
    }
}

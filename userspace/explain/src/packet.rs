//! A frame in memory, whose checksums are all complete.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use tidegate_abi::{HeldKey, fragment::FRAME};
use tidegate_datapath::{
    Packet,
    checksum::{self, Change},
};

/// Frames that wait, which all packets of a host share.
pub type Held = Rc<RefCell<HashMap<HeldKey, Vec<u8>>>>;

/// The bytes of one frame; all checksums in it are complete.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HostPacket {
    /// From the first byte of the link header on.
    pub bytes: Vec<u8>,
    /// Whether it stands for a super-packet.
    pub is_segmented: bool,
    /// Where frames wait.
    pub held: Held,
    /// The frames that are sent in again behind this one.
    pub released: Vec<Vec<u8>>,
}

impl HostPacket {
    /// An ordinary frame.
    pub fn new(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            ..Self::default()
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

    fn hold(&self, place: &HeldKey) -> bool {
        // There is always room: the kernel's map forgets the oldest.
        let is_short = self.bytes.len() <= FRAME;
        if is_short {
            let mut held = self.held.borrow_mut();
            held.insert(*place, self.bytes.clone());
        }
        is_short
    }

    fn release(&mut self, datagram: u32, count: u32) -> Option<()> {
        let mut held = self.held.borrow_mut();
        let frames = (0..count).filter_map(|index| held.remove(&HeldKey { datagram, index }));
        self.released.extend(frames);
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

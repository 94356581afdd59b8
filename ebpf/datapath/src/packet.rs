//! The bytes of one frame, as the journey sees them.

use tidegate_abi::HeldKey;

use crate::{checksum::Change, sctp};

/// A frame, from its first byte. Values are copied in and out: nothing to alias, nothing stale.
///
/// `None` means "not there" or "refused", and nothing was changed.
pub trait Packet {
    /// Reads `N` bytes at an offset.
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;
    /// Writes `N` bytes at an offset.
    fn store<const N: usize>(&mut self, offset: usize, bytes: [u8; N]) -> Option<()>;
    /// Length of the whole frame in bytes.
    fn len(&self) -> usize;
    /// Whether the frame has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// A super-packet that the device cuts to size later (GSO), which no MTU concerns.
    fn is_segmented(&self) -> bool;
    /// Brings the transport checksum at an offset in line with a change of addresses and ports.
    /// On a socket buffer the kernel does it, since the checksum may be partial (rule 5.6.10).
    fn adjust_checksum(&mut self, offset: usize, change: Change) -> Option<()>;
    /// Bytes were changed by this much, and no checksum in the packet makes up for it: what a card has summed
    /// over the whole packet must follow.
    fn unbalance(&mut self, _change: u32) {}
    /// [`sctp::before_zeros`], which the kernel's verifier must not meet in place: five thousand instructions, again
    /// for each state in which somebody gets there.
    fn before_zeros(&self, word: u32, len: u32) -> u32 {
        sctp::before_zeros(word, len)
    }
    /// Sets the frame's length, cutting or zero-filling its end.
    fn resize(&mut self, len: usize) -> Option<()>;
    /// Keeps a copy of the frame until [`Packet::release`]; `false`: there is no room.
    fn hold(&self, _place: &HeldKey) -> bool {
        false
    }
    /// Sends the first `count` held frames of a datagram in again, at the device at which this one has
    /// entered and behind it; this frame stays as it is.
    fn release(&mut self, _datagram: u32, _count: u32) -> Option<()> {
        None
    }
    /// Opens a gap of `room` bytes at `offset`, the border of link and IP header.
    fn open_gap(&mut self, offset: usize, room: usize) -> Option<()>;
}

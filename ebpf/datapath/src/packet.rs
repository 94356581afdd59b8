//! The bytes of one frame, as the journey sees them.

use crate::checksum::Change;

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
    /// Sets the frame's length, cutting or zero-filling its end.
    fn resize(&mut self, len: usize) -> Option<()>;
    /// Opens a gap of `room` bytes at `offset`, the border of link and IP header.
    fn open_gap(&mut self, offset: usize, room: usize) -> Option<()>;
}

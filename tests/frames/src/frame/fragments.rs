//! One packet in several frames.

use super::extension::Extension;
use super::{Frame, Transport};

impl<L: Transport> Frame<L> {
    /// The frames of this packet when no more than `size` bytes (rounded down to a multiple of
    /// eight) of transport header and payload go into each. IPv6 gets fragment headers behind its
    /// other extension headers. A packet that fits stays one frame.
    pub fn fragments(&self, size: usize) -> Vec<Vec<u8>> {
        let body = self.segment();
        let size = (size / 8 * 8).max(8);
        if body.len() <= size {
            return vec![self.build()];
        }
        let last = (body.len() - 1) / size;
        body.chunks(size)
            .enumerate()
            .map(|(index, chunk)| self.fragment(chunk, index * size, index != last))
            .collect()
    }

    fn fragment(&self, chunk: &[u8], offset: usize, more: bool) -> Vec<u8> {
        let mut ip = self.ip.clone();
        if ip.is_v6() {
            ip.extensions
                .push(Extension::fragment(offset as u16, more, u32::from(ip.id)));
        } else {
            ip.offset = (offset / 8) as u16;
            ip.more_fragments = more;
            ip.dont_fragment = Some(false);
        }
        self.assemble(&ip, chunk)
    }
}

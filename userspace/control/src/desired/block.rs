//! Blocks of client addresses (rule 3.6), and the one spelling that each of them has.

use tidegate_abi::{Address, SourceRangeKey, source_range::SERVICE_BITS};

use crate::model::SourceRange;

/// Addresses that share a prefix. The bits behind the prefix are zero.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Block<A> {
    /// The first address.
    pub addr: A,
    /// Bits that all addresses share.
    pub prefix_len: u8,
}

impl<A: Address> Block<A> {
    /// The block around an address; a prefix that is too long means the address alone.
    pub fn new(mut addr: A, prefix_len: u8) -> Self {
        let bits = u8::try_from(8 * size_of::<A>()).unwrap_or(u8::MAX);
        let prefix_len = prefix_len.min(bits);
        mask(bytemuck::bytes_of_mut(&mut addr), prefix_len.into());
        Self { addr, prefix_len }
    }

    /// The map's key for it.
    pub(crate) fn key(self, service: u32) -> SourceRangeKey<A> {
        SourceRangeKey {
            prefix_len: SERVICE_BITS + u32::from(self.prefix_len),
            service,
            addr: self.addr,
        }
    }
}

/// The service port's blocks of this family, sorted, each once.
pub(super) fn all<A: Address>(ranges: &[SourceRange]) -> Vec<Block<A>> {
    let block = |range: &SourceRange| Some(Block::new(A::from_ip(range.addr)?, range.prefix_len));
    let mut blocks: Vec<_> = ranges.iter().filter_map(block).collect();
    blocks.sort_unstable();
    blocks.dedup();
    blocks
}

/// The key as we would have written it: the kernel keeps the bits behind a prefix, but never looks at them.
pub(crate) fn canonical<A: Address>(mut key: SourceRangeKey<A>) -> SourceRangeKey<A> {
    mask(bytemuck::bytes_of_mut(&mut key.service), key.prefix_len);
    let rest = key.prefix_len.saturating_sub(SERVICE_BITS);
    mask(bytemuck::bytes_of_mut(&mut key.addr), rest);
    key
}

/// Clears all bits but the first ones.
fn mask(bytes: &mut [u8], mut bits: u32) {
    for byte in bytes {
        let kept = bits.min(8);
        *byte &= !u8::MAX.checked_shr(kept).unwrap_or(0);
        bits -= kept;
    }
}

#[cfg(test)]
mod tests {
    use tidegate_abi::{Ip4, Ip6};

    use super::*;

    #[test]
    fn bits_behind_the_prefix_do_not_make_another_block() {
        for (prefix_len, first) in [
            (0, [0, 0, 0, 0]),
            (1, [128, 0, 0, 0]),
            (8, [203, 0, 0, 0]),
            (23, [203, 0, 112, 0]),
            (31, [203, 0, 113, 4]),
            (32, [203, 0, 113, 5]),
            (33, [203, 0, 113, 5]),
        ] {
            let block = Block::new(Ip4::new([203, 0, 113, 5]), prefix_len);
            assert_eq!(block.addr, Ip4::new(first), "/{prefix_len}");
        }
        let addr = Ip6::new([0xff; 16]);
        assert_eq!(Block::new(addr, 128).addr, addr);
        assert_eq!(Block::new(addr, 0).addr, Ip6::default());
    }

    #[test]
    fn a_key_that_somebody_else_wrote_gets_our_spelling() {
        let wild = |prefix_len| SourceRangeKey {
            prefix_len,
            service: 7,
            addr: Ip4::new([203, 0, 113, 5]),
        };
        let ours = Block::new(Ip4::new([203, 0, 113, 5]), 24).key(7);
        assert_eq!(canonical(wild(SERVICE_BITS + 24)), ours);
        assert_eq!(canonical(wild(0)), SourceRangeKey::default());
        assert_eq!(canonical(wild(64)), wild(64));
    }
}

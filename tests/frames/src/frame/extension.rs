//! IPv6 extension headers (RFC 8200 section 4).

use std::net::Ipv6Addr;

/// One extension header, without the "next header" byte, which depends on what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    number: u8,
    /// All bytes behind "next header".
    rest: Vec<u8>,
}

impl Extension {
    /// Hop-by-hop options: `units` times eight bytes of padding options.
    pub fn hop_by_hop(units: u8) -> Self {
        Self {
            number: 0,
            rest: padding(units),
        }
    }

    /// Destination options: `units` times eight bytes of padding options.
    pub fn destination_options(units: u8) -> Self {
        Self {
            number: 60,
            rest: padding(units),
        }
    }

    /// A routing header of type 2's form: four reserved bytes, then the addresses.
    pub fn routing(kind: u8, segments_left: u8, via: &[Ipv6Addr]) -> Self {
        let mut rest = vec![2 * via.len() as u8, kind, segments_left, 0, 0, 0, 0];
        rest.extend(via.iter().flat_map(Ipv6Addr::octets));
        Self { number: 43, rest }
    }

    /// A fragment header; `offset` in bytes, a multiple of eight.
    pub fn fragment(offset: u16, more: bool, id: u32) -> Self {
        let mut rest = vec![0];
        rest.extend((offset & 0xfff8 | u16::from(more)).to_be_bytes());
        rest.extend(id.to_be_bytes());
        Self { number: 44, rest }
    }

    /// Any header number with any bytes behind "next header", right or wrong.
    pub fn exactly(number: u8, rest: &[u8]) -> Self {
        Self {
            number,
            rest: rest.to_vec(),
        }
    }

    pub(crate) fn number(&self) -> u8 {
        self.number
    }

    pub(crate) fn bytes(&self, next: u8) -> Vec<u8> {
        [&[next], self.rest.as_slice()].concat()
    }

    /// The last stop of a routing header that has stops left.
    pub(crate) fn final_destination(&self) -> Option<Ipv6Addr> {
        final_destination(self.number, &self.bytes(0))
    }
}

/// Where a routing header (as on the wire) finally leads, if it still has stops to go: the last
/// address of types 0 and 2, the first of type 4 (RFC 8754 lists its segments backwards).
pub(crate) fn final_destination(number: u8, header: &[u8]) -> Option<Ipv6Addr> {
    let [_, _, kind, left, _, _, _, _, addresses @ ..] = header else {
        return None;
    };
    if number != 43 || *left == 0 {
        return None;
    }
    let last: [u8; 16] = match kind {
        0 | 2 => addresses.last_chunk().copied()?,
        4 => addresses.first_chunk().copied()?,
        _ => return None,
    };
    Some(last.into())
}

/// A length byte, then one PadN option (type 1) that fills the rest.
fn padding(units: u8) -> Vec<u8> {
    let units = units.max(1);
    let fill = usize::from(units) * 8 - 4;
    // PadN's own length is one byte, so long paddings take several.
    let mut rest = vec![units - 1];
    let mut left = fill + 2;
    while left > 0 {
        let size = left.min(256);
        match size {
            1 => rest.push(0),
            _ => rest.extend([1, (size - 2) as u8]),
        }
        rest.resize(rest.len() + size.saturating_sub(2), 0);
        left -= size;
    }
    rest
}

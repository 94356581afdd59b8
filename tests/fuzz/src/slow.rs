//! The parser once more, slow and obvious, from `docs/life-of-a-packet.md`, `docs/limits.md` and the RFCs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What becomes of a packet that has no tuple.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    /// For the program of rare packets: fragments, ICMP and SCTP.
    Aside,
    /// Left to the kernel.
    Passed,
    /// Dropped: its headers or lengths are wrong.
    Dropped,
}

/// What there is to know of a packet with ports.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Seen {
    pub(crate) src: SocketAddr,
    pub(crate) dst: SocketAddr,
    pub(crate) proto: u8,
    pub(crate) l3: usize,
    pub(crate) l4: usize,
    pub(crate) end: usize,
    pub(crate) ttl: u8,
    pub(crate) tcp_flags: u8,
    pub(crate) may_fragment: bool,
    pub(crate) is_fragment: bool,
    /// Its transport header is cut off or impossible; told apart for rare packets only.
    pub(crate) is_damaged: bool,
}

impl Seen {
    pub(crate) fn is_rare(&self) -> bool {
        self.is_fragment || !matches!(self.proto, 6 | 17)
    }

    /// What becomes of a rare one.
    pub(crate) fn fate(&self) -> Fate {
        match self.proto {
            _ if self.is_fragment => Fate::Aside,
            1 | 58 | 132 => Fate::Aside,
            _ => Fate::Passed,
        }
    }
}

/// An IP header of either family.
struct Head {
    src: IpAddr,
    dst: IpAddr,
    proto: u8,
    l4: usize,
    end: usize,
    ttl: u8,
    may_fragment: bool,
    is_fragment: bool,
    is_later: bool,
}

/// Whether it is IPv6, and where that begins. Up to two tags.
pub(crate) fn link(frame: &[u8]) -> Result<(bool, usize), Fate> {
    let ethertype = |at: usize| frame.get(at..at + 2).ok_or(Fate::Dropped);
    let mut at = 12;
    while matches!(ethertype(at)?, [0x81, 0x00] | [0x88, 0xa8]) {
        at += 4;
        if at > 20 {
            return Err(Fate::Passed);
        }
    }
    match ethertype(at)? {
        [0x08, 0x00] => Ok((false, at + 2)),
        [0x86, 0xdd] => Ok((true, at + 2)),
        _ => Err(Fate::Passed),
    }
}

/// Everything from the IP header on. `is_super`: a length of zero means all that is there.
pub(crate) fn packet(frame: &[u8], l3: usize, is_super: bool) -> Result<Seen, Fate> {
    let head = match frame.get(l3 - 2..l3) {
        Some([0x08, 0x00]) => v4(frame, l3, is_super)?,
        _ => v6(frame, l3, is_super)?,
    };
    let ports = ports(frame, &head);
    let seen = |(src, dst, tcp_flags), is_damaged| Seen {
        src: SocketAddr::new(head.src, src),
        dst: SocketAddr::new(head.dst, dst),
        proto: head.proto,
        l3,
        l4: head.l4,
        end: head.end,
        ttl: head.ttl,
        tcp_flags,
        may_fragment: head.may_fragment,
        is_fragment: head.is_fragment,
        is_damaged,
    };
    match ports {
        Some(found) => Ok(seen(found, false)),
        None if seen((0, 0, 0), true).is_rare() => Ok(seen((0, 0, 0), true)),
        None => Err(Fate::Dropped),
    }
}

fn v4(frame: &[u8], l3: usize, is_super: bool) -> Result<Head, Fate> {
    let packet = &frame[l3..];
    let header = packet.get(..20).ok_or(Fate::Dropped)?;
    let header_len = usize::from(header[0] % 16) * 4;
    let stated = usize::from(header[2]) * 256 + usize::from(header[3]);
    let len = if stated == 0 && is_super {
        packet.len()
    } else {
        stated
    };
    let wrong = header[0] / 16 != 4 || header_len < 20 || len < header_len || len > packet.len();
    if wrong {
        return Err(Fate::Dropped);
    }
    let address =
        |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]);
    let is_later = header[6] % 32 != 0 || header[7] != 0;
    Ok(Head {
        src: address(12).into(),
        dst: address(16).into(),
        proto: header[9],
        l4: l3 + header_len,
        end: l3 + len,
        ttl: header[8],
        may_fragment: header[6] & 0x40 == 0,
        is_fragment: is_later || header[6] & 0x20 != 0,
        is_later,
    })
}

fn v6(frame: &[u8], l3: usize, is_super: bool) -> Result<Head, Fate> {
    let packet = &frame[l3..];
    let header = packet.get(..40).ok_or(Fate::Dropped)?;
    let stated = usize::from(header[4]) * 256 + usize::from(header[5]) + 40;
    let len = if stated == 40 && is_super {
        packet.len()
    } else {
        stated
    };
    if header[0] / 16 != 6 || len > packet.len() {
        return Err(Fate::Dropped);
    }
    let address = |at: usize| {
        let octets: [u8; 16] = std::array::from_fn(|byte| header[at + byte]);
        Ipv6Addr::from(octets)
    };
    let mut head = Head {
        src: address(8).into(),
        dst: address(24).into(),
        proto: header[6],
        l4: l3 + 40,
        end: l3 + len,
        ttl: header[7],
        may_fragment: false,
        is_fragment: false,
        is_later: false,
    };
    let mut walked = 0;
    while matches!(head.proto, 0 | 43 | 44 | 60) && !head.is_later {
        extension(frame, &mut head)?;
        walked += 1;
        if walked > MOST && !head.is_later {
            return Err(Fate::Passed);
        }
    }
    Ok(head)
}

/// So many extension headers are walked.
const MOST: usize = 6;

/// Passes one extension header.
fn extension(frame: &[u8], head: &mut Head) -> Result<(), Fate> {
    let header = frame.get(head.l4..).unwrap_or_default();
    let [next, units, high, low, ..] = *header else {
        return Err(Fate::Dropped);
    };
    let mut length = 8 + usize::from(units) * 8;
    match head.proto {
        44 if header.len() < 8 => return Err(Fate::Dropped),
        44 => {
            length = 8;
            head.is_later = high != 0 || low & 0xf8 != 0;
            head.is_fragment = head.is_later || low & 1 != 0;
        }
        // The destination is not the last one.
        43 if low != 0 => return Err(Fate::Passed),
        _ => {}
    }
    head.proto = next;
    head.l4 += length;
    Ok(())
}

/// The ports and what counts as TCP flags, if the transport header is there and possible.
fn ports(frame: &[u8], head: &Head) -> Option<(u16, u16, u8)> {
    if head.is_later {
        return None;
    }
    let segment = frame.get(head.l4..head.end)?;
    let flags = match head.proto {
        6 => {
            let header = usize::from(segment.get(..20)?[12] / 16) * 4;
            (20..=segment.len())
                .contains(&header)
                .then_some(segment[13])?
        }
        17 => {
            let stated = segment.get(..8)?;
            let stated = usize::from(stated[4]) * 256 + usize::from(stated[5]);
            (stated >= 8 && (stated <= segment.len() || head.is_fragment)).then_some(0)?
        }
        132 => chunk(segment.get(..16)?[12]),
        _ => return None,
    };
    let port = |at: usize| u16::from(segment[at]) * 256 + u16::from(segment[at + 1]);
    Some((port(0), port(2), flags))
}

/// SYN, SYN and ACK, FIN and ACK, RST, ACK: what an SCTP packet's first chunk stands for.
fn chunk(kind: u8) -> u8 {
    match kind {
        1 => 0x02,
        2 => 0x12,
        7 | 8 => 0x11,
        6 | 14 => 0x04,
        _ => 0x10,
    }
}

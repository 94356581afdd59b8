//! Where things are in a frame: tags, IP header, extension headers, transport.
//!
//! It follows as many tags and extension headers as there are: bounds are the data path's affair.
//! It does not look into the transport.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::frame::extension::final_destination;

/// Which piece of a datagram a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// All of it.
    Whole,
    /// The first fragment: a transport header, but not all that its checksum covers.
    First,
    /// A later fragment: no transport header.
    Later,
}

/// A frame's anatomy; all positions count from the frame's first byte.
#[derive(Clone, Debug)]
pub struct Anatomy {
    /// The VLAN tags, outermost first.
    pub tags: Vec<[u8; 4]>,
    /// The IP header.
    pub ip: usize,
    /// The transport header, or the data of a later fragment.
    pub transport: usize,
    /// The end of the packet by its own length; what follows in the frame is padding.
    pub end: usize,
    /// The transport's protocol number.
    pub protocol: u8,
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Where a routing header with stops left finally leads.
    pub final_dst: Option<IpAddr>,
    /// Fragment or not.
    pub piece: Piece,
}

impl Anatomy {
    /// Whether it is an IPv6 packet.
    pub fn is_v6(&self) -> bool {
        self.src.is_ipv6()
    }

    /// What the pseudo-header names as the destination.
    pub fn pseudo_dst(&self) -> IpAddr {
        self.final_dst.unwrap_or(self.dst)
    }
}

/// The tags, the EtherType behind them, and where the packet starts.
pub fn link(frame: &[u8]) -> Result<(Vec<[u8; 4]>, u16, usize), String> {
    let mut tags = Vec::new();
    let mut at = 12;
    loop {
        let [a, b] = read(frame, at, "EtherType")?;
        let ethertype = u16::from_be_bytes([a, b]);
        if ethertype != 0x8100 && ethertype != 0x88a8 {
            return Ok((tags, ethertype, at + 2));
        }
        tags.push(read(frame, at, "VLAN tag")?);
        at += 4;
    }
}

/// Takes an IP frame apart, or says what is wrong and where.
pub fn dissect(frame: &[u8]) -> Result<Anatomy, String> {
    let (tags, ethertype, ip) = link(frame)?;
    match ethertype {
        0x0800 => ipv4(frame, ip, tags),
        0x86dd => ipv6(frame, ip, tags),
        other => Err(format!("EtherType 0x{other:04x} is not IP")),
    }
}

fn ipv4(frame: &[u8], ip: usize, tags: Vec<[u8; 4]>) -> Result<Anatomy, String> {
    let header: [u8; 20] = read(frame, ip, "IPv4 header")?;
    let header_length = usize::from(header[0] & 15) * 4;
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let room = frame.len() - ip;
    if header[0] >> 4 != 4 {
        return Err(format!(
            "IP version at {ip} is {}, should be 4",
            header[0] >> 4
        ));
    }
    if header_length < 20 || header_length > total {
        return Err(format!(
            "IPv4 header length at {ip} is {header_length}, should be 20 to total length {total}"
        ));
    }
    if total > room {
        return Err(format!(
            "IPv4 total length at {} is {total}, {room} bytes are there",
            ip + 2
        ));
    }
    let fragment = u16::from_be_bytes([header[6], header[7]]);
    let [.., a, b, c, d, e, f, g, h] = header;
    Ok(Anatomy {
        tags,
        ip,
        transport: ip + header_length,
        end: ip + total,
        protocol: header[9],
        src: IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        dst: IpAddr::V4(Ipv4Addr::new(e, f, g, h)),
        final_dst: None,
        piece: piece(fragment & 0x1fff != 0, fragment & 0x2000 != 0),
    })
}

fn ipv6(frame: &[u8], ip: usize, tags: Vec<[u8; 4]>) -> Result<Anatomy, String> {
    let header: [u8; 40] = read(frame, ip, "IPv6 header")?;
    let payload = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let room = frame.len() - ip - 40;
    if header[0] >> 4 != 6 {
        return Err(format!(
            "IP version at {ip} is {}, should be 6",
            header[0] >> 4
        ));
    }
    if payload > room {
        let at = ip + 4;
        return Err(format!(
            "IPv6 payload length at {at} is {payload}, {room} bytes are there"
        ));
    }
    let address = |at| read(frame, at, "IPv6 address").map(|ip: [u8; 16]| Ipv6Addr::from(ip));
    let mut anatomy = Anatomy {
        tags,
        ip,
        transport: ip + 40,
        end: ip + 40 + payload,
        protocol: header[6],
        src: IpAddr::V6(address(ip + 8)?),
        dst: IpAddr::V6(address(ip + 24)?),
        final_dst: None,
        piece: Piece::Whole,
    };
    while matches!(anatomy.protocol, 0 | 43 | 44 | 60) && anatomy.piece != Piece::Later {
        step(&frame[..anatomy.end], &mut anatomy)?;
    }
    Ok(anatomy)
}

/// Passes one extension header.
fn step(packet: &[u8], anatomy: &mut Anatomy) -> Result<(), String> {
    let (at, number) = (anatomy.transport, anatomy.protocol);
    let what = format!("IPv6 extension header {number}");
    let [next, units, high, low]: [u8; 4] = read(packet, at, &what)?;
    let length = if number == 44 {
        8
    } else {
        8 + usize::from(units) * 8
    };
    let Some(header) = packet.get(at..at + length) else {
        return Err(format!(
            "{what} at {at} has {length} bytes, {} are there",
            packet.len() - at
        ));
    };
    if number == 44 {
        let fragment = u16::from_be_bytes([high, low]);
        anatomy.piece = piece(fragment & 0xfff8 != 0, fragment & 1 != 0);
    }
    if let Some(last) = final_destination(number, header) {
        anatomy.final_dst = Some(IpAddr::V6(last));
    }
    (anatomy.protocol, anatomy.transport) = (next, at + length);
    Ok(())
}

fn piece(later: bool, more: bool) -> Piece {
    match (later, more) {
        (true, _) => Piece::Later,
        (false, true) => Piece::First,
        (false, false) => Piece::Whole,
    }
}

/// `N` bytes at `at`, or a sentence that says they are missing.
pub fn read<const N: usize>(bytes: &[u8], at: usize, what: &str) -> Result<[u8; N], String> {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk());
    found.copied().ok_or_else(|| {
        format!(
            "{what} at {at} needs {N} bytes, the packet ends at {}",
            bytes.len()
        )
    })
}

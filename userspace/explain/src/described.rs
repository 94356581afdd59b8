//! The packet that a user describes, as bytes: right in every length and checksum, and as short as it gets.

use std::net::{IpAddr, SocketAddr};

use tidegate_abi::Proto;

/// Time to live of what Linux sends.
const TTL: u8 = 64;
/// Whose Ethernet addresses: nobody's, locally administered. No program looks at them.
const MACS: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

/// What is behind the IP header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// A TCP segment with these flags.
    Tcp(u8),
    /// A UDP datagram.
    Udp,
    /// The first packet of an SCTP association (INIT).
    Sctp,
    /// An ICMP echo request; ports have no meaning.
    Echo,
}

/// A packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Described {
    /// Its sender.
    pub from: SocketAddr,
    /// Its receiver.
    pub to: SocketAddr,
    /// What it carries.
    pub transport: Transport,
    /// Bytes from the IP header on; less than its headers need: just these.
    pub length: u16,
}

impl Described {
    /// The frame; `None` when the addresses are of two families.
    pub fn frame(&self) -> Option<Vec<u8>> {
        let (ports, proto) = match (self.transport, self.to.is_ipv4()) {
            (Transport::Tcp(flags), _) => (tcp(self, flags), Proto::TCP),
            (Transport::Udp, _) => (udp(self), Proto::UDP),
            (Transport::Sctp, _) => (init(self), Proto::SCTP),
            (Transport::Echo, true) => (vec![8, 0, 0, 0, 0, 1, 0, 1], Proto::ICMP),
            (Transport::Echo, false) => (vec![128, 0, 0, 0, 0, 1, 0, 1], Proto::ICMP6),
        };
        let mut payload = ports;
        let header = if self.to.is_ipv4() { 20 } else { 40 };
        let wanted = usize::from(self.length).saturating_sub(header);
        payload.resize(payload.len().max(wanted), 0);
        if proto == Proto::UDP {
            let len = u16::try_from(payload.len()).ok()?;
            payload[4..6].copy_from_slice(&len.to_be_bytes());
        }
        match (self.from.ip(), self.to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let pseudo = [&from.octets()[..], &to.octets()[..]].concat();
                complete(&mut payload, proto, &pseudo)?;
                v4(proto, from.octets(), to.octets(), &payload)
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let pseudo = [&from.octets()[..], &to.octets()[..]].concat();
                complete(&mut payload, proto, &pseudo)?;
                v6(proto, from.octets(), to.octets(), &payload)
            }
            _ => None,
        }
    }
}

fn ports(it: &Described) -> Vec<u8> {
    [it.from.port().to_be_bytes(), it.to.port().to_be_bytes()].concat()
}

fn tcp(it: &Described, flags: u8) -> Vec<u8> {
    let mut bytes = ports(it);
    // Sequence numbers, five words of header, the flags, a window, no checksum yet, no urgent data.
    bytes.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0xfa, 0xf0, 0, 0, 0, 0]);
    bytes
}

fn udp(it: &Described) -> Vec<u8> {
    let mut bytes = ports(it);
    bytes.extend([0; 4]);
    bytes
}

/// The common header and an INIT chunk (RFC 9260, section 3.3.2).
fn init(it: &Described) -> Vec<u8> {
    let mut bytes = ports(it);
    // No verification tag and no checksum yet.
    bytes.extend([0; 8]);
    bytes.extend([1, 0, 0, 20]);
    // Initiate tag, receiver window, ten streams each way, first number.
    bytes.extend([0, 0, 0, 1, 0, 1, 0, 0, 0, 10, 0, 10, 0, 0, 0, 1]);
    bytes
}

/// Fills in the checksum.
fn complete(payload: &mut [u8], proto: Proto, addresses: &[u8]) -> Option<()> {
    let at = match proto {
        Proto::TCP => 16,
        Proto::UDP => 6,
        Proto::SCTP => {
            let sum = crc32c(payload).to_le_bytes();
            payload[8..12].copy_from_slice(&sum);
            return Some(());
        }
        _ => 2,
    };
    let mut covered = Vec::new();
    if proto != Proto::ICMP {
        covered.extend_from_slice(addresses);
        covered.extend(u32::try_from(payload.len()).ok()?.to_be_bytes());
        covered.extend([0, 0, 0, proto.0]);
    }
    covered.extend_from_slice(payload);
    let sum = match internet_checksum(&covered) {
        // For UDP zero would mean that there is none.
        0 => 0xffff,
        sum => sum,
    };
    payload[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    Some(())
}

fn v4(proto: Proto, from: [u8; 4], to: [u8; 4], payload: &[u8]) -> Option<Vec<u8>> {
    let len = u16::try_from(payload.len() + 20).ok()?.to_be_bytes();
    // Do not fragment, as Linux sends.
    let mut header = vec![0x45, 0, len[0], len[1], 0, 0, 0x40, 0, TTL, proto.0, 0, 0];
    header.extend(from);
    header.extend(to);
    let sum = internet_checksum(&header).to_be_bytes();
    header[10..12].copy_from_slice(&sum);
    Some([&MACS[..], &[0x08, 0x00], &header, payload].concat())
}

fn v6(proto: Proto, from: [u8; 16], to: [u8; 16], payload: &[u8]) -> Option<Vec<u8>> {
    let len = u16::try_from(payload.len()).ok()?.to_be_bytes();
    let mut header = vec![0x60, 0, 0, 0, len[0], len[1], proto.0, TTL];
    header.extend(from);
    header.extend(to);
    Some([&MACS[..], &[0x86, 0xdd], &header, payload].concat())
}

/// RFC 1071.
fn internet_checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2);
    let mut sum: u32 = words
        .map(|word| u32::from(word[0]) << 8 | u32::from(word.get(1).copied().unwrap_or(0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// RFC 9260, appendix A.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    })
}

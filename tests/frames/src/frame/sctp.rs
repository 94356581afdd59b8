//! SCTP packets (RFC 9260): the common header, then chunks.

use std::net::SocketAddr;

use super::{Frame, Transport};
use crate::oracle::crc32c;

/// What to write into the checksum field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Crc {
    /// The right one.
    #[default]
    Right,
    /// One that does not verify.
    Wrong,
    /// Four zeros: left to the network card, or not wanted (RFC 9653).
    Zero,
}

/// A chunk: type, flags and value. Its length and its padding follow from the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    kind: u8,
    flags: u8,
    value: Vec<u8>,
}

impl Chunk {
    /// Any chunk.
    pub fn new(kind: u8, flags: u8, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref().to_vec();
        Self { kind, flags, value }
    }

    /// A piece of user data that is a whole message.
    pub fn data(tsn: u32, bytes: impl AsRef<[u8]>) -> Self {
        let mut value = tsn.to_be_bytes().to_vec();
        value.extend([0; 8]);
        value.extend(bytes.as_ref());
        Self::new(0, 3, value)
    }

    /// The request for an association; `tag` is what the peer has to put into its packets.
    pub fn init(tag: u32) -> Self {
        Self::new(1, 0, parameters(tag))
    }

    /// The answer to it, with a cookie.
    pub fn init_ack(tag: u32) -> Self {
        let cookie = [&[0, 7, 0, 12], b"a cookie".as_slice()].concat();
        Self::new(2, 0, [parameters(tag), cookie].concat())
    }

    /// The cookie comes back.
    pub fn cookie_echo() -> Self {
        Self::new(10, 0, "a cookie")
    }

    /// The association stands.
    pub fn cookie_ack() -> Self {
        Self::new(11, 0, [])
    }

    /// An acknowledgement of data up to `tsn`.
    pub fn sack(tsn: u32) -> Self {
        let [a, b, c, d] = tsn.to_be_bytes();
        Self::new(3, 0, [a, b, c, d, 0, 1, 0, 0, 0, 0, 0, 0])
    }

    /// Is anybody there?
    pub fn heartbeat() -> Self {
        Self::new(4, 0, [0, 1, 0, 8, 1, 2, 3, 4])
    }

    /// The end, at once.
    pub fn abort() -> Self {
        Self::new(6, 0, [])
    }

    /// No more data from the sender.
    pub fn shutdown(tsn: u32) -> Self {
        Self::new(7, 0, tsn.to_be_bytes())
    }

    /// No more data from the other side either.
    pub fn shutdown_ack() -> Self {
        Self::new(8, 0, [])
    }

    /// The end.
    pub fn shutdown_complete() -> Self {
        Self::new(14, 0, [])
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.kind, self.flags];
        bytes.extend((4 + self.value.len() as u16).to_be_bytes());
        bytes.extend(&self.value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }
}

/// Tag, window, streams out and in, first TSN.
fn parameters(tag: u32) -> Vec<u8> {
    let mut value = tag.to_be_bytes().to_vec();
    value.extend([0, 1, 0, 0, 0, 10, 0, 10, 0, 0, 0, 1]);
    value
}

/// An SCTP packet's fields.
#[derive(Clone, Debug)]
pub struct Sctp {
    tag: u32,
    chunks: Vec<Chunk>,
    crc: Crc,
}

impl Transport for Sctp {
    fn protocol(&self, _v6: bool) -> u8 {
        132
    }

    fn segment(&self, src: SocketAddr, dst: SocketAddr, payload: &[u8]) -> Vec<u8> {
        let mut packet = Vec::new();
        packet.extend(src.port().to_be_bytes());
        packet.extend(dst.port().to_be_bytes());
        packet.extend(self.tag.to_be_bytes());
        packet.extend([0; 4]);
        packet.extend(self.chunks.iter().flat_map(Chunk::bytes));
        packet.extend(payload);
        let [a, b, c, d] = crc32c::sctp(&packet);
        packet[crc32c::FIELD].copy_from_slice(&match self.crc {
            Crc::Right => [a, b, c, d],
            Crc::Wrong => [!a, b, c, d],
            Crc::Zero => [0; 4],
        });
        packet
    }
}

impl Frame<Sctp> {
    /// A packet without chunks; a payload, if there is one, stands behind them as it is.
    pub fn sctp(src: SocketAddr, dst: SocketAddr) -> Self {
        let sctp = Sctp {
            tag: 0x7469_6465,
            chunks: Vec::new(),
            crc: Crc::Right,
        };
        Self::new(src, dst, sctp)
    }

    /// The tag that the receiver gave when the association began; 0 in an INIT.
    pub fn verification_tag(mut self, tag: u32) -> Self {
        self.transport.tag = tag;
        self
    }

    /// Adds a chunk.
    pub fn chunk(mut self, chunk: Chunk) -> Self {
        self.transport.chunks.push(chunk);
        self
    }

    /// The checksum.
    pub fn crc(mut self, crc: Crc) -> Self {
        self.transport.crc = crc;
        self
    }
}

//! TCP segments.

use std::net::SocketAddr;

use super::{Checksum, Frame, Transport};
use crate::oracle::checksum;

/// No more data from the sender.
pub const FIN: u8 = 0x01;
/// Synchronise sequence numbers.
pub const SYN: u8 = 0x02;
/// Reset the connection.
pub const RST: u8 = 0x04;
/// Push.
pub const PSH: u8 = 0x08;
/// The acknowledgement field counts.
pub const ACK: u8 = 0x10;
/// The urgent pointer counts.
pub const URG: u8 = 0x20;

/// A TCP header's fields.
#[derive(Clone, Debug)]
pub struct Tcp {
    flags: u8,
    seq: u32,
    ack: u32,
    window: u16,
    urgent: u16,
    options: Vec<u8>,
    data_offset: Option<u8>,
    checksum: Checksum,
}

impl Transport for Tcp {
    fn protocol(&self, _v6: bool) -> u8 {
        6
    }

    fn segment(&self, src: SocketAddr, dst: SocketAddr, payload: &[u8]) -> Vec<u8> {
        let words = self
            .data_offset
            .unwrap_or((5 + self.options.len() / 4) as u8);
        let mut segment = Vec::new();
        segment.extend(src.port().to_be_bytes());
        segment.extend(dst.port().to_be_bytes());
        segment.extend(self.seq.to_be_bytes());
        segment.extend(self.ack.to_be_bytes());
        segment.extend([words << 4, self.flags]);
        segment.extend(self.window.to_be_bytes());
        segment.extend([0, 0]);
        segment.extend(self.urgent.to_be_bytes());
        segment.extend(&self.options);
        segment.extend(payload);
        let sum = self
            .checksum
            .choose(checksum::tcp(src.ip(), dst.ip(), &segment));
        segment[16..18].copy_from_slice(&sum.to_be_bytes());
        segment
    }
}

impl Frame<Tcp> {
    /// A segment with ACK set, sequence and acknowledgement 1, and nothing in it.
    pub fn tcp(src: SocketAddr, dst: SocketAddr) -> Self {
        let tcp = Tcp {
            flags: ACK,
            seq: 1,
            ack: 1,
            window: 64240,
            urgent: 0,
            options: Vec::new(),
            data_offset: None,
            checksum: Checksum::Right,
        };
        Self::new(src, dst, tcp)
    }

    /// The flags, replacing those there.
    pub fn flags(mut self, flags: u8) -> Self {
        self.transport.flags = flags;
        self
    }

    /// The sequence number.
    pub fn seq(mut self, seq: u32) -> Self {
        self.transport.seq = seq;
        self
    }

    /// The acknowledgement number; whether it counts is up to the flags.
    pub fn ack(mut self, ack: u32) -> Self {
        self.transport.ack = ack;
        self
    }

    /// The window.
    pub fn window(mut self, window: u16) -> Self {
        self.transport.window = window;
        self
    }

    /// The urgent pointer.
    pub fn urgent(mut self, pointer: u16) -> Self {
        self.transport.urgent = pointer;
        self
    }

    /// Options, filled up with "end of options" to a multiple of four bytes (at most 40).
    pub fn options(mut self, options: &[u8]) -> Self {
        assert!(
            options.len() <= 40,
            "{} bytes of TCP options, at most 40 fit",
            options.len()
        );
        self.transport.options = options.to_vec();
        self.transport
            .options
            .resize(options.len().next_multiple_of(4), 0);
        self
    }

    /// Another header length, in words of four bytes.
    pub fn data_offset(mut self, words: u8) -> Self {
        self.transport.data_offset = Some(words);
        self
    }

    /// The checksum.
    pub fn checksum(mut self, checksum: Checksum) -> Self {
        self.transport.checksum = checksum;
        self
    }
}

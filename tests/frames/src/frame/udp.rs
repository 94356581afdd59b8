//! UDP datagrams.

use std::net::SocketAddr;

use super::{Checksum, Frame, Transport};
use crate::oracle::checksum;

/// A UDP header's fields.
#[derive(Clone, Debug)]
pub struct Udp {
    length: Option<u16>,
    checksum: Checksum,
}

impl Transport for Udp {
    fn protocol(&self, _v6: bool) -> u8 {
        17
    }

    fn segment(&self, src: SocketAddr, dst: SocketAddr, payload: &[u8]) -> Vec<u8> {
        let mut datagram = Vec::new();
        datagram.extend(src.port().to_be_bytes());
        datagram.extend(dst.port().to_be_bytes());
        datagram.extend(
            self.length
                .unwrap_or((8 + payload.len()) as u16)
                .to_be_bytes(),
        );
        datagram.extend([0, 0]);
        datagram.extend(payload);
        let sum = self
            .checksum
            .choose(checksum::udp(src.ip(), dst.ip(), &datagram));
        datagram[6..8].copy_from_slice(&sum.to_be_bytes());
        datagram
    }
}

impl Frame<Udp> {
    /// An empty datagram.
    pub fn udp(src: SocketAddr, dst: SocketAddr) -> Self {
        Self::new(
            src,
            dst,
            Udp {
                length: None,
                checksum: Checksum::Right,
            },
        )
    }

    /// Another length, header included.
    pub fn udp_length(mut self, length: u16) -> Self {
        self.transport.length = Some(length);
        self
    }

    /// The checksum; [`Checksum::Zero`] means "not computed" over IPv4 and is invalid over IPv6.
    pub fn checksum(mut self, checksum: Checksum) -> Self {
        self.transport.checksum = checksum;
        self
    }

    /// Sets the payload's last two bytes so that the sum comes to zero, which must be sent as
    /// 0xFFFF (rule 5.6.9). The payload must have an even length of at least two.
    pub fn payload_that_sums_to_zero(mut self, payload: impl AsRef<[u8]>) -> Self {
        self.payload = payload.as_ref().to_vec();
        let length = self.payload.len();
        assert!(
            length >= 2 && length.is_multiple_of(2),
            "a payload of {length} bytes, not even"
        );
        self.payload[length - 2..].fill(0);
        let (src, dst) = (self.ip.src, self.ip.final_destination());
        let datagram = self.transport.segment(src, dst, &self.payload);
        let missing = checksum::udp(src.ip(), dst.ip(), &datagram);
        self.payload[length - 2..].copy_from_slice(&missing.to_be_bytes());
        self
    }
}

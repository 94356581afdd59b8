//! What this crate has no fields for: other IP protocols, and frames that are not IP.

use std::net::SocketAddr;

use super::{Frame, Transport};
use crate::roles::{CLIENT_MAC, NODE_MAC};

/// An IP protocol of which only the number is known; the payload is all there is.
#[derive(Clone, Debug)]
pub struct Raw {
    protocol: u8,
}

impl Transport for Raw {
    fn protocol(&self, _v6: bool) -> u8 {
        self.protocol
    }

    fn segment(&self, _src: SocketAddr, _dst: SocketAddr, payload: &[u8]) -> Vec<u8> {
        payload.to_vec()
    }
}

impl Frame<Raw> {
    /// A packet of any protocol, for instance 47 (GRE). The ports play no part.
    pub fn raw(src: SocketAddr, dst: SocketAddr, protocol: u8) -> Self {
        Self::new(src, dst, Raw { protocol })
    }
}

/// A frame that is not IP, for instance 0x0806 (ARP).
pub fn non_ip(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(NODE_MAC);
    frame.extend(CLIENT_MAC);
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    frame
}

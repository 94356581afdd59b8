//! The packet that an ICMP error quotes: as much of it as there is (rule 5.5.9).

use tidegate_abi::Proto;

use super::ip::Ip;
use crate::Packet;

/// What can be known of a quoted packet.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Quote<A> {
    /// Source address.
    pub src: A,
    /// Destination address.
    pub dst: A,
    /// The transport protocol.
    pub proto: Proto,
    /// Offset of the quoted IP header in the frame.
    pub l3: usize,
    /// Offset of the quoted transport header.
    pub l4: usize,
}

/// The quote at an offset; `None`: it is not one, or carries no ports.
#[inline(always)]
pub fn at<A: Ip, P: Packet>(packet: &P, l3: usize) -> Option<Quote<A>> {
    let quote = A::quote(packet, l3)?;
    let has_ports = matches!(quote.proto, Proto::TCP | Proto::UDP | Proto::SCTP);
    has_ports.then_some(quote)
}

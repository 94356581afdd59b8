//! The cases that a journey is run in, and the frames that suit them.

use std::fmt;
use std::net::SocketAddr;

use tidegate_abi::Proto;
use tidegate_frames::{
    Frame,
    frame::Chunk,
    frame::tcp::{ACK, PSH, SYN},
    oracle::{expected_reset, expected_unreachable},
};

use crate::{record::Tuple, textbook::Places};

/// One of the cases of a journey.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The family's addresses.
    pub places: Places,
    /// The transport.
    pub proto: Proto,
    /// Whether uplinks have an XDP stage too.
    pub xdp: bool,
}

/// Both families, all transports, with and without XDP.
pub fn all() -> Vec<Case> {
    [tcp(), udp(), sctp()].concat()
}

/// The cases of TCP.
pub fn tcp() -> Vec<Case> {
    cases(Proto::TCP)
}

/// The cases of UDP.
pub fn udp() -> Vec<Case> {
    cases(Proto::UDP)
}

/// The cases of SCTP.
pub fn sctp() -> Vec<Case> {
    cases(Proto::SCTP)
}

/// IPv4 only.
pub fn v4() -> Vec<Case> {
    all()
        .into_iter()
        .filter(|case| case.places.unowned.is_ipv4())
        .collect()
}

/// IPv6 only.
pub fn v6() -> Vec<Case> {
    all()
        .into_iter()
        .filter(|case| case.places.unowned.is_ipv6())
        .collect()
}

/// Once for each family, where the transport plays no part.
pub fn families() -> Vec<Case> {
    tcp().into_iter().filter(|case| !case.xdp).collect()
}

fn cases(proto: Proto) -> Vec<Case> {
    let families = [Places::v4(), Places::v6()];
    let case = |places| [false, true].map(|xdp| Case { places, proto, xdp });
    families.into_iter().flat_map(case).collect()
}

impl Case {
    /// What a client sends first.
    pub fn first(&self, src: SocketAddr, dst: SocketAddr) -> Vec<u8> {
        match self.proto {
            Proto::TCP => Frame::tcp(src, dst)
                .flags(SYN)
                .ack(0)
                .options(&[2, 4, 5, 0xb4])
                .build(),
            Proto::SCTP => Frame::sctp(src, dst)
                .verification_tag(0)
                .chunk(Chunk::init(7))
                .build(),
            _ => Frame::udp(src, dst).payload("first").build(),
        }
    }

    /// What either side sends once the flow stands.
    pub fn later(&self, src: SocketAddr, dst: SocketAddr) -> Vec<u8> {
        match self.proto {
            Proto::TCP => Frame::tcp(src, dst)
                .flags(ACK | PSH)
                .payload("later on")
                .build(),
            Proto::SCTP => Frame::sctp(src, dst)
                .chunk(Chunk::data(1, "later on"))
                .build(),
            _ => Frame::udp(src, dst).payload("later on").build(),
        }
    }

    /// What a backend sends first.
    pub fn reply(&self, src: SocketAddr, dst: SocketAddr) -> Vec<u8> {
        match self.proto {
            Proto::TCP => Frame::tcp(src, dst).flags(SYN | ACK).build(),
            Proto::SCTP => Frame::sctp(src, dst).chunk(Chunk::init_ack(8)).build(),
            _ => Frame::udp(src, dst).payload("reply").build(),
        }
    }

    /// The first packet, padded with `payload` bytes of data.
    pub fn with_payload(&self, src: SocketAddr, dst: SocketAddr, payload: usize) -> Vec<u8> {
        let payload = vec![0x5a; payload];
        match self.proto {
            Proto::TCP => Frame::tcp(src, dst).flags(SYN).payload(payload).build(),
            Proto::SCTP => Frame::sctp(src, dst)
                .verification_tag(0)
                .chunk(Chunk::init(7))
                .payload(payload)
                .build(),
            _ => Frame::udp(src, dst).payload(payload).build(),
        }
    }

    /// What a client is told whose packet nobody serves.
    pub fn refusal(&self, sent: &[u8]) -> Vec<u8> {
        match (self.proto, self.places.unowned.is_ipv4()) {
            (Proto::TCP, _) => expected_reset(sent),
            (_, true) => expected_unreachable(sent, 3, 3, None),
            (_, false) => expected_unreachable(sent, 1, 4, None),
        }
    }

    /// A tuple of this case's transport.
    pub fn tuple(&self, src: SocketAddr, dst: SocketAddr) -> Tuple {
        Tuple {
            proto: self.proto,
            src,
            dst,
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = if self.places.unowned.is_ipv4() {
            "IPv4"
        } else {
            "IPv6"
        };
        let proto = self.proto.name().unwrap_or("other");
        let hooks = if self.xdp { "XDP and tc" } else { "tc" };
        write!(f, "case: {family}, {proto}, {hooks}")
    }
}

//! Flow records of either family as one type.

use std::net::SocketAddr;

use tidegate_abi::{Address, Flow, FlowKey, Port, Proto};

/// A packet's addresses, ports and protocol.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Tuple {
    /// Transport protocol.
    pub proto: Proto,
    /// Source.
    pub src: SocketAddr,
    /// Destination.
    pub dst: SocketAddr,
}

/// A flow record; see [`Flow`] for what its fields mean.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the fields are those of `Flow`")]
pub struct Record {
    /// What the packet is before translation.
    pub key: Tuple,
    /// What it becomes.
    pub out: Tuple,
    pub backend: u32,
    pub generation: u32,
    pub device: u32,
    pub service: u32,
    pub seen: u32,
    pub created: u32,
    pub flags: u16,
    pub state: u16,
}

/// Key and value as the map of family `A` holds them; `None` when the record is of the other family.
pub fn to_abi<A: Address>(record: &Record) -> Option<(FlowKey<A>, Flow<A>)> {
    let Record {
        key,
        out,
        backend,
        generation,
        device,
        service,
        seen,
        created,
        flags,
        state,
    } = *record;
    let flow = Flow {
        src: A::from_ip(out.src.ip())?,
        dst: A::from_ip(out.dst.ip())?,
        src_port: Port::new(out.src.port()),
        dst_port: Port::new(out.dst.port()),
        backend,
        generation,
        device,
        service,
        seen,
        created,
        flags,
        state,
    };
    Some((key_to_abi(&key)?, flow))
}

/// The key of a tuple of family `A`.
pub fn key_to_abi<A: Address>(tuple: &Tuple) -> Option<FlowKey<A>> {
    Some(FlowKey {
        src: A::from_ip(tuple.src.ip())?,
        dst: A::from_ip(tuple.dst.ip())?,
        src_port: Port::new(tuple.src.port()),
        dst_port: Port::new(tuple.dst.port()),
        proto: tuple.proto,
        pad: 0,
        pad_high: 0,
    })
}

/// The inverse of [`to_abi`].
pub fn from_abi<A: Address>(key: &FlowKey<A>, flow: &Flow<A>) -> Record {
    let at = |ip: A, port: Port| SocketAddr::new(ip.to_ip(), port.get());
    let (from, to) = (at(key.src, key.src_port), at(key.dst, key.dst_port));
    let (new_from, new_to) = (at(flow.src, flow.src_port), at(flow.dst, flow.dst_port));
    Record {
        key: Tuple {
            proto: key.proto,
            src: from,
            dst: to,
        },
        out: Tuple {
            proto: key.proto,
            src: new_from,
            dst: new_to,
        },
        backend: flow.backend,
        generation: flow.generation,
        device: flow.device,
        service: flow.service,
        seen: flow.seen,
        created: flow.created,
        flags: flow.flags,
        state: flow.state,
    }
}

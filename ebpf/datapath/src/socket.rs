//! The shorter journey of a host process: translated once, when its socket connects or sends.
//!
//! There is no packet yet, so there is nothing to rewrite and nothing to masquerade: the kernel chooses
//! the source address for the backend that the socket gets.

use tidegate_abi::{
    Address, Frontend, FrontendKey, Port, Proto, Reason, SocketKey, SocketPeer, frontend::flags,
};

use crate::{
    Tables, affinity,
    select::{self, Choice},
};

/// What a socket asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Call<A> {
    /// The dialled address.
    pub addr: A,
    /// The dialled port.
    pub port: Port,
    /// Transport protocol.
    pub proto: Proto,
    /// The kernel's socket cookie.
    pub cookie: u64,
    /// `CLOCK_MONOTONIC` nanoseconds.
    pub now_ns: u64,
}

/// The backend for a call; [`Reason::NotService`] when the call is none of ours.
#[inline(always)]
pub fn dial<A: Address, T: Tables<A>>(tables: &T, call: &Call<A>) -> Result<Choice<A>, Reason> {
    let frontend = match find(tables, call) {
        Ok(frontend) => frontend,
        Err(Reason::NotService) => return Err(Reason::NotService),
        Err(reason) => {
            tables.socket_stopped(call, 0, reason);
            return Err(reason);
        }
    };
    match give(tables, call, &frontend) {
        Ok(choice) => Ok(choice),
        Err(reason) => {
            tables.socket_stopped(call, frontend.service, reason);
            Err(reason)
        }
    }
}

/// Gives a socket a backend of the service port that it dials.
#[inline(always)]
fn give<A: Address, T: Tables<A>>(
    tables: &T,
    call: &Call<A>,
    frontend: &Frontend,
) -> Result<Choice<A>, Reason> {
    // Which source the kernel will choose is not known yet; the node's own address stands for it.
    let client = tables.node_address();
    if frontend.has(flags::SOURCE_RANGES) && !tables.admits(frontend.service, client) {
        return Err(Reason::SourceRange);
    }
    // A process of this node is inside: policy Local on external frontends does not bind it (2.3.5).
    let pooled = select::pool(frontend, true)?;
    let choice = affinity::backend(tables, client, frontend, pooled, hash(call), call.now_ns)?;
    let peer = SocketPeer {
        addr: call.addr,
        port: call.port,
        pad: 0,
        backend: choice.id.0,
        generation: choice.backend.generation,
    };
    let key = key(call, choice.backend.addr, choice.backend.port);
    // An unconnected socket asks for each datagram: that is one flow.
    let is_known = match tables.socket_peer(&key) {
        Some(known) => known == peer,
        None => false,
    };
    if !is_known {
        tables.put_socket_peer(&key, &peer);
        tables.socket_opened(call, frontend.service, &choice);
    }
    Ok(choice)
}

/// The frontend that a socket believes to talk to, given the peer that it really has.
#[inline(always)]
pub fn dialled<A: Address, T: Tables<A>>(tables: &T, call: &Call<A>) -> Option<SocketPeer<A>> {
    tables.socket_peer(&key(call, call.addr, call.port))
}

#[inline(always)]
fn find<A: Address, T: Tables<A>>(tables: &T, call: &Call<A>) -> Result<Frontend, Reason> {
    let loopback = call.addr.is_loopback();
    if call.addr == A::default() {
        return Err(Reason::NotService);
    }
    // NodePorts answer on the loopback through this hook only (decision 7).
    let addr = if loopback { A::default() } else { call.addr };
    match tables.frontend(&FrontendKey::new(addr, call.port, call.proto)) {
        Some(frontend) if loopback && !frontend.has(flags::NODE_PORT) => Err(Reason::NotService),
        Some(frontend) => Ok(frontend),
        None if loopback || !tables.in_service_range(addr) => Err(Reason::NotService),
        None => Err(unowned(tables, addr)),
    }
}

/// Of a service range, but nobody's frontend; see [`crate::service`].
#[inline(always)]
fn unowned<A: Address, T: Tables<A>>(tables: &T, addr: A) -> Reason {
    match tables.frontend(&FrontendKey::of_address(addr)) {
        Some(address) if !address.has(flags::INTERNAL) => Reason::NotService,
        Some(_) => Reason::UnknownPort,
        None => Reason::NotOwned,
    }
}

/// The same backend for every datagram of a socket to one frontend, as long as the table stands.
#[inline(always)]
fn hash<A: Address>(call: &Call<A>) -> u32 {
    let mut hash = select::mix(call.cookie as u32, (call.cookie >> 32) as u32);
    hash = select::mix(
        hash,
        u32::from(call.port.get()) << 8 | u32::from(call.proto.0),
    );
    let mut i = 0;
    let words = call.addr.words();
    while i < 4 {
        hash = select::mix(hash, words[i]);
        i = i.wrapping_add(1);
    }
    select::finish(hash)
}

#[inline(always)]
fn key<A>(call: &Call<A>, addr: A, port: Port) -> SocketKey<A> {
    let cookie = [call.cookie as u32, (call.cookie >> 32) as u32];
    SocketKey {
        cookie,
        addr,
        port,
        proto: call.proto,
        pad: 0,
    }
}

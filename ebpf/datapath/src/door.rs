//! Step 6: which door? Decided before the packet is written, so that what cannot leave is not touched.

use tidegate_abi::{Address, Flow, FlowKey, Reason, flow::flags};

use crate::{
    Packet, World,
    parse::Headers,
    verdict::{Door, Entry, Stage, Stop},
    world::Route,
};

/// A door and what must be written for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Way {
    /// Which kind of door.
    pub to: To,
    /// The device that it belongs to; 0 where there is none. Always set: of a value that only some doors
    /// have, the compiler would read what was never written.
    pub device: u32,
    /// How much of the time to live is spent here; the kernel's own stack counts for itself.
    pub hops: u8,
    /// Destination and source Ethernet address, where the kernel need not fill them in.
    pub macs: Option<[u8; 12]>,
}

/// The doors that a translated packet can take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum To {
    /// [`Door::Stack`].
    Stack,
    /// [`Door::Transmit`].
    Transmit,
    /// [`Door::Peer`].
    Peer,
    /// [`Door::Neighbour`], or [`Door::Direct`] once the addresses are written.
    Neighbour,
}

impl Way {
    /// The door of a packet that [`crate::rewrite::apply`] has written, with the Ethernet addresses.
    #[inline(always)]
    pub fn door_when_written(&self) -> Door {
        match self.to {
            To::Neighbour if self.macs.is_some() => Door::Direct(self.device),
            _ => self.door(),
        }
    }

    /// The door of a packet whose Ethernet addresses nobody writes here: a later fragment, an ICMP error.
    #[inline(always)]
    pub fn door(&self) -> Door {
        match self.to {
            To::Stack => Door::Stack,
            To::Transmit => Door::Transmit,
            To::Peer => Door::Peer(self.device),
            To::Neighbour => Door::Neighbour(self.device),
        }
    }
}

/// On through the stack, which counts the hop itself.
pub(crate) const BY_THE_STACK: Way = Way {
    to: To::Stack,
    device: 0,
    hops: 0,
    macs: None,
};

/// Chooses the door of a packet that becomes what `flow` says.
#[inline(always)]
pub fn choose<A, P, W>(
    packet: &P,
    world: &W,
    entry: Entry,
    headers: &Headers<A>,
    flow: &Flow<A>,
) -> Result<Way, Stop>
where
    A: Address,
    P: Packet,
    W: World<A>,
{
    if entry.stage == Stage::Leaving {
        // The stack has routed it, counted the hop and will find the neighbour.
        return Ok(BY_THE_STACK);
    }
    if entry.stage == Stage::Xdp && (flow.device != 0 || headers.is_tagged()) {
        return Err(Reason::NextStage.into());
    }
    let way = if flow.device != 0 {
        Way {
            to: To::Peer,
            device: flow.device,
            hops: 1,
            macs: None,
        }
    } else {
        let len = if packet.is_segmented() {
            0
        } else {
            headers.ip_len
        };
        let route = world.route(entry.device, &translated(headers, flow), len);
        match entry.stage {
            Stage::Xdp => before_the_stack(entry, route)?,
            Stage::Tc | Stage::Leaving => by_route(headers, flow, route)?,
        }
    };
    if way.hops != 0 && headers.ttl <= 1 {
        return Err(later(entry, Reason::TtlExceeded.into()));
    }
    Ok(way)
}

/// The tuple after translation.
#[inline(always)]
fn translated<A: Address>(headers: &Headers<A>, flow: &Flow<A>) -> FlowKey<A> {
    flow.opposite(headers.key.proto).reversed()
}

/// XDP sends back out of the same device what it can finish alone, and nothing else.
#[inline(always)]
fn before_the_stack(entry: Entry, route: Route) -> Result<Way, Stop> {
    match route {
        Route::Via {
            device,
            macs: Some(macs),
            ..
        } if device == entry.device => Ok(Way {
            to: To::Transmit,
            device,
            hops: 1,
            macs: Some(macs),
        }),
        _ => Err(Reason::NextStage.into()),
    }
}

#[inline(always)]
fn by_route<A: Address>(headers: &Headers<A>, flow: &Flow<A>, route: Route) -> Result<Way, Stop> {
    let is_ours = flow.flags & (flags::REPLY | flags::MASQUERADE) != 0;
    match route {
        Route::Via {
            device,
            macs,
            is_direct,
        } => Ok(Way {
            to: To::Neighbour,
            device,
            hops: 1,
            // Behind a tag in the frame they would not be all that is to be written.
            macs: macs.filter(|_| is_direct && !headers.is_tagged()),
        }),
        // The stack refuses to forward what comes from one of the host's own addresses, and a reply
        // or a masqueraded packet does. Anything else it can cut up, or knows better what to do with.
        Route::TooBig { .. } if headers.may_fragment != 0 && !is_ours => Ok(BY_THE_STACK),
        Route::TooBig { mtu } => Err(Stop {
            reason: Reason::TooBig,
            mtu,
        }),
        // The stack would quote the packet as it is now, which its sender would not understand (rule 5.5.11).
        Route::Unreachable => Err(Reason::NoRoute.into()),
        Route::None if is_ours => Err(Reason::NoRoute.into()),
        Route::None => Ok(BY_THE_STACK),
    }
}

/// What XDP cannot answer itself, the second stage meets again.
#[inline(always)]
pub fn later(entry: Entry, stop: Stop) -> Stop {
    match entry.stage {
        Stage::Xdp => Reason::NextStage.into(),
        Stage::Tc | Stage::Leaving => stop,
    }
}

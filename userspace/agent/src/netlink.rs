//! What the kernel says about links, addresses, routes and neighbours, as plain structs.
//!
//! Level-triggered: a notification only says *when* to look; each look is a full dump, so that a lost
//! or unparsable notification costs time and never correctness. What the facts mean is decided in
//! [`crate::devices`].

mod convert;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, channel::mpsc::UnboundedReceiver};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::{
    Handle, IpVersion, MulticastGroup, RouteMessageBuilder, packet_core::NetlinkMessage,
    packet_core::NetlinkPayload, sys::SocketAddr,
};
use tidegate_abi::Mac;
use tokio::{sync::mpsc, task::JoinHandle, time};

/// How long a burst of notifications is gathered before looking.
const GATHER: Duration = Duration::from_millis(4);
/// The same when only neighbours changed: they change often and matter little.
const GATHER_NEIGHBOURS: Duration = Duration::from_millis(100);
/// A look without any notification, which repairs whatever was missed.
const REPAIR: Duration = Duration::from_secs(30);

/// Everything known at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Snapshot {
    pub(crate) links: BTreeMap<u32, Link>,
    /// In the order in which a device's addresses rank as source addresses.
    pub(crate) addresses: Vec<DeviceAddress>,
    /// Default routes and host routes only.
    pub(crate) routes: Vec<Route>,
    pub(crate) neighbours: Vec<Neighbour>,
    /// Forwarding databases of all bridges.
    pub(crate) bridged: Vec<Bridged>,
    /// Grows whenever a packet might go another way than before; 0: that depends on more than its addresses.
    pub(crate) route_epoch: u32,
}

/// A network device.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) mac: Mac,
    /// Frames begin with Ethernet addresses.
    pub(crate) is_ethernet: bool,
    pub(crate) is_veth: bool,
    /// The peer is in another network namespace.
    pub(crate) foreign_peer: bool,
    /// The bridge that the device is a port of.
    pub(crate) master: Option<u32>,
    pub(crate) mtu: u32,
}

/// An address that a peer may use: neither loopback nor link-local.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct DeviceAddress {
    pub(crate) device: u32,
    pub(crate) ip: IpAddr,
    /// So many bits of it are those of its link.
    pub(crate) prefix: u8,
}

/// A unicast route.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Route {
    /// `None`: the default route.
    pub(crate) host: Option<IpAddr>,
    pub(crate) devices: Vec<u32>,
}

/// A resolved neighbour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Neighbour {
    pub(crate) device: u32,
    pub(crate) ip: IpAddr,
    pub(crate) mac: Mac,
}

/// A bridge has learnt that an Ethernet address is behind a port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Bridged {
    pub(crate) port: u32,
    pub(crate) mac: Mac,
}

type Messages = UnboundedReceiver<(NetlinkMessage<RouteNetlinkMessage>, SocketAddr)>;

/// Subscribes, looks once, and then keeps sending what changed until the receiver is gone.
pub(crate) async fn follow(out: mpsc::Sender<Snapshot>) -> Result<(Snapshot, JoinHandle<()>)> {
    let refused =
        "the kernel refused a netlink socket: is NETLINK_ROUTE forbidden by a seccomp filter?";
    let (listening, _, messages) = rtnetlink::new_multicast_connection(&[
        MulticastGroup::Link,
        MulticastGroup::Neigh,
        MulticastGroup::Ipv4Ifaddr,
        MulticastGroup::Ipv6Ifaddr,
        MulticastGroup::Ipv4Route,
        MulticastGroup::Ipv6Route,
        MulticastGroup::Ipv4Rule,
        MulticastGroup::Ipv6Rule,
    ])
    .context(refused)?;
    let (asking, handle, _) = rtnetlink::new_connection().context(refused)?;
    tokio::spawn(listening);
    tokio::spawn(asking);
    let mut epochs = Epochs::default();
    let first = look(&handle, &mut epochs).await?;
    let task = tokio::spawn(run(handle, messages, first.clone(), epochs, out));
    Ok((first, task))
}

async fn run(
    handle: Handle,
    mut messages: Messages,
    mut last: Snapshot,
    mut epochs: Epochs,
    out: mpsc::Sender<Snapshot>,
) {
    while !out.is_closed() {
        epochs.is_news |= wait(&mut messages).await;
        match look(&handle, &mut epochs).await {
            Ok(seen) if seen != last => {
                last = seen.clone();
                if out.send(seen).await.is_err() {
                    return;
                }
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!("{error:#}; trying again in a second");
                time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Returns when a look is worth it, and whether there is news of other things than neighbours.
async fn wait(messages: &mut Messages) -> bool {
    let mut gather = match time::timeout(REPAIR, messages.next()).await {
        Ok(Some((message, _))) => patience(&message),
        // The connection ended: dumps still work, so go on with the timer alone.
        Ok(None) => {
            time::sleep(REPAIR).await;
            return true;
        }
        Err(_elapsed) => return true,
    };
    let deadline = time::Instant::now() + gather;
    while let Ok(Some((message, _))) =
        time::timeout_at(deadline.min(time::Instant::now() + gather), messages.next()).await
    {
        gather = gather.min(patience(&message));
    }
    gather < GATHER_NEIGHBOURS
}

fn patience(message: &NetlinkMessage<RouteNetlinkMessage>) -> Duration {
    match message.payload {
        NetlinkPayload::InnerMessage(
            RouteNetlinkMessage::NewNeighbour(_) | RouteNetlinkMessage::DelNeighbour(_),
        ) => GATHER_NEIGHBOURS,
        _ => GATHER,
    }
}

/// Dumps everything.
async fn look(handle: &Handle, epochs: &mut Epochs) -> Result<Snapshot> {
    let (links, addresses, routes, neighbours) = (
        "cannot list network devices",
        "cannot list addresses",
        "cannot list routes",
        "cannot list neighbours",
    );
    let mut seen = Snapshot::default();
    let mut stream = handle.link().get().execute();
    while let Some(message) = stream.try_next().await.context(links)? {
        seen.links
            .insert(message.header.index, convert::link(&message));
    }
    let mut stream = handle.address().get().execute();
    let mut found = Vec::new();
    while let Some(message) = stream.try_next().await.context(addresses)? {
        found.extend(convert::address(&message));
    }
    seen.addresses = convert::ranked(found);
    let mut is_plain = true;
    for version in [IpVersion::V4, IpVersion::V6] {
        let mut stream = handle.rule().get(version).execute();
        // A kernel without policy routing answers with an error.
        while let Ok(Some(message)) = stream.try_next().await {
            is_plain &= convert::is_by_addresses(&message);
        }
    }
    let v4 = RouteMessageBuilder::<std::net::Ipv4Addr>::new().build();
    let v6 = RouteMessageBuilder::<std::net::Ipv6Addr>::new().build();
    for family in [v4, v6] {
        let mut stream = handle.route().get(family).execute();
        while let Some(message) = stream.try_next().await.context(routes)? {
            is_plain &= convert::is_one_way(&message);
            seen.routes.extend(convert::route(&message));
        }
    }
    let mut stream = handle.neighbours().get().execute();
    while let Some(message) = stream.try_next().await.context(neighbours)? {
        seen.neighbours.extend(convert::neighbour(&message));
    }
    // A kernel without bridges answers with an error: then nothing is bridged.
    let mut stream = handle
        .neighbours()
        .get()
        .set_address_family(AddressFamily::Bridge)
        .execute();
    while let Ok(Some(message)) = stream.try_next().await {
        seen.bridged.extend(convert::bridged(&message));
    }
    seen.route_epoch = epochs.next(&seen, is_plain);
    Ok(seen)
}

/// Numbers the states of the routing table, as far as they are told apart.
#[derive(Debug, Default)]
struct Epochs {
    last: u32,
    neighbours: Vec<Neighbour>,
    is_news: bool,
}

impl Epochs {
    /// The number for what is seen now.
    fn next(&mut self, seen: &Snapshot, is_plain: bool) -> u32 {
        if self.is_news || self.last == 0 || self.neighbours != seen.neighbours {
            self.last = self.last.wrapping_add(1).max(1);
            self.neighbours.clone_from(&seen.neighbours);
            self.is_news = false;
        }
        if is_plain { self.last } else { 0 }
    }
}

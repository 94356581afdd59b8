//! An event as it is told over the API: with names instead of numbers.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use k8s_openapi::jiff::Timestamp;
use nix::{
    net::if_::if_indextoname,
    time::{ClockId, clock_gettime},
};
use tidegate_abi::{Event, Ip6, Port, Proto, Reason};
use tidegate_api::EventRow;

use super::kind;
use crate::names::Names;

/// The event with names; ids that nobody has any more stay without one.
pub(crate) fn row(event: &Event, names: &Names) -> EventRow {
    let reason = Reason::from_number(event.reason);
    let owner = names.service(event.service);
    let proto = u8::try_from(event.proto).map(Proto).unwrap_or_default();
    let is_known = proto != Proto::default();
    let has_backend = event.backend != 0;
    let client = socket(event.src, event.src_port);
    let seen_as = socket(event.seen_as, event.seen_as_port);
    EventRow {
        time: wall(event.time_ns),
        kind: reason.and_then(kind).unwrap_or_default().to_owned(),
        reason: reason.map_or_else(|| event.reason.to_string(), |it| it.label().to_owned()),
        sentence: reason.map(Reason::sentence).unwrap_or_default().to_owned(),
        proto: is_known.then(|| name(proto)),
        client: is_known.then_some(client),
        frontend: is_known.then(|| socket(event.dst, event.dst_port)),
        backend: has_backend.then(|| socket(event.to, event.to_port)),
        seen_as: (has_backend && is_set(event.seen_as) && seen_as != client).then_some(seen_as),
        namespace: owner.map(|it| it.key.namespace.clone()),
        service: owner.map(|it| it.key.service.clone()),
        port_name: owner.map(|it| it.key.port_name.clone()),
        port: owner.map(|it| it.port),
        device: (event.device != 0).then(|| device(event.device)),
        bytes: event.len,
    }
}

fn socket(addr: Ip6, port: Port) -> SocketAddr {
    let ip = IpAddr::V6(Ipv6Addr::from(addr.octets())).to_canonical();
    SocketAddr::new(ip, port.get())
}

fn is_set(addr: Ip6) -> bool {
    let ip = socket(addr, Port::default()).ip();
    !ip.is_unspecified()
}

fn name(proto: Proto) -> String {
    match proto {
        Proto::ICMP => "ICMP".to_owned(),
        Proto::ICMP6 => "ICMPv6".to_owned(),
        _ => proto
            .name()
            .map_or_else(|| proto.0.to_string(), str::to_owned),
    }
}

/// Its number, where it has gone meanwhile. Not remembered: devices change their names.
fn device(index: u32) -> String {
    let name = if_indextoname(index).ok();
    let name = name.and_then(|name| name.into_string().ok());
    let name = name.filter(|name| !name.is_empty());
    name.unwrap_or_else(|| format!("#{index}"))
}

/// A moment of the monotonic clock, as the wall clock shows it. The two are compared anew each time: the
/// wall clock is set now and then.
fn wall(monotonic: u64) -> String {
    let ago = mono_now().saturating_sub(monotonic);
    let then = Timestamp::now().as_nanosecond() - i128::from(ago);
    let then = Timestamp::from_nanosecond(then).unwrap_or_default();
    format!("{then:.6}")
}

/// `CLOCK_MONOTONIC` in nanoseconds, the data path's clock.
pub(crate) fn mono_now() -> u64 {
    let Ok(now) = clock_gettime(ClockId::CLOCK_MONOTONIC) else {
        return 0;
    };
    let seconds = u64::try_from(now.tv_sec()).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(now.tv_nsec()).unwrap_or(0)
}

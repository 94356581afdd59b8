//! What the data path tells: traffic by service port and backend, and events for who listens.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use tidegate_abi::{Address as _, Event, EventFilter, Ip4, Ip6, Reason, Traffic};
use tidegate_frames::{
    Frame, Roles,
    frame::tcp::{ACK, RST, SYN},
};
use tidegate_loader::{DataPath, EventSource};

use crate::{
    flows::{open, run, serve},
    stage::{DEVICE, Stage},
};

/// Addresses of the service ranges that nobody owns.
const UNOWNED: [&str; 2] = ["10.96.0.200:80", "[fd00:7469:96::200]:80"];

/// All reasons, all addresses, each packet.
const ALL: EventFilter = EventFilter {
    reasons: u64::MAX,
    addr: Ip6::new([0; 16]),
    mask: Ip6::new([0; 16]),
    service: 0,
    shift: 0,
};

fn drain(source: &mut EventSource) -> Vec<Event> {
    let mut events = Vec::new();
    source.drain(|event| events.push(*event));
    events
}

fn one(source: &mut EventSource) -> Result<Event> {
    let events = drain(source);
    ensure!(events.len() == 1, "{events:?}");
    Ok(events[0])
}

/// IPv4-mapped addresses become what they stand for.
fn socket(addr: Ip6, port: tidegate_abi::Port) -> SocketAddr {
    (addr.to_ip().to_canonical(), port.get()).into()
}

fn both() -> [Roles; 2] {
    [Roles::v4(), Roles::v6()]
}

fn start() -> Result<(Stage, DataPath, EventSource)> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    serve(&stage, &mut data_path)?;
    let mut source = data_path.event_source()?;
    source.set_filter(&ALL)?;
    Ok((stage, data_path, source))
}

#[test]
fn a_new_flow_is_told_of_with_everybody_who_has_to_do_with_it() -> Result<()> {
    let (stage, data_path, mut source) = start()?;
    for roles in both() {
        open(&stage, &data_path, roles)?;
        let it = one(&mut source)?;
        ensure!(it.reason == Reason::NewFlow as u32, "{it:?}");
        ensure!((it.service, it.backend, it.proto) == (1, 1, 6), "{it:?}");
        ensure!(socket(it.src, it.src_port) == roles.backend, "{it:?}");
        ensure!(socket(it.dst, it.dst_port) == roles.service, "{it:?}");
        ensure!(socket(it.to, it.to_port) == roles.remote_backend, "{it:?}");
        // What the second packet of a flow meets is no news.
        let data = Frame::tcp(roles.backend, roles.service).flags(ACK).build();
        run(&stage, &data_path, &data)?;
        ensure!(drain(&mut source).is_empty(), "a known flow");
        let len = Frame::tcp(roles.backend, roles.service).build().len() - 14;
        ensure!(it.len as usize == len, "{it:?}");
        ensure!(it.device == stage.index()? && it.time_ns > 0, "{it:?}");
    }
    Ok(())
}

#[test]
fn a_drop_is_told_of_with_its_reason_and_its_tuple() -> Result<()> {
    let (stage, data_path, mut source) = start()?;
    for (roles, to) in both().into_iter().zip(UNOWNED) {
        let to: SocketAddr = to.parse()?;
        let frame = Frame::tcp(roles.backend, to).flags(SYN).build();
        run(&stage, &data_path, &frame)?;
        let it = one(&mut source)?;
        ensure!(it.reason == Reason::NotOwned as u32, "{it:?}");
        ensure!(socket(it.src, it.src_port) == roles.backend, "{it:?}");
        ensure!(socket(it.dst, it.dst_port) == to, "{it:?}");
        ensure!((it.service, it.backend) == (0, 0), "{it:?}");
        // A reset to a Service that knows no such flow is dropped, and the Service is named.
        let reset = Frame::tcp(roles.client, roles.service).flags(RST).build();
        run(&stage, &data_path, &reset)?;
        let it = one(&mut source)?;
        ensure!(it.reason == Reason::MidStreamReset as u32, "{it:?}");
    }
    Ok(())
}

#[test]
fn what_cannot_be_parsed_is_told_of_by_its_reason() -> Result<()> {
    let (stage, data_path, mut source) = start()?;
    let mut frame = Frame::tcp(Roles::v4().backend, Roles::v4().service).build();
    frame.truncate(14 + 20 + 4);
    run(&stage, &data_path, &frame)?;
    let it = one(&mut source)?;
    ensure!(it.reason == Reason::Truncated as u32, "{it:?}");
    ensure!((it.len as usize, it.proto) == (frame.len(), 0), "{it:?}");
    source.set_filter(&EventFilter { service: 1, ..ALL })?;
    run(&stage, &data_path, &frame)?;
    ensure!(drain(&mut source).is_empty(), "of no Service");
    Ok(())
}

#[test]
fn the_filter_is_applied_in_the_kernel() -> Result<()> {
    let (stage, data_path, mut source) = start()?;
    let roles = Roles::v4();
    let mapped = |ip| Ip4::from_ip(ip).map_or(Ip6::default(), Ip4::mapped);
    let whole = Ip6::new([0xff; 16]);
    let client = mapped(roles.backend.ip());
    let stranger = mapped(roles.client.ip());
    let dropped = 1 << Reason::NotOwned as u32;
    let cases = [
        (
            EventFilter {
                reasons: dropped,
                ..ALL
            },
            1,
        ),
        (
            EventFilter {
                reasons: !dropped,
                ..ALL
            },
            0,
        ),
        (EventFilter::default(), 0),
        (
            EventFilter {
                addr: client,
                mask: whole,
                ..ALL
            },
            1,
        ),
        (
            EventFilter {
                addr: stranger,
                mask: whole,
                ..ALL
            },
            0,
        ),
        (EventFilter { service: 1, ..ALL }, 0),
    ];
    let frame = Frame::tcp(roles.backend, UNOWNED[0].parse()?)
        .flags(SYN)
        .build();
    for (filter, expected) in cases {
        source.set_filter(&filter)?;
        run(&stage, &data_path, &frame)?;
        let told = drain(&mut source);
        ensure!(told.len() == expected, "{filter:?}: {told:?}");
    }
    // One in eight of a thousand: the chance to be outside is less than one in a billion.
    source.set_filter(&EventFilter { shift: 3, ..ALL })?;
    let mut told = 0;
    for _ in 0..1000 {
        run(&stage, &data_path, &frame)?;
        told += drain(&mut source).len();
    }
    ensure!((60..200).contains(&told), "{told} of 1000");
    Ok(())
}

#[test]
fn an_agent_that_comes_after_a_crash_wants_nothing_that_it_did_not_ask_for() -> Result<()> {
    let (stage, data_path, source) = start()?;
    drop((source, data_path));
    let mut data_path = stage.load()?;
    let mut source = data_path.event_source()?;
    open(&stage, &data_path, Roles::v4())?;
    ensure!(drain(&mut source).is_empty(), "an old wish");
    Ok(())
}

#[test]
fn traffic_is_counted_for_service_port_and_backend_in_both_directions() -> Result<()> {
    let (stage, data_path, _source) = start()?;
    // Replies must find a way to the pod.
    let [v4, v6] = both().map(|roles| roles.backend.ip());
    stage.node.ip(&format!("route add {v4} dev {DEVICE}"))?;
    stage.node.ip(&format!("route add {v6} dev {DEVICE}"))?;
    stage.node.sh(
        "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding",
    )?;
    let meters = data_path.meters()?;
    let mut services = Traffic::default();
    for roles in both() {
        let syn = Frame::tcp(roles.backend, roles.service).flags(SYN).build();
        let data = Frame::tcp(roles.backend, roles.service)
            .flags(ACK)
            .payload([7; 100])
            .build();
        for frame in [&syn, &data, &data] {
            run(&stage, &data_path, frame)?;
        }
        let reply = Frame::tcp(roles.remote_backend, roles.backend)
            .flags(SYN | ACK)
            .build();
        run(&stage, &data_path, &reply)?;
        let expected = Traffic {
            packets: 3,
            bytes: (syn.len() + 2 * data.len()) as u64,
            reply_packets: 1,
            reply_bytes: reply.len() as u64,
            opened: 1,
            refused: 0,
        };
        let of_family = match roles.service {
            SocketAddr::V4(_) => meters.backends::<Ip4>([1, 2, u32::MAX])?,
            SocketAddr::V6(_) => meters.backends::<Ip6>([1, 2, u32::MAX])?,
        };
        let none = Traffic::default();
        ensure!(
            of_family == [expected, none, none],
            "{of_family:?}, {expected:?}"
        );
        services = Traffic {
            packets: services.packets + 3,
            bytes: services.bytes + expected.bytes,
            reply_packets: services.reply_packets + 1,
            reply_bytes: services.reply_bytes + expected.reply_bytes,
            opened: services.opened + 1,
            refused: 0,
        };
        ensure!(
            meters.services([1])? == [services],
            "{:?}",
            meters.services([1])?
        );
    }
    Ok(())
}

#[test]
fn what_a_service_port_refuses_is_counted_for_it() -> Result<()> {
    let (stage, data_path, _source) = start()?;
    let roles = Roles::v4();
    // A segment from the middle of a connection that nobody knows.
    let stray = Frame::tcp(roles.client, roles.service).flags(ACK).build();
    run(&stage, &data_path, &stray)?;
    let meters = data_path.meters()?;
    let expected = Traffic {
        refused: 1,
        ..Traffic::default()
    };
    ensure!(
        meters.services([1])? == [expected],
        "{:?}",
        meters.services([1])?
    );
    ensure!(
        meters.services([0])? == [Traffic::default()],
        "id 0 is nobody's"
    );
    Ok(())
}

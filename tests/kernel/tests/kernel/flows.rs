//! What packets leave behind: flow records, counters, and events of drops.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use bytemuck::Pod;
use tidegate_abi::{
    Address, Backend, BackendId, Device, Flow, FlowKey, Frontend, FrontendKey, Ip4, Ip6, Pool,
    Port, Proto, Reason, Settings, backend, event, frontend,
    settings::{Range4, Range6},
};
use tidegate_frames::{
    Frame, Roles,
    frame::tcp::{RST, SYN},
};
use tidegate_loader::{DataPath, Options};

use crate::stage::{ALL_EVENTS, Stage};

/// tc's verdict for a drop.
const SHOT: i32 = 2;
/// Addresses of the service ranges that nobody owns.
const UNOWNED: [&str; 2] = ["10.96.0.200:80", "[fd00:7469:96::200]:80"];

/// A Service of each family with one backend on another node, and the ranges its addresses are from.
pub(crate) fn serve(stage: &Stage, data_path: &mut DataPath) -> Result<()> {
    let mut settings = Settings::default();
    settings.service4[0] = Range4 {
        base: Ip4::new([10, 96, 0, 0]),
        mask: Ip4::new([255, 240, 0, 0]),
    };
    let (mut base, mut mask) = ([0; 16], [0xff; 16]);
    base[..6].copy_from_slice(&[0xfd, 0, 0x74, 0x69, 0, 0x96]);
    mask[14..].fill(0);
    settings.service6[0] = Range6 {
        base: Ip6::new(base),
        mask: Ip6::new(mask),
    };
    data_path.set_settings(&settings)?;
    data_path.set_device(stage.index()?, Some(Device::default()))?;
    data_path.set_slots(0, &[BackendId(1)])?;
    serve_family::<Ip4>(data_path, Roles::v4())?;
    serve_family::<Ip6>(data_path, Roles::v6())
}

fn serve_family<A: Address>(data_path: &mut DataPath, roles: Roles) -> Result<()>
where
    FrontendKey<A>: Pod,
    Backend<A>: Pod,
{
    let split = |at: SocketAddr| -> Result<(A, Port)> {
        let addr = A::from_ip(at.ip()).context("the other family")?;
        Ok((addr, Port::new(at.port())))
    };
    let (addr, port) = split(roles.remote_backend)?;
    let backend = Backend {
        addr,
        port,
        flags: backend::flags::SERVING,
        generation: 1,
    };
    data_path.set_backend(BackendId(1), backend)?;
    let (addr, port) = split(roles.service)?;
    let frontend = Frontend {
        service: 1,
        flags: frontend::flags::INTERNAL,
        cluster: Pool { start: 0, len: 1 },
        ..Frontend::default()
    };
    Ok(data_path.set_frontend(FrontendKey::new(addr, port, Proto::TCP), Some(frontend))?)
}

/// A pod opens a connection to the Service; the verdict.
pub(crate) fn open(stage: &Stage, data_path: &DataPath, roles: Roles) -> Result<i32> {
    let frame = Frame::tcp(roles.backend, roles.service).flags(SYN).build();
    run(stage, data_path, &frame)
}

fn run(stage: &Stage, data_path: &DataPath, frame: &[u8]) -> Result<i32> {
    let index = stage.index()?;
    let outcome = stage
        .node
        .run(|| data_path.try_run("tc_pod", frame, index))?;
    Ok(outcome.code)
}

/// Flow records of a family, in a fixed order.
pub(crate) fn records<A: Address>(data_path: &DataPath) -> Result<Vec<(FlowKey<A>, Flow<A>)>>
where
    FlowKey<A>: Pod + Ord,
    Flow<A>: Pod,
{
    let mut records = data_path.flows::<A>()?;
    records.sort_by_key(|(key, _)| *key);
    Ok(records)
}

#[test]
fn a_new_flow_is_two_records_and_one_count() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    serve(&stage, &mut data_path)?;
    for roles in [Roles::v4(), Roles::v6()] {
        let code = open(&stage, &data_path, roles)?;
        ensure!(code != SHOT, "dropped: {:?}", data_path.counters()?);
    }
    let (v4, v6) = (records::<Ip4>(&data_path)?, records::<Ip6>(&data_path)?);
    ensure!(v4.len() == 2 && v6.len() == 2, "{v4:?} {v6:?}");
    let forward = v4.iter().find(|(_, flow)| !flow.is_reply());
    let (key, flow) = forward.context("no forward record")?;
    let roles = Roles::v4();
    let found = [
        (key.src, key.src_port),
        (key.dst, key.dst_port),
        (flow.dst, flow.dst_port),
    ]
    .map(|(addr, port)| SocketAddr::new(addr.to_ip(), port.get()));
    ensure!(
        found == [roles.backend, roles.service, roles.remote_backend],
        "{found:?}"
    );
    let counted = data_path.counters()?[Reason::NewFlow as usize];
    let bytes = [Roles::v4(), Roles::v6()]
        .map(|roles| Frame::tcp(roles.backend, roles.service).build().len() as u64);
    ensure!(
        (counted.packets, counted.bytes) == (2, bytes.iter().sum()),
        "{counted:?}"
    );
    Ok(())
}

#[test]
fn a_dropped_frame_is_reported_with_its_reason_and_its_head() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load_with(&Options {
        event_shift: ALL_EVENTS,
        ..stage.options()
    })?;
    serve(&stage, &mut data_path)?;
    ensure!(data_path.events().is_empty(), "events before any drop");
    for (roles, to) in [Roles::v4(), Roles::v6()].into_iter().zip(UNOWNED) {
        let frame = Frame::tcp(roles.backend, to.parse()?)
            .flags(SYN)
            .payload([0xa5; 40])
            .build();
        ensure!(run(&stage, &data_path, &frame)? == SHOT, "{to}: passed");
        let events = data_path.events();
        let [it] = events.as_slice() else {
            anyhow::bail!("{to}: {events:?}");
        };
        ensure!(it.reason == Reason::NotOwned as u32, "{to}: {it:?}");
        ensure!(
            (it.device, it.len as usize) == (stage.index()?, frame.len()),
            "{to}: {it:?}"
        );
        ensure!(
            it.head_len as usize == event::HEAD && it.head == frame[..event::HEAD],
            "{to}: {it:?}"
        );
        ensure!(it.time_ns > 0, "{to}: {it:?}");
    }
    Ok(())
}

#[test]
fn a_short_frame_is_reported_up_to_the_ports() -> Result<()> {
    const HEAD: usize = 42;
    let stage = Stage::new()?;
    let mut data_path = stage.load_with(&Options {
        event_shift: ALL_EVENTS,
        ..stage.options()
    })?;
    serve(&stage, &mut data_path)?;
    let frame = Frame::udp(Roles::v4().backend, UNOWNED[0].parse()?).build();
    ensure!(run(&stage, &data_path, &frame)? == SHOT, "passed");
    let events = data_path.events();
    let [it] = events.as_slice() else {
        anyhow::bail!("{events:?}");
    };
    ensure!(it.head_len as usize == HEAD, "{it:?}");
    ensure!(it.head[..HEAD] == frame[..HEAD], "{it:?}");
    ensure!(it.head[HEAD..].iter().all(|byte| *byte == 0), "{it:?}");
    Ok(())
}

#[test]
fn what_is_forwarded_or_answered_is_no_event_and_none_are_made_when_not_wanted() -> Result<()> {
    let stage = Stage::new()?;
    for (event_shift, reported) in [(ALL_EVENTS, true), (crate::stage::NO_EVENTS, false)] {
        let mut data_path = stage.load_with(&Options {
            event_shift,
            ..stage.options()
        })?;
        serve(&stage, &mut data_path)?;
        open(&stage, &data_path, Roles::v4())?;
        ensure!(data_path.events().is_empty(), "a forwarded packet");
        // Nobody answers a reset: it is dropped.
        let reset = Frame::tcp(Roles::v4().client, Roles::v4().service)
            .flags(RST)
            .build();
        ensure!(run(&stage, &data_path, &reset)? == SHOT, "passed");
        ensure!(data_path.events().len() == usize::from(reported));
    }
    Ok(())
}

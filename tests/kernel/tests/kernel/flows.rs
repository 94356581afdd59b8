//! What packets leave behind: flow records and counters.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use bytemuck::Pod;
use tidegate_abi::{
    Address, Backend, BackendId, Device, Flow, FlowKey, Frontend, FrontendKey, Ip4, Ip6, Pool,
    Port, Proto, Reason, Settings, backend, frontend,
    settings::{Range4, Range6},
};
use tidegate_frames::{
    Frame, Roles,
    frame::tcp::{ACK, SYN},
};
use tidegate_loader::DataPath;

use crate::stage::Stage;

/// tc's verdict for a drop.
const SHOT: i32 = 2;

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

/// The backend accepts: from now on the flow may rest for a day, however long an emulated machine takes to load
/// programs.
pub(crate) fn accept(stage: &Stage, data_path: &DataPath, roles: Roles) -> Result<()> {
    let accepted = Frame::tcp(roles.remote_backend, roles.backend)
        .flags(SYN | ACK)
        .build();
    let index = stage.index()?;
    stage
        .node
        .run(|| data_path.try_run("tc_uplink", &accepted, index))?;
    Ok(())
}

pub(crate) fn run(stage: &Stage, data_path: &DataPath, frame: &[u8]) -> Result<i32> {
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

//! Flows that nobody has confirmed have records of their own (decision 20).

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use tidegate_abi::{Flow, FlowKey, FrontendKey, Ip4, Port, Proto, Reason, flow::flags::SETTLED};
use tidegate_frames::{
    Frame, Roles,
    frame::tcp::{ACK, SYN},
};
use tidegate_loader::DataPath;

use crate::{
    flows::{open, records, run, serve},
    stage::{FLOWS, Stage},
};

/// Which TCP segments go from where to where.
type Segments = [(SocketAddr, SocketAddr, u8)];

fn send(stage: &Stage, data_path: &DataPath, segments: &Segments) -> Result<()> {
    for (from, to, flags) in segments {
        let frame = Frame::tcp(*from, *to).flags(*flags).build();
        let _code = run(stage, data_path, &frame)?;
    }
    Ok(())
}

/// The handshake of a pod with the Service.
fn handshake(roles: &Roles) -> [(SocketAddr, SocketAddr, u8); 3] {
    [
        (roles.backend, roles.service, SYN),
        (roles.remote_backend, roles.backend, SYN | ACK),
        (roles.backend, roles.service, ACK),
    ]
}

fn used(data_path: &DataPath, map: &str) -> Result<u32> {
    let rows = data_path.map_use()?;
    let row = rows.into_iter().find(|(name, _, _)| name == map);
    row.and_then(|(_, used, _)| used).context("no such map")
}

fn all_settled(records: &[(FlowKey<Ip4>, Flow<Ip4>)]) -> bool {
    records.iter().all(|(_, flow)| flow.flags & SETTLED != 0)
}

#[test]
fn a_flow_is_settled_when_the_client_speaks_after_it_was_answered() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    serve(&stage, &mut data_path)?;
    let roles = Roles::v4();
    let [syn, syn_ack, ack] = handshake(&roles);
    // Neither a second SYN nor an answer is enough.
    send(&stage, &data_path, &[syn, syn, syn_ack, syn_ack, syn])?;
    ensure!(used(&data_path, "flows4")? == 0 && used(&data_path, "opening_flows4")? == 2);
    let before = records::<Ip4>(&data_path)?;
    send(&stage, &data_path, &[ack])?;
    ensure!(used(&data_path, "flows4")? == 2 && used(&data_path, "opening_flows4")? == 0);
    let after = records::<Ip4>(&data_path)?;
    ensure!(all_settled(&after), "{after:?}");
    // The same records, at another place.
    let same = before.iter().zip(&after).all(|(old, new)| {
        let as_before = Flow {
            flags: new.1.flags & !SETTLED,
            seen: old.1.seen,
            ..new.1
        };
        (old.0, old.1) == (new.0, as_before)
    });
    ensure!(same, "{before:?}, then {after:?}");
    Ok(())
}

#[test]
fn rule_5_7_11_a_flood_of_first_packets_pushes_out_no_settled_flow() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    serve(&stage, &mut data_path)?;
    let roles = Roles::v4();
    send(&stage, &data_path, &handshake(&roles))?;
    let before = records::<Ip4>(&data_path)?;
    ensure!(before.len() == 2 && all_settled(&before), "{before:?}");
    for nth in 0..4 * FLOWS {
        let port = 1024 + u16::try_from(nth)?;
        let from = SocketAddr::from(([10, 244, 0, 9], port));
        send(&stage, &data_path, &[(from, roles.service, SYN)])?;
    }
    let mut after = records::<Ip4>(&data_path)?;
    after.retain(|(key, _)| before.iter().any(|(old, _)| old == key));
    ensure!(after == before, "{before:?}, then {after:?}");
    let known = data_path.counters()?[Reason::KnownFlow as usize].packets;
    send(&stage, &data_path, &[handshake(&roles)[2]])?;
    ensure!(data_path.counters()?[Reason::KnownFlow as usize].packets == known + 1);
    Ok(())
}

#[test]
fn rule_3_2_2_and_3_2_3_the_tuple_of_a_settled_flow_is_given_to_no_new_one() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    serve(&stage, &mut data_path)?;
    let roles = Roles::v4();
    // The same backend behind another port.
    let (key, frontend) = *data_path
        .frontends::<Ip4>()?
        .first()
        .context("no frontend")?;
    let twin = SocketAddr::new(roles.service.ip(), roles.service.port() + 1);
    let key = FrontendKey::new(key.addr, Port::new(twin.port()), Proto::TCP);
    data_path.set_frontend(key, Some(frontend))?;
    let mut settings = data_path.settings()?;
    (settings.masquerade_min, settings.masquerade_max) = (20_000, 29_999);
    data_path.set_settings(&settings)?;
    send(&stage, &data_path, &handshake(&roles))?;
    send(&stage, &data_path, &[(roles.backend, twin, SYN)])?;
    let forward: Vec<u16> = records::<Ip4>(&data_path)?
        .iter()
        .filter(|(_, flow)| !flow.is_reply())
        .map(|(_, flow)| flow.src_port.get())
        .collect();
    ensure!(
        forward.len() == 2 && forward[0] != forward[1],
        "both leave from port {forward:?}"
    );
    Ok(())
}

#[test]
fn a_new_connection_on_the_tuple_of_a_settled_one_that_is_over_begins_as_every_other() -> Result<()>
{
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    serve(&stage, &mut data_path)?;
    let roles = Roles::v4();
    send(&stage, &data_path, &handshake(&roles))?;
    const RST: u8 = tidegate_frames::frame::tcp::RST;
    send(&stage, &data_path, &[(roles.backend, roles.service, RST)])?;
    open(&stage, &data_path, roles)?;
    let records = records::<Ip4>(&data_path)?;
    ensure!(records.len() == 2, "{records:?}");
    ensure!(used(&data_path, "flows4")? == 0 && used(&data_path, "opening_flows4")? == 2);
    Ok(())
}

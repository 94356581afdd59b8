//! Ten thousand living flows, and a thousand new ones each second, while the agent is killed, started and upgraded.

use std::{net::SocketAddr, sync::atomic::Ordering::Relaxed, time::Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tidegate_e2e::{Ep, Svc, World};
use tidegate_rig::Netns;

use crate::{
    crowd::{Counts, Crowd},
    programs::programs,
    server::Server,
};

/// Half of them on this node, half on the other.
const LIVING: usize = 10_000;
/// New connections each hundredth of a second.
const A_TURN: usize = 10;
/// New connections around each event.
const AROUND: u64 = 1_000;
/// Sockets of the client, at least.
const DESCRIPTORS: u64 = 12_000;
/// Not the rig's servers: those need a thread for each connection.
const PORT: u16 = 9090;

/// Reasons that end a packet.
fn stopped(world: &World) -> Result<Vec<(String, u64)>> {
    let status = world.spec.status()?;
    let rows = status["counters"].as_array().context("no counters")?;
    let ends = rows
        .iter()
        .filter(|row| row["verdict"] == "drop" || row["verdict"] == "reject");
    let row = |row: &serde_json::Value| {
        let name = row["reason"].as_str().unwrap_or_default().to_owned();
        (name, row["packets"].as_u64().unwrap_or(0))
    };
    Ok(ends.map(row).filter(|(_, packets)| *packets > 0).collect())
}

/// Segments that were sent again, by all machines.
fn sent_again(machines: &[Netns]) -> Result<u64> {
    machines.iter().try_fold(0, |sum, ns| {
        let table = ns.run(|| std::fs::read_to_string("/proc/thread-self/net/snmp"))?;
        let mut lines = table.lines().filter(|line| line.starts_with("Tcp:"));
        let (names, values) = (
            lines.next().context("no Tcp")?,
            lines.next().context("no Tcp")?,
        );
        let mut pairs = names.split(' ').zip(values.split(' '));
        let found = pairs.find(|(name, _)| *name == "RetransSegs");
        Ok(sum + found.context("no RetransSegs")?.1.parse::<u64>()?)
    })
}

fn raise_descriptors() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    ensure!(most >= DESCRIPTORS, "ulimit -n is {most}");
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}

#[test]
fn rule_5_1_8_ten_thousand_flows_and_a_stream_of_new_ones_outlive_kill_restart_and_upgrade()
-> Result<()> {
    outlive(LIVING, &[])
}

/// Filters are all that there is before Linux 6.6.
#[test]
fn rule_5_1_8_flows_outlive_kill_restart_and_upgrade_with_filters_in_the_place_of_tcx() -> Result<()>
{
    outlive(LIVING / 10, &["--tcx=false"])
}

/// The same links, each with another program.
fn is_replaced(old: &[(String, u32)], new: &[(String, u32)]) -> Result<()> {
    ensure!(old.len() == new.len(), "{old:?}, {new:?}");
    for (a, b) in old.iter().zip(new) {
        ensure!(a.0 == b.0, "{a:?}, {b:?}");
        ensure!(a.1 != b.1, "{} kept its program", a.0);
    }
    Ok(())
}

fn outlive(many: usize, args: &[&str]) -> Result<()> {
    raise_descriptors()?;
    let mut world = World::builder().pods(2, 2).args(args).build()?;
    let pods: Vec<Netns> = world.scene.pods().map(|pod| pod.ns.clone()).collect();
    let servers = pods.iter().map(|ns| Server::start(ns, PORT));
    let _servers = servers.collect::<Result<Vec<_>>>()?;
    let svc = Svc::new("many", 1);
    let endpoints: Vec<Ep> = world
        .scene
        .pods()
        .map(|pod| Ep::of(pod).port(PORT))
        .collect();
    world.put(&svc, &endpoints)?;
    let client = world.scene.client.clone();
    let to = [false, true].map(|v6| svc.node_port(world.node_address(v6)));
    let to: Vec<SocketAddr> = to.to_vec();
    let machines: Vec<Netns> = pods.iter().chain([&client]).cloned().collect();

    let begun = Instant::now();
    let crowd = Crowd::start(&client, to, many, A_TURN)?;
    eprintln!("{many} flows live after {:?}", begun.elapsed());
    let quiet = sent_again(&machines)?;
    crowd.more(3 * AROUND)?;
    let noise = sent_again(&machines)? - quiet;
    let (before, first) = (stopped(&world)?, programs(&world.spec.pins, 1)?);

    let begun = Instant::now();
    let opened = crowd.counts.opened.load(Relaxed);
    world.kill_agent()?;
    crowd.more(AROUND)?;
    world.replace_agent()?;
    let second = programs(&world.spec.pins, 1)?;
    crowd.more(AROUND)?;
    // As the package and a DaemonSet do it: SIGTERM, and the new one.
    world.upgrade_agent()?;
    let third = programs(&world.spec.pins, 1)?;
    crowd.more(AROUND)?;
    let opened = crowd.counts.opened.load(Relaxed) - opened;
    let rate = opened as f64 / begun.elapsed().as_secs_f64();
    let again = sent_again(&machines)? - quiet - noise;

    let counts = crowd.finish()?;
    let Counts {
        living, left_out, ..
    } = &*counts;
    eprintln!(
        "{} flows lived; {opened} new ones meanwhile, {rate:.0} a second ({} turns left out); segments sent again: {noise} in quiet, {again} in {opened} connections around the events",
        living.load(Relaxed),
        left_out.load(Relaxed),
    );
    // A gap of ten milliseconds is one of ten connections at least.
    ensure!(
        again <= 2 * noise + opened / 1_000,
        "{again} segments were lost around the events, {noise} in quiet"
    );
    is_replaced(&first, &second)?;
    is_replaced(&second, &third)?;
    let after = stopped(&world)?;
    ensure!(
        after == before,
        "packets were stopped: {before:?}, then {after:?}"
    );
    Ok(())
}

//! A rolling update of ten pods while clients open 500 connections a second: no request may fail.
//!
//! It is done as a Deployment does it (one pod more than ten, none less): the new pod starts and is
//! listed, not ready; it becomes ready; the old one is listed as terminating, still serves, ends its
//! connections, stops listening, and is taken from the slice. The rate is what is aimed at; on a busy
//! machine it may be less, but nothing may fail at any rate.

mod changes;
mod load;

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Ep, Svc, World, soon};
use tidegate_rig::EchoServer;

use load::Load;

/// Pods before, and as many after.
const PODS: usize = 10;
/// Connections a second, of all clients together.
const RATE: u32 = 500;
/// Below this the machine was too busy to say anything.
const LEAST: usize = 500;

/// Pod number `n` of both nodes together, 0 to 19: the old ones are the even ones, half on each node.
fn pod(world: &World, n: usize) -> &tidegate_rig::Pod {
    if n < PODS {
        world.a(n + 1)
    } else {
        world.b(n - PODS + 1)
    }
}

#[test]
fn rule_5_1_2_and_5_1_4_a_rolling_update_under_500_connections_a_second_fails_no_request()
-> Result<()> {
    roll("Cluster")
}

#[test]
fn rule_5_1_2_a_rolling_update_with_external_policy_local_fails_no_request() -> Result<()> {
    roll("Local")
}

fn roll(policy: &str) -> Result<()> {
    let mut world = World::builder().pods(10, 10).build()?;
    let svc = Svc::new("rolling", 1).external_policy(policy);
    let old: Vec<usize> = (0..2 * PODS).step_by(2).collect();
    let mut servers: Vec<Option<EchoServer>> = world.echoes.drain(..).map(Some).collect();
    // The new pods do not run yet.
    for n in old.iter().map(|n| n + 1) {
        servers[n] = None;
    }
    let mut ready = old.clone();
    put(&world, &svc, &ready, None, None)?;
    let load = Load::start(&world, &svc, RATE)?;
    for leaving in old {
        let coming = leaving + 1;
        let started = EchoServer::start(&pod(&world, coming).ns, &pod(&world, coming).name, 8080)?;
        servers[coming] = Some(started);
        put(&world, &svc, &ready, Some(coming), None)?;
        ready.push(coming);
        put(&world, &svc, &ready, None, None)?;
        ready.retain(|&n| n != leaving);
        put(&world, &svc, &ready, None, Some(leaving))?;
        // As a pod that ends gracefully: it goes on until its last connection is over.
        let gone = servers[leaving].take().context("it serves")?;
        load.some_more(RATE as usize / 10)?;
        soon(|| {
            ensure!(gone.open() == 0, "{} connections are open", gone.open());
            Ok(())
        })?;
        drop(gone);
        put(&world, &svc, &ready, None, None)?;
    }
    load.some_more(RATE as usize)?;
    let (requests, seconds) = load.finish()?;
    eprintln!("{requests} requests in {seconds:.1} s, none failed");
    ensure!(
        requests >= LEAST,
        "only {requests} requests in {seconds:.1} s"
    );
    for (n, server) in servers.iter().enumerate().filter(|(n, _)| n % 2 == 1) {
        let server = server.as_ref().context("a new pod runs")?;
        ensure!(server.connections() > 0, "new pod {n} was never asked");
    }
    Ok(())
}

fn put(
    world: &World,
    svc: &Svc,
    ready: &[usize],
    coming: Option<usize>,
    leaving: Option<usize>,
) -> Result<()> {
    let mut endpoints: Vec<Ep> = ready.iter().map(|&n| Ep::of(pod(world, n))).collect();
    endpoints.extend(coming.map(|n| Ep::of(pod(world, n)).unready()));
    endpoints.extend(leaving.map(|n| Ep::of(pod(world, n)).terminating()));
    world.put(svc, &endpoints)
}

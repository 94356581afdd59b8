//! Ranges beside flows, affinity, and Services that nobody serves.

use std::io::{Read as _, Write as _};

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Ep, Proto, Talker, dial, refused, sticks};

use crate::{Blocked, CLIENT, guarded, open, pods, world};

const NOBODY: [&str; 2] = ["192.0.2.7/32", "2001:db8:9::7/128"];

#[test]
fn rule_3_6_6_tightening_the_ranges_does_not_cut_established_flows() -> Result<()> {
    let world = world()?;
    let (wide, tight) = (
        guarded("tightened", 21, &[]),
        guarded("tightened", 21, &NOBODY),
    );
    world.put(&wide, &pods(&world))?;
    let (mut streams, mut talkers) = (Vec::new(), Vec::new());
    for v6 in [false, true] {
        for from in [&world.scene.client, &world.a(2).ns] {
            let mut stream = from.run(|| dial(0, wide.vip(v6)))?;
            let _greeting = stream.read(&mut [0; 256])?;
            streams.push(stream);
            talkers.push(Talker::start(from, wide.vip(v6), false)?);
        }
    }
    for talker in &talkers {
        talker.hears(0, |fate| matches!(fate, tidegate_e2e::Fate::Answered(..)))?;
    }
    world.put(&tight, &pods(&world))?;
    let mut blocked = Blocked::default();
    for v6 in [false, true] {
        blocked.add(&world.scene.client, Proto::Tcp, tight.vip(v6));
    }
    blocked.check(&world)?;
    for stream in &mut streams {
        stream.write_all(b"still").context("an established flow")?;
        stream
            .read_exact(&mut [0; 5])
            .context("an established flow")?;
    }
    for talker in &talkers {
        let since = talker.sent();
        talker.hears(since, |fate| {
            matches!(fate, tidegate_e2e::Fate::Answered(..))
        })?;
    }
    Ok(())
}

#[test]
fn rule_3_6_7_without_endpoints_strangers_are_dropped_and_others_refused() -> Result<()> {
    let world = world()?;
    let svc = guarded("nobody", 22, &CLIENT);
    world.put(&svc, &[])?;
    let mut blocked = Blocked::default();
    for v6 in [false, true] {
        for proto in Proto::BOTH {
            refused(&world.scene.client, proto, svc.vip(v6))?;
            blocked.add(&world.scene.b.ns, proto, svc.vip(v6));
            blocked.add(&world.a(2).ns, proto, svc.vip(v6));
        }
    }
    blocked.check(&world)
}

#[test]
fn rule_3_6_8_policy_local_without_local_endpoints_drops_both_and_pods_are_short_circuited()
-> Result<()> {
    let world = world()?;
    let pod = world.a(2);
    let ranges = [&CLIENT[..], &["10.244.0.3/32", "fd00:244::3/128"]].concat();
    ensure!(pod.v4.to_string() == "10.244.0.3", "{}", pod.v4);
    let svc = guarded("elsewhere", 23, &ranges).external_policy("Local");
    world.put(&svc, &[Ep::of(world.b(1))])?;
    let (mut blocked, mut not_here) = (Blocked::default(), Vec::new());
    let before = world.counted("no_local_endpoint")?;
    for v6 in [false, true] {
        for proto in Proto::BOTH {
            not_here.push((&world.scene.client, proto, svc.vip(v6)));
            blocked.add(&world.scene.b.ns, proto, svc.vip(v6));
            open(&pod.ns, proto, svc.vip(v6))?;
            blocked.add(&world.a(3).ns, proto, svc.vip(v6));
        }
    }
    tidegate_e2e::all_silent(&not_here)?;
    let counted = world.counted("no_local_endpoint")? - before;
    ensure!(
        counted >= not_here.len() as u64,
        "{counted} were dropped for the policy"
    );
    blocked.check(&world)
}

#[test]
fn rule_4_22_a_blocked_client_makes_no_record_and_refreshes_none() -> Result<()> {
    let world = world()?;
    let all = Ep::all([world.a(1), world.a(2), world.b(1), world.b(2)]);
    let (wide, tight) = (
        guarded("blocked", 24, &[]).affinity(4),
        guarded("blocked", 24, &NOBODY).affinity(4),
    );
    let kinds: Vec<(bool, Proto)> = [false, true]
        .into_iter()
        .flat_map(|v6| Proto::BOTH.map(|proto| (v6, proto)))
        .collect();
    let clients = [&world.scene.client, &world.a(3).ns, &world.scene.b.ns];
    let ask = || -> Result<Vec<String>> {
        let one =
            |&(v6, proto): &(bool, Proto)| clients.map(|from| sticks(from, proto, wide.vip(v6), 1));
        kinds.iter().flat_map(one).collect()
    };
    world.put(&wide, &all)?;
    let first = ask()?;
    ensure!(ask()? == first, "it does not stick at all");
    world.put(&tight, &all)?;
    // Longer than the affinity time in all.
    for _ in 0..12 {
        let dials: Vec<_> = kinds
            .iter()
            .flat_map(|&(v6, proto)| clients.map(|from| (from, proto, tight.vip(v6))))
            .collect();
        tidegate_e2e::all_silent(&dials)?;
    }
    world.put(&wide, &all)?;
    let second = ask()?;
    // Twelve clients stay by chance in one of 4^12 cases.
    ensure!(
        first != second,
        "refreshed while they were blocked: {first:?}"
    );
    Ok(())
}

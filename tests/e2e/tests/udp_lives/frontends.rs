//! A frontend goes, or changes its Service, while its backends serve on behind others: its clients go
//! with the frontend.

use anyhow::{Result, ensure};
use serde_json::json;
use tidegate_e2e::{Ep, Fate, Svc, Talker, World, summary};

use crate::world;

const SHARED: [&str; 2] = ["203.0.113.201", "2001:db8:cb::201"];

/// Talkers from the LAN and from a pod to an address of each family, once they are answered.
fn talkers(world: &World, to: [std::net::IpAddr; 2], pod: &str) -> Result<Vec<Talker>> {
    let mut talkers = Vec::new();
    for ip in to {
        for from in [&world.scene.client, &world.a(3).ns] {
            talkers.push(Talker::start(from, (ip, 80).into(), false)?);
        }
    }
    for talker in &talkers {
        talker.hears_from(0, pod)?;
    }
    Ok(talkers)
}

fn claims_shared(name: &str, number: u8, created: &str) -> Svc {
    let mut svc = Svc::new(name, number).spec("externalIPs", json!(SHARED));
    svc.object["metadata"]["creationTimestamp"] = json!(created);
    svc
}

#[test]
fn rule_5_2_2_and_3_8_3_clients_follow_a_frontend_that_changes_its_service() -> Result<()> {
    let world = world()?;
    let old = claims_shared("owner", 71, "2024-01-01T00:00:00Z");
    let new = claims_shared("claimant", 72, "2025-01-01T00:00:00Z");
    let (a1, b1) = (world.a(1), world.b(1));
    world.put(&new, &[Ep::of(b1)])?;
    let talkers = talkers(&world, [SHARED[0].parse()?, SHARED[1].parse()?], &b1.name)?;
    // The claimant serves on, by its other frontends.
    world.put(&old, &[Ep::of(a1)])?;
    for talker in &talkers {
        talker.hears_from(talker.sent(), &a1.name)?;
    }
    world.remove(&old)?;
    for talker in &talkers {
        talker.hears_from(talker.sent(), &b1.name)?;
    }
    Ok(())
}

/// Datagrams that may be on their way while the maps change.
const SETTLE: usize = 2;

#[test]
fn rule_5_2_9_and_5_2_12_clients_of_a_frontend_that_is_taken_away_are_served_no_more() -> Result<()>
{
    let world = world()?;
    let (with, without) = (
        Svc::new("shrinking", 73).with_external_ip(),
        Svc::new("shrinking", 73),
    );
    let a1 = world.a(1);
    for round in 0..2 {
        world.put(&with, &[Ep::of(a1)])?;
        let to = [false, true].map(|v6| with.external(v6).ip());
        let talkers = talkers(&world, to, &a1.name)?;
        world.put(&without, &[Ep::of(a1)])?;
        let sent: Vec<usize> = talkers.iter().map(Talker::sent).collect();
        for (talker, sent) in talkers.iter().zip(&sent) {
            talker.has_sent(sent + SETTLE + 8)?;
        }
        for (talker, sent) in talkers.into_iter().zip(sent) {
            talker.hush();
            let (what, fates) = (talker.what().to_owned(), talker.finish()?);
            let later = &fates[sent + SETTLE..];
            let served = later.iter().any(|fate| matches!(fate, Fate::Answered(..)));
            ensure!(!served, "round {round}, {what}: {}", summary(later));
        }
    }
    Ok(())
}

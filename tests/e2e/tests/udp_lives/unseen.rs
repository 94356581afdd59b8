//! Changes that no agent saw when they were made.

use anyhow::{Context as _, Result};
use tidegate_e2e::{Ep, Fate, Svc, Talker, World};

/// One Service's backend is replaced and another Service goes while no agent runs.
#[test]
fn rule_5_2_13_an_agent_that_was_away_moves_the_flows_of_stale_backends() -> Result<()> {
    let mut world = World::builder().build()?;
    let (moved, gone) = (Svc::new("moved", 1), Svc::new("gone", 2));
    let (old, new) = (Ep::of(world.a(1)), Ep::of(world.b(1)));
    world.put(&moved, std::slice::from_ref(&old))?;
    world.put(&gone, &[old])?;
    let (from, to) = (world.scene.client.clone(), world.node_address(false));
    // From one port each, as a resolver does: no timeout comes to the rescue.
    let talkers = [
        Talker::start_from(&from, 41_001, moved.node_port(to), true)?,
        Talker::start_from(&from, 41_002, gone.node_port(to), true)?,
    ];
    for talker in &talkers {
        talker.hears_from(0, &world.a(1).name)?;
    }
    world.kill_agent()?;
    world
        .spec
        .manifests
        .put(&moved.name, &moved.objects(&[new]))?;
    world
        .spec
        .manifests
        .remove(&format!("{}.json", gone.name))?;
    world.replace_agent()?;
    let [stays, ends] = talkers;
    stays.hears_from(stays.sent(), &world.b(1).name)?;
    // Nobody owns the number any more: the node itself says so.
    let refused = |fate: &Fate| *fate == Fate::Refused;
    ends.hears(ends.sent(), refused)
        .context("the deleted Service")?;
    Ok(())
}

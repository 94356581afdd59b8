//! An agent of another `ABI_VERSION` takes over from one that was killed, under connections.

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Ep, Proto, Svc, World, ask, ask_many};

use crate::{crashes::Flow, programs::programs};

#[test]
fn rule_5_1_8_an_agent_of_another_version_takes_over_and_flows_live_on() -> Result<()> {
    let mut world = World::builder().build()?;
    let svc = Svc::new("web", 1);
    world.put(&svc, &[Ep::of(world.a(1)), Ep::of(world.b(1))])?;
    let client = world.scene.client.clone();
    let to = [false, true].map(|v6| svc.node_port(world.node_address(v6)));
    let mut flows = to
        .iter()
        .cycle()
        .take(8)
        .map(|to| Flow::open(&client, *to))
        .collect::<Result<Vec<_>>>()?;
    let before = programs(&world.spec.pins, 1)?;
    world.kill_agent()?;

    world.spec.set_env("TIDEGATE_TEST_ABI", "2");
    world
        .spec
        .set_env("TIDEGATE_TEST_CHANGED", "slots,settings,frontends4");
    world.replace_agent()?;
    let after = programs(&world.spec.pins, 2)?;
    ensure!(!world.spec.pins.join("v1").exists(), "v1 stays");
    ensure!(before.len() == after.len(), "{before:?}, then {after:?}");
    for (old, new) in before.iter().zip(&after) {
        ensure!(old.0 == new.0 && old.1 != new.1, "{old:?}, then {new:?}");
    }
    flows.iter_mut().try_for_each(Flow::goes_on)?;
    for to in to {
        let _answers = client.run(|| ask_many(Proto::Tcp, to, 20))?;
        let _answer = client.run(|| ask(Proto::Udp, to))?;
    }
    let node = world.scene.a.ns.clone();
    let _answer = node
        .run(|| ask(Proto::Tcp, svc.cluster(false)))
        .context("from the node")?;
    Ok(())
}

#[test]
fn rule_5_1_8_flows_whose_layout_has_changed_are_lost_in_words_and_all_else_is_served() -> Result<()>
{
    let mut world = World::builder().build()?;
    let svc = Svc::new("web", 1);
    world.put(&svc, &[Ep::of(world.a(1)), Ep::of(world.b(1))])?;
    let client = world.scene.client.clone();
    let to = svc.node_port(world.node_address(false));
    let mut flow = Flow::open(&client, to)?;
    world.kill_agent()?;
    world.spec.set_env("TIDEGATE_TEST_ABI", "2");
    world.spec.set_env("TIDEGATE_TEST_CHANGED", "flows4");
    world.replace_agent()?;
    ensure!(flow.goes_on().is_err(), "the record was read");
    let said = world.agent_output();
    ensure!(
        said.contains("its content is lost: flows4 (version 1"),
        "{said}"
    );
    let _answers = client.run(|| ask_many(Proto::Tcp, to, 20))?;
    Ok(())
}

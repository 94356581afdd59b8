//! Somebody removes all pins while an agent runs: nobody notices but the agent, which puts them back.

use std::fs;

use anyhow::{Result, ensure};
use tidegate_e2e::{Ep, Proto, Svc, World, ask_many, soon};

use crate::programs::programs;

#[test]
fn rule_5_1_11_pins_that_somebody_removes_come_back_while_connections_go_on() -> Result<()> {
    let mut world = World::builder().build()?;
    let svc = Svc::new("web", 1);
    world.put(&svc, &[Ep::of(world.a(1)), Ep::of(world.b(1))])?;
    let to = svc.node_port(world.node_address(false));
    let before = programs(&world.spec.pins, 1)?;
    ensure!(before.len() > 8, "{before:?}");
    let root = world.spec.pins.to_path_buf();
    fs::remove_dir_all(&root)?;
    let _answers = world.scene.client.run(|| ask_many(Proto::Tcp, to, 50))?;
    soon(|| {
        let now = programs(&root, 1)?;
        ensure!(now == before, "{before:?}, then {now:?}");
        ensure!(fs::read_dir(root.join("v1/maps"))?.count() > 20);
        Ok(())
    })?;
    // The next agent finds all of it.
    let mut flow = crate::crashes::Flow::open(&world.scene.client, to)?;
    world.replace_agent()?;
    flow.goes_on()?;
    let after = programs(&root, 1)?;
    ensure!(after.len() == before.len() && after != before, "{after:?}");
    Ok(())
}

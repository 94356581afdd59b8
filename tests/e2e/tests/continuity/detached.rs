//! Somebody detaches our programs while the agent runs, or removes the pins of links while none does: connections that
//! rest meanwhile go on, and new ones are served, as soon as the programs are back.

use std::{fs, net::SocketAddr};

use anyhow::{Result, ensure};
use tidegate_e2e::{Ep, Proto, Svc, World, ask, soon};
use tidegate_rig::{Netns, bpf};

use crate::{crashes::Flow, programs::programs};

/// A Service with a backend on each node, and who dials it: a client outside, and a process of the node.
struct Scene {
    world: World,
    dialled: [(Netns, SocketAddr); 2],
    flows: Vec<Flow>,
}

impl Scene {
    fn new() -> Result<Self> {
        let world = World::builder().build()?;
        let svc = Svc::new("web", 1);
        world.put(&svc, &[Ep::of(world.a(1)), Ep::of(world.b(1))])?;
        let dialled = [
            (
                world.scene.client.clone(),
                svc.node_port(world.node_address(false)),
            ),
            (world.scene.a.ns.clone(), svc.cluster(false)),
        ];
        let flows = (0..6).map(|_| Flow::open(&dialled[0].0, dialled[0].1));
        let flows = flows.collect::<Result<_>>()?;
        Ok(Self {
            world,
            dialled,
            flows,
        })
    }

    fn is_served(&self, at: usize) -> Result<()> {
        let (from, to) = &self.dialled[at];
        from.run(|| ask(Proto::Tcp, *to)).map(drop)
    }

    fn goes_on(&mut self) -> Result<()> {
        soon(|| self.is_served(0))?;
        soon(|| self.is_served(1))?;
        self.flows.iter_mut().try_for_each(Flow::goes_on)
    }
}

#[test]
fn rule_5_1_11_programs_that_somebody_detaches_come_back_and_flows_live_on() -> Result<()> {
    let mut scene = Scene::new()?;
    let links = scene.world.spec.pins.join("v1/links");
    let before = programs(&scene.world.spec.pins, 1)?;
    ensure!(before.len() > 8, "{before:?}");
    // It would repair at any moment.
    scene.world.hold_agent(true)?;
    for (name, _) in &before {
        bpf::detach(&links.join(name))?;
    }
    for at in [0, 1] {
        ensure!(scene.is_served(at).is_err(), "{at}: nothing was detached");
    }
    scene.world.hold_agent(false)?;
    scene.goes_on()?;
    // One device after the other.
    soon(|| {
        let after = programs(&scene.world.spec.pins, 1)?;
        ensure!(before == after, "{before:?}, then {after:?}");
        Ok(())
    })?;
    let said = scene.world.agent_output();
    for what in ["detached our program", "detached socket hooks"] {
        ensure!(said.contains(what), "not a word of it: {said}");
    }
    Ok(())
}

#[test]
fn rule_5_1_11_links_whose_pins_somebody_removes_while_no_agent_runs_come_with_the_next_one()
-> Result<()> {
    let mut scene = Scene::new()?;
    let links = scene.world.spec.pins.join("v1/links");
    let names = |programs: Vec<(String, u32)>| -> Vec<String> {
        programs.into_iter().map(|(name, _)| name).collect()
    };
    let before = names(programs(&scene.world.spec.pins, 1)?);
    scene.world.kill_agent()?;
    for name in &before {
        fs::remove_file(links.join(name))?;
    }
    // A link goes with its last pin, a moment later.
    soon(|| {
        ensure!(scene.is_served(0).is_err(), "still attached");
        Ok(())
    })?;
    scene.world.replace_agent()?;
    scene.goes_on()?;
    let after = names(programs(&scene.world.spec.pins, 1)?);
    ensure!(before == after, "{before:?}, then {after:?}");
    Ok(())
}

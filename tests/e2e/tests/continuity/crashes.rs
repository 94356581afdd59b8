//! The real agent dies after one of its changes of the kernel, and the next one repairs; with real sockets.
//!
//! Every point is walked by the unit tests of the loop that writes maps; here a sample of them, or with
//! `TIDEGATE_SOAK=1` all.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::Stdio,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tidegate_e2e::{Ep, Proto, Svc, World, ask, dial};
use tidegate_rig::Netns;

/// A connection that has heard its greeting.
pub(crate) struct Flow(TcpStream);

impl Flow {
    pub(crate) fn open(client: &Netns, to: SocketAddr) -> Result<Self> {
        let mut stream = client.run(|| dial(0, to))?;
        let mut byte = [0];
        while byte != *b"\n" {
            stream.read_exact(&mut byte).context("the greeting")?;
        }
        Ok(Self(stream))
    }

    pub(crate) fn goes_on(&mut self) -> Result<()> {
        self.0.write_all(b"still here").context("the old flow")?;
        let mut echo = [0; 10];
        self.0.read_exact(&mut echo).context("the old flow")?;
        ensure!(&echo == b"still here", "the old flow: {echo:?}");
        Ok(())
    }
}

/// How an agent ended that was to die.
#[derive(Debug, Eq, PartialEq)]
enum End {
    Died,
    /// It had no more to change; killed.
    WasReady,
}

fn run_dying(world: &World, after: u32) -> Result<End> {
    let mut command = world.spec.command();
    command.env("TIDEGATE_TEST_DIE_AFTER", after.to_string());
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let out = child.stdout.take().context("no output")?;
    let mut line = String::new();
    // Either it says so, or it dies and the pipe ends.
    let _bytes = BufReader::new(out).read_line(&mut line)?;
    let end = if line.trim() == "ready" {
        End::WasReady
    } else {
        End::Died
    };
    drop(child.kill());
    let status = child.wait()?;
    ensure!(status.code().is_none(), "it ended by itself: {status}");
    Ok(end)
}

/// Points to die at: all of them, or some.
fn points() -> impl Iterator<Item = u32> {
    let step = if std::env::var_os("TIDEGATE_SOAK").is_some() {
        1
    } else {
        37
    };
    (1..).step_by(step)
}

/// What `get` shows of the maps, without what agents may number differently.
fn shown(world: &World) -> Result<Vec<String>> {
    let mut rows = Vec::new();
    for (what, own) in [("frontends", "serviceId"), ("backends", "id")] {
        let list = world.spec.get(what)?;
        for row in list["items"].as_array().context("no items")? {
            let mut row = row.clone();
            let fields = row.as_object_mut().context("not an object")?;
            fields.retain(|name, _| name != own && name != "generation");
            rows.push(Value::to_string(&row));
        }
    }
    rows.sort();
    Ok(rows)
}

struct Scene {
    world: World,
    kept: Svc,
    flows: Vec<Flow>,
}

impl Scene {
    fn new() -> Result<Self> {
        let world = World::builder().build()?;
        let kept = Svc::new("kept", 1);
        world.put(&kept, &[Ep::of(world.a(1)), Ep::of(world.b(1))])?;
        let client = &world.scene.client;
        let to = [false, true].map(|v6| kept.node_port(world.node_address(v6)));
        let flows = to.iter().cycle().take(8);
        let flows = flows
            .map(|to| Flow::open(client, *to))
            .collect::<Result<_>>()?;
        Ok(Self { world, kept, flows })
    }

    /// The next state of the sources: endpoints move, a Service comes or goes.
    fn change(&self, nth: u32) -> Result<()> {
        let world = &self.world;
        let endpoints = if nth.is_multiple_of(2) {
            [world.a(1), world.b(1)]
        } else {
            [world.a(2), world.b(1)]
        };
        let kept = if nth % 4 < 2 {
            self.kept.clone()
        } else {
            self.kept.clone().affinity(600)
        };
        let objects = kept.objects(&Ep::all(endpoints));
        world.spec.manifests.put(&kept.name, &objects)?;
        let other = Svc::new("other", 2);
        if nth.is_multiple_of(2) {
            world.spec.manifests.remove("other.json")
        } else {
            let objects = other.objects(&[Ep::of(world.a(3)), Ep::of(world.b(2))]);
            world.spec.manifests.put("other", &objects)
        }
    }

    /// What was there before and will be there after is served, and old flows live.
    fn serves(&mut self) -> Result<()> {
        let world = &self.world;
        self.flows.iter_mut().try_for_each(Flow::goes_on)?;
        let scene = &world.scene;
        let outside = [false, true].map(|v6| self.kept.node_port(world.node_address(v6)));
        for (from, to) in [
            (&scene.client, outside[0]),
            (&scene.client, outside[1]),
            (&scene.a.pods[2].ns, self.kept.cluster(false)),
            (&scene.a.ns, self.kept.cluster(true)),
        ] {
            for proto in Proto::BOTH {
                let answer = from.run(|| ask(proto, to));
                let answer = answer.with_context(|| format!("from {} to {to}", from.name()))?;
                let pods = [world.a(1), world.a(2), world.b(1)];
                ensure!(
                    pods.iter().any(|pod| pod.name == answer.backend),
                    "{to}: a foreign backend: {answer:?}"
                );
            }
        }
        Ok(())
    }

    /// An agent dies at this point and the next one repairs, in front of everybody.
    fn survives(&mut self, point: u32) -> Result<End> {
        let end = run_dying(&self.world, point)?;
        self.serves()
            .with_context(|| format!("died after {point} changes"))?;
        self.world.replace_agent()?;
        self.serves()
            .with_context(|| format!("repaired after {point} changes"))?;
        Ok(end)
    }
}

#[test]
fn rule_5_1_2_an_agent_that_dies_after_any_change_leaves_all_served_and_the_next_one_repairs()
-> Result<()> {
    let mut scene = Scene::new()?;
    scene.world.kill_agent()?;
    let mut deaths = 0;
    for (nth, point) in (1..).zip(points()) {
        scene.change(nth)?;
        let end = scene.survives(point)?;
        let repaired = shown(&scene.world)?;
        scene.world.settle()?;
        if end == End::WasReady {
            break;
        }
        deaths += 1;
        // Another start finds nothing to do.
        if nth % 5 == 0 {
            let settled = shown(&scene.world)?;
            scene.world.replace_agent()?;
            ensure!(
                shown(&scene.world)? == settled,
                "after {point}: {repaired:?}"
            );
        }
        scene.world.kill_agent()?;
    }
    eprintln!("{deaths} deaths");
    ensure!(deaths > 2, "only {deaths} deaths");
    Ok(())
}

#[test]
fn rule_5_1_8_a_hand_over_between_versions_that_is_cut_short_anywhere_is_finished_by_the_next_start()
-> Result<()> {
    let mut scene = Scene::new()?;
    scene.world.kill_agent()?;
    let changed = "slots,settings,frontends4";
    scene.world.spec.set_env("TIDEGATE_TEST_CHANGED", changed);
    let mut deaths = 0;
    for (version, point) in (2..).zip(points()) {
        let spec = &mut scene.world.spec;
        spec.set_env("TIDEGATE_TEST_ABI", &u32::to_string(&version));
        let end = scene.survives(point)?;
        let last = scene.world.spec.pins.join(format!("v{}", version - 1));
        ensure!(!last.exists(), "after {point} changes {last:?} stays");
        scene.world.kill_agent()?;
        if end == End::WasReady {
            break;
        }
        deaths += 1;
    }
    eprintln!("{deaths} deaths");
    ensure!(deaths > 2, "only {deaths} deaths");
    Ok(())
}

#[test]
fn a_first_start_that_is_cut_short_anywhere_is_finished_by_the_next_one() -> Result<()> {
    let mut world = World::builder().no_agent().build()?;
    let svc = Svc::new("web", 1);
    let objects = svc.objects(&[Ep::of(world.a(1)), Ep::of(world.b(1))]);
    world.spec.manifests.put(&svc.name, &objects)?;
    let to = svc.node_port(world.node_address(false));
    for (deaths, point) in points().enumerate() {
        let end = run_dying(&world, point)?;
        // Served or not: whoever is served is served right.
        if let Ok(answer) = world.scene.client.run(|| ask(Proto::Tcp, to)) {
            let pods = [world.a(1), world.b(1)];
            ensure!(
                pods.iter().any(|pod| pod.name == answer.backend),
                "{answer:?}"
            );
        }
        world.replace_agent()?;
        let _answer = world.scene.client.run(|| ask(Proto::Tcp, to))?;
        world.kill_agent()?;
        if end == End::WasReady {
            ensure!(deaths > 2, "only {deaths} deaths");
            return Ok(());
        }
        std::fs::remove_dir_all(world.spec.pins.join("v1"))?;
    }
    Ok(())
}

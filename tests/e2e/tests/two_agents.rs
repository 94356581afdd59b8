//! An agent on each of the two nodes, as in a cluster: what one node does must suit the other.

use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use tidegate_e2e::{
    Ep, Outcome, Proto, Shared, Svc, World, all_silent, probe, served_by, settled, silent,
};
use tidegate_rig::{Agent, AgentSpec, EchoServer};

struct Pair {
    world: World,
    b: AgentSpec,
    _b: Agent,
    marks: AtomicU16,
}

static PAIR: Shared<Pair> = Shared::new(|| Pair::new(&[]));

impl Pair {
    /// `args` are for the agent on node B.
    fn new(args: &[&str]) -> Result<Self> {
        let world = World::builder().build()?;
        let b = AgentSpec::new(&world.scene, &world.scene.b)?
            .args(["--service-cidr", "10.96.0.0/12,fd00:96::/112"])
            .args(args.iter().copied());
        let running = b.start()?;
        Ok(Self {
            world,
            b,
            _b: running,
            marks: AtomicU16::new(1),
        })
    }

    fn put(&self, svc: &Svc, endpoints: &[Ep]) -> Result<()> {
        self.world.put(svc, endpoints)?;
        self.b.manifests.put(&svc.name, &svc.objects(endpoints))?;
        settled(&self.b, self.marks.fetch_add(1, Ordering::Relaxed))
    }

    fn node_port(&self, svc: &Svc, on_b: bool, v6: bool) -> std::net::SocketAddr {
        let node = if on_b {
            &self.world.scene.b
        } else {
            &self.world.scene.a
        };
        svc.node_port(node.addresses()[usize::from(v6)])
    }
}

#[test]
fn rule_3_1_14_every_client_reaches_every_backend_through_either_node() -> Result<()> {
    let pair = PAIR.borrow()?;
    let (world, svc) = (&pair.world, Svc::new("both", 1));
    for pod in [world.a(1), world.b(1)] {
        pair.put(&svc, &[Ep::of(pod)])?;
        for v6 in [false, true] {
            let (on_a, on_b) = (
                pair.node_port(&svc, false, v6),
                pair.node_port(&svc, true, v6),
            );
            for (from, to) in [
                (&world.scene.client, on_a),
                (&world.scene.client, on_b),
                (&world.a(2).ns, svc.cluster(v6)),
                (&world.b(2).ns, svc.cluster(v6)),
                (&world.a(2).ns, on_b),
                (&world.b(2).ns, on_a),
                (&world.scene.a.ns, svc.cluster(v6)),
                (&world.scene.a.ns, on_b),
                (&world.scene.b.ns, on_a),
            ] {
                for proto in Proto::BOTH {
                    served_by(from, proto, to, &[&pod.name])?;
                }
            }
        }
    }
    Ok(())
}

#[test]
fn rule_3_3_8_a_pod_reaches_itself_through_the_other_nodes_node_port() -> Result<()> {
    let pair = PAIR.borrow()?;
    let (world, svc) = (&pair.world, Svc::new("detour", 2));
    let a1 = world.a(1);
    pair.put(&svc, &[Ep::of(a1)])?;
    for v6 in [false, true] {
        for proto in Proto::BOTH {
            let to = pair.node_port(&svc, true, v6);
            let outcome = probe(&a1.ns, proto, to);
            let Outcome::Answered(answer) = &outcome else {
                bail!("{proto:?} to {to}: {outcome:?}");
            };
            ensure!(answer.seen_as.ip().to_canonical() == to.ip(), "{answer:?}");
        }
    }
    Ok(())
}

#[test]
fn rule_2_3_8_a_pod_at_another_nodes_node_port_is_a_stranger_under_policy_local() -> Result<()> {
    let pair = PAIR.borrow()?;
    let (world, svc) = (
        &pair.world,
        Svc::new("stranger", 3).external_policy("Local"),
    );
    pair.put(&svc, &[Ep::of(world.a(1))])?;
    let mut strangers = Vec::new();
    for v6 in [false, true] {
        for proto in Proto::BOTH {
            let to = pair.node_port(&svc, true, v6);
            // A process of node A is translated only for addresses of its own node.
            for from in [&world.a(2).ns, &world.scene.a.ns, &world.scene.client] {
                strangers.push((from, proto, to));
            }
            served_by(&world.b(2).ns, proto, to, &[&world.a(1).name])?;
        }
    }
    all_silent(&strangers)
}

#[test]
fn rule_2_3_8_and_3_4_1_with_a_pod_cidr_the_other_node_knows_a_pod_by_its_address() -> Result<()> {
    let pair = Pair::new(&["--pod-cidr", "10.244.0.0/16,fd00:244::/32"])?;
    let (world, svc) = (&pair.world, Svc::new("known", 4).external_policy("Local"));
    for pod in [world.a(1), world.b(1)] {
        pair.put(&svc, &[Ep::of(pod)])?;
        for v6 in [false, true] {
            for proto in Proto::BOTH {
                let to = pair.node_port(&svc, true, v6);
                served_by(&world.a(2).ns, proto, to, &[&pod.name])
                    .with_context(|| format!("IPv6: {v6}"))?;
            }
        }
    }
    pair.put(&svc, &[Ep::of(world.a(1))])?;
    // Not a pod's address, so a stranger as before.
    silent(
        &world.scene.client,
        Proto::Tcp,
        pair.node_port(&svc, true, false),
    )
}

#[test]
fn rule_3_1_15_and_3_2_9_the_backend_on_the_other_node_sees_the_pod_and_direct_traffic_is_untouched()
-> Result<()> {
    let pair = PAIR.borrow()?;
    let (world, svc) = (&pair.world, Svc::new("seen", 5));
    pair.put(&svc, &[Ep::of(world.b(1))])?;
    let _more = EchoServer::start(&world.b(1).ns, "other-port", 7000)?;
    for v6 in [false, true] {
        let own = world.a(2).addresses()[usize::from(v6)];
        let direct = (world.b(1).addresses()[usize::from(v6)], 7000).into();
        for to in [svc.cluster(v6), direct] {
            for proto in Proto::BOTH {
                let outcome = probe(&world.a(2).ns, proto, to);
                let Outcome::Answered(answer) = &outcome else {
                    bail!("{proto:?} to {to}: {outcome:?}");
                };
                ensure!(
                    answer.seen_as.ip().to_canonical() == own,
                    "{to}: {answer:?}"
                );
            }
        }
    }
    Ok(())
}

//! What is guarded against whom.

use anyhow::{Result, ensure};
use tidegate_e2e::{Outcome, Proto, probe};

use crate::{Blocked, CLIENT, guarded, open, pods, world};

#[test]
fn rule_3_6_1_and_3_6_2_and_3_6_3_only_load_balancer_addresses_are_guarded_pods_included()
-> Result<()> {
    let world = world()?;
    let svc = guarded("scope", 1, &CLIENT);
    world.put(&svc, &pods(&world))?;
    let (client, stranger, pod) = (&world.scene.client, &world.scene.b.ns, &world.a(2).ns);
    let mut blocked = Blocked::default();
    for v6 in [false, true] {
        let node_port = svc.node_port(world.node_address(v6));
        for proto in Proto::BOTH {
            open(client, proto, svc.vip(v6))?;
            blocked.add(stranger, proto, svc.vip(v6));
            open(stranger, proto, node_port)?;
            open(stranger, proto, svc.external(v6))?;
            blocked.add(pod, proto, svc.vip(v6));
            open(pod, proto, svc.cluster(v6))?;
            open(pod, proto, node_port)?;
        }
    }
    blocked.check(&world)
}

#[test]
fn rule_3_6_4_the_node_may_if_its_own_address_is_in_a_range() -> Result<()> {
    let world = world()?;
    let node = &world.scene.a.ns;
    let svc = guarded("node", 2, &CLIENT);
    let with_node = guarded(
        "node",
        2,
        &[&CLIENT[..], &["192.168.1.2/32", "fd00:1::2/128"]].concat(),
    );
    for _ in 0..2 {
        world.put(&svc, &pods(&world))?;
        for v6 in [false, true] {
            for proto in Proto::BOTH {
                // There is no packet to drop: the socket's call fails.
                let outcome = probe(node, proto, svc.vip(v6));
                ensure!(!matches!(outcome, Outcome::Answered(_)), "{outcome:?}");
                open(node, proto, svc.cluster(v6))?;
                open(node, proto, svc.node_port(world.node_address(v6)))?;
            }
        }
        world.put(&with_node, &pods(&world))?;
        for v6 in [false, true] {
            for proto in Proto::BOTH {
                open(node, proto, svc.vip(v6))?;
            }
        }
    }
    Ok(())
}

#[test]
fn rule_3_6_12_services_that_share_an_address_guard_their_own_ports() -> Result<()> {
    let world = world()?;
    let (shut, wide) = (
        guarded("shut", 3, &["192.0.2.0/24", "2001:db8:9::/48"]),
        guarded("wide", 3, &[]),
    );
    let mut wide = wide;
    wide.object["metadata"]["name"] = "wide".into();
    wide.object["spec"]["clusterIP"] = "10.96.0.4".into();
    wide.object["spec"]["clusterIPs"] = serde_json::json!(["10.96.0.4", "fd00:96::4"]);
    wide.object["spec"]
        .as_object_mut()
        .map(|spec| spec.remove("externalIPs"));
    for port in wide.object["spec"]["ports"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        port["port"] = 81.into();
        port["nodePort"] = 30_004.into();
    }
    world.put(&shut, &pods(&world))?;
    world.put(&wide, &pods(&world))?;
    let mut blocked = Blocked::default();
    for v6 in [false, true] {
        for proto in Proto::BOTH {
            blocked.add(&world.scene.client, proto, shut.vip(v6));
            open(&world.scene.client, proto, (shut.vip(v6).ip(), 81).into())?;
        }
    }
    blocked.check(&world)
}

#[test]
fn rule_3_6_5_the_source_is_judged_as_it_came_before_any_masquerade() -> Result<()> {
    let world = world()?;
    // The node's own address, which a masqueraded client would have, is in no range, and the other way round.
    let only_client = guarded("original", 5, &CLIENT);
    let only_node = guarded("original", 5, &["192.168.1.2/32", "fd00:1::2/128"]);
    let remote = [tidegate_e2e::Ep::of(world.b(1))];
    for v6 in [false, true] {
        world.put(&only_client, &remote)?;
        for proto in Proto::BOTH {
            open(&world.scene.client, proto, only_client.vip(v6))?;
        }
        world.put(&only_node, &remote)?;
        let mut blocked = Blocked::default();
        for proto in Proto::BOTH {
            blocked.add(&world.scene.client, proto, only_node.vip(v6));
        }
        blocked.check(&world)?;
    }
    Ok(())
}

#[test]
fn rule_3_6_1_an_annotation_extends_the_ranges_to_node_ports_and_external_ips() -> Result<()> {
    let world = world()?;
    let plain = guarded("everywhere", 6, &CLIENT);
    let all = plain.clone().annotation("tidegate.io/source-ranges", "all");
    let (client, stranger) = (&world.scene.client, &world.scene.b.ns);
    for _ in 0..2 {
        world.put(&plain, &pods(&world))?;
        for v6 in [false, true] {
            open(
                stranger,
                Proto::Tcp,
                plain.node_port(world.node_address(v6)),
            )?;
            open(stranger, Proto::Udp, plain.external(v6))?;
        }
        world.put(&all, &pods(&world))?;
        let mut blocked = Blocked::default();
        for v6 in [false, true] {
            for to in [
                plain.node_port(world.node_address(v6)),
                plain.external(v6),
                plain.vip(v6),
            ] {
                for proto in Proto::BOTH {
                    blocked.add(stranger, proto, to);
                    open(client, proto, to)?;
                }
            }
            open(&world.a(2).ns, Proto::Tcp, plain.cluster(v6))?;
        }
        blocked.check(&world)?;
    }
    Ok(())
}

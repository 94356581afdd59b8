//! Which questions share a record: the client's address and the service port, and nothing else.

use anyhow::{Result, ensure};
use tidegate_e2e::{Proto, Svc, backends, sticks};

use crate::{clients, four, sticky, world};

#[test]
fn rule_4_21_and_4_1_fifteen_requests_of_a_client_hit_one_pod_and_without_affinity_more()
-> Result<()> {
    let world = world()?;
    let (on, off) = (sticky("on", 1), Svc::new("off", 2));
    world.put(&on, &four(&world))?;
    world.put(&off, &four(&world))?;
    for v6 in [false, true] {
        let node_port = |svc: &Svc| svc.node_port(world.node_address(v6));
        for from in clients(&world) {
            for proto in Proto::BOTH {
                let _pod = sticks(from, proto, node_port(&on), 15)?;
                let met = backends(from, proto, node_port(&off), 30)?;
                ensure!(met.len() > 1, "without affinity: {met:?}");
            }
        }
        for proto in Proto::BOTH {
            let _pod = sticks(&world.a(3).ns, proto, on.cluster(v6), 15)?;
            let _pod = sticks(&world.scene.client, proto, on.vip(v6), 15)?;
        }
    }
    Ok(())
}

#[test]
fn rule_4_3_all_frontends_of_a_service_port_share_a_record() -> Result<()> {
    let world = world()?;
    let svc = sticky("shared", 3);
    world.put(&svc, &four(&world))?;
    for v6 in [false, true] {
        for from in [&world.scene.client, &world.a(3).ns, &world.scene.a.ns] {
            for proto in Proto::BOTH {
                let mut met = Vec::new();
                for to in [
                    svc.cluster(v6),
                    svc.vip(v6),
                    svc.external(v6),
                    svc.node_port(world.node_address(v6)),
                    svc.cluster(v6),
                ] {
                    met.push(sticks(from, proto, to, 4)?);
                }
                met.dedup();
                ensure!(met.len() == 1, "{proto:?} from {}: {met:?}", from.name());
            }
        }
    }
    Ok(())
}

#[test]
fn rule_4_4_and_4_5_and_1_7_1_protocols_services_and_families_have_records_of_their_own()
-> Result<()> {
    let world = world()?;
    let mut seen = Vec::new();
    for number in [4, 5, 6] {
        let svc = sticky(&format!("apart-{number}"), number);
        world.put(&svc, &four(&world))?;
        for from in clients(&world) {
            let one = |proto, v6| sticks(from, proto, svc.node_port(world.node_address(v6)), 3);
            seen.push([
                one(Proto::Tcp, false)?,
                one(Proto::Udp, false)?,
                one(Proto::Tcp, true)?,
                one(Proto::Udp, true)?,
            ]);
        }
    }
    // Four endpoints: by chance twelve clients agree in one of 4^12 cases.
    ensure!(
        seen.iter().any(|[tcp, udp, ..]| tcp != udp),
        "protocols share: {seen:?}"
    );
    ensure!(
        seen.iter().any(|[tcp, _, tcp6, _]| tcp != tcp6),
        "families share: {seen:?}"
    );
    let services: Vec<_> = seen.chunks(4).collect();
    ensure!(
        services[0] != services[1] || services[1] != services[2],
        "Services share: {seen:?}"
    );
    Ok(())
}

#[test]
fn rule_4_2_and_4_16_and_4_17_clients_stick_each_for_itself_also_when_they_are_masqueraded()
-> Result<()> {
    let world = world()?;
    let mut differ = 0;
    for number in 11..26 {
        // Remote endpoints: off-cluster clients are masqueraded to one address.
        let svc = sticky(&format!("each-{number}"), number);
        let endpoints = [world.b(1), world.b(2)].map(tidegate_e2e::Ep::of);
        world.put(&svc, &endpoints)?;
        let to = svc.node_port(world.node_address(false));
        let mut pods = Vec::new();
        for from in [
            &world.scene.client,
            &world.scene.b.ns,
            &world.a(2).ns,
            &world.a(3).ns,
        ] {
            pods.push(sticks(from, Proto::Tcp, to, 6)?);
        }
        // The two off-cluster clients, and the two pods of one node.
        differ += usize::from(pods[0] != pods[1]) + usize::from(pods[2] != pods[3]);
    }
    // Thirty pairs of two endpoints each: all alike by chance once in a billion runs.
    ensure!(differ > 0, "clients share a record");
    Ok(())
}

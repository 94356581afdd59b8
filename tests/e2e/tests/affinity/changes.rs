//! Records meet changes: endpoints that go and come back, policies, switches, other Services.

use anyhow::{Result, ensure};
use tidegate_e2e::{Ep, Proto, Svc, backends, sticks};

use crate::{clients, four, sticky, world};

#[test]
fn rule_4_11_and_4_12_a_backend_that_went_is_forgotten_and_not_remembered_when_it_returns()
-> Result<()> {
    let world = world()?;
    let svc = sticky("returning", 31);
    let pods = [world.a(1), world.a(2), world.b(1), world.b(2)];
    for v6 in [false, true] {
        for proto in Proto::BOTH {
            world.put(&svc, &four(&world))?;
            let to = svc.node_port(world.node_address(v6));
            let first = sticks(&world.scene.client, proto, to, 5)?;
            let others: Vec<Ep> = Ep::all(pods.into_iter().filter(|pod| pod.name != first));
            world.put(&svc, &others)?;
            let second = sticks(&world.scene.client, proto, to, 8)?;
            ensure!(second != first, "{first} is gone");
            world.put(&svc, &four(&world))?;
            let third = sticks(&world.scene.client, proto, to, 8)?;
            ensure!(third == second, "{second}, and then {third}");
        }
    }
    Ok(())
}

#[test]
fn rule_4_12_a_client_that_slept_while_its_backend_was_away_is_balanced_afresh() -> Result<()> {
    let world = world()?;
    let svc = sticky("slept", 32);
    let pods = [world.a(1), world.a(2), world.b(1), world.b(2)];
    let mut moved = 0;
    for _ in 0..3 {
        for v6 in [false, true] {
            for proto in Proto::BOTH {
                world.put(&svc, &four(&world))?;
                let to = svc.node_port(world.node_address(v6));
                let first = sticks(&world.scene.client, proto, to, 3)?;
                let others: Vec<Ep> = Ep::all(pods.into_iter().filter(|pod| pod.name != first));
                world.put(&svc, &others)?;
                world.put(&svc, &four(&world))?;
                let second = sticks(&world.scene.client, proto, to, 3)?;
                moved += usize::from(first != second);
            }
        }
    }
    // By chance all twelve stay in one of 4^12 cases.
    ensure!(moved > 0, "records of backends that had gone were honoured");
    Ok(())
}

#[test]
fn rule_4_9_and_4_10_a_record_counts_only_in_the_pool_that_the_policy_names() -> Result<()> {
    let world = world()?;
    let svc = sticky("pools", 33).external_policy("Local");
    let (a1, b1) = (world.a(1), world.b(1));
    for v6 in [false, true] {
        for proto in Proto::BOTH {
            // Only the remote one is there, so the record names it.
            world.put(&svc, &[Ep::of(b1)])?;
            let inside = sticks(&world.scene.client, proto, svc.cluster(v6), 3)?;
            ensure!(inside == b1.name);
            world.put(&svc, &[Ep::of(a1), Ep::of(b1)])?;
            let node_port = svc.node_port(world.node_address(v6));
            let outside = sticks(&world.scene.client, proto, node_port, 8)?;
            ensure!(outside == a1.name, "policy Local, and {outside} answered");
            let inside = sticks(&world.scene.client, proto, svc.cluster(v6), 8)?;
            ensure!(inside == a1.name, "the newest record is {inside}'s");
        }
    }
    Ok(())
}

#[test]
fn rule_4_13_a_terminating_backend_keeps_its_clients_until_a_ready_one_appears() -> Result<()> {
    let world = world()?;
    let svc = sticky("last", 34);
    let (a1, a2, b1) = (world.a(1), world.a(2), world.b(1));
    world.put(&svc, &Ep::all([a1, a2]))?;
    for v6 in [false, true] {
        for proto in Proto::BOTH {
            world.put(&svc, &Ep::all([a1, a2]))?;
            let to = svc.node_port(world.node_address(v6));
            let first = sticks(&world.scene.client, proto, to, 3)?;
            let last = [Ep::of(a1).terminating(), Ep::of(a2).terminating()];
            world.put(&svc, &last)?;
            let then = sticks(&world.scene.client, proto, to, 8)?;
            ensure!(then == first, "{first}, and then {then}");
            let [one, two] = last;
            world.put(&svc, &[one, two, Ep::of(b1)])?;
            let now = sticks(&world.scene.client, proto, to, 8)?;
            ensure!(now == b1.name, "{now} terminates");
        }
    }
    Ok(())
}

#[test]
fn rule_4_14_affinity_is_switched_on_and_off() -> Result<()> {
    let world = world()?;
    let (on, off) = (sticky("switched", 35), Svc::new("switched", 35).with_vip());
    for _ in 0..2 {
        world.put(&off, &four(&world))?;
        for v6 in [false, true] {
            for from in clients(&world) {
                let to = off.node_port(world.node_address(v6));
                let met = backends(from, Proto::Tcp, to, 30)?;
                ensure!(met.len() > 1, "off: {met:?}");
            }
        }
        world.put(&on, &four(&world))?;
        for v6 in [false, true] {
            for from in clients(&world) {
                let to = on.node_port(world.node_address(v6));
                let _pod = sticks(from, Proto::Tcp, to, 15)?;
            }
        }
    }
    Ok(())
}

#[test]
fn rule_4_24_a_new_service_does_not_inherit_the_records_of_a_deleted_one() -> Result<()> {
    let world = world()?;
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (name, met) in [("deceased", &mut before), ("heir", &mut after)] {
        // The same addresses under another name.
        let svc = sticky(name, 36);
        world.put(&svc, &four(&world))?;
        for v6 in [false, true] {
            for from in clients(&world) {
                for proto in Proto::BOTH {
                    let to = svc.node_port(world.node_address(v6));
                    met.push(sticks(from, proto, to, 3)?);
                }
            }
        }
        world.remove(&svc)?;
    }
    // Sixteen alike by chance: one of 4^16 cases.
    ensure!(before != after, "inherited: {before:?}");
    Ok(())
}

#[test]
fn rule_4_23_and_4_8_records_outlive_the_agent() -> Result<()> {
    let mut world = world()?;
    let svc = sticky("outlives", 37);
    world.put(&svc, &four(&world))?;
    let ask = |world: &tidegate_e2e::World| -> Result<Vec<String>> {
        let mut met = Vec::new();
        for v6 in [false, true] {
            for from in clients(world) {
                for proto in Proto::BOTH {
                    let to = svc.node_port(world.node_address(v6));
                    met.push(sticks(from, proto, to, 3)?);
                }
            }
        }
        Ok(met)
    };
    let before = ask(&world)?;
    world.replace_agent()?;
    let after = ask(&world)?;
    ensure!(before == after, "{before:?}, and after a restart {after:?}");
    Ok(())
}

//! A pod that dials its own Service and is chosen itself.

use anyhow::{Result, ensure};
use tidegate_e2e::{Ep, Outcome, Proto, Svc, probe};

use crate::world;

#[test]
fn rule_3_3_1_and_3_3_3_a_pod_reaches_itself_through_every_frontend_under_every_policy()
-> Result<()> {
    let world = world()?;
    let a1 = world.a(1);
    for (number, internal, external) in [(41, "Cluster", "Cluster"), (42, "Local", "Local")] {
        let svc = Svc::new(&format!("self-{number}"), number)
            .with_vip()
            .with_external_ip()
            .internal_policy(internal)
            .external_policy(external);
        world.put(&svc, &[Ep::of(a1)])?;
        for v6 in [false, true] {
            let node = world.node_address(v6);
            for to in [
                svc.cluster(v6),
                svc.node_port(node),
                svc.vip(v6),
                svc.external(v6),
            ] {
                for proto in Proto::BOTH {
                    let outcome = probe(&a1.ns, proto, to);
                    let Outcome::Answered(answer) = &outcome else {
                        anyhow::bail!("{proto:?} to {to}, policy {external}: {outcome:?}");
                    };
                    let seen = answer.seen_as.ip().to_canonical();
                    ensure!(seen == node, "{proto:?} to {to}: seen as {seen}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn rule_3_3_2_and_3_3_4_only_flows_that_pick_the_caller_are_masqueraded() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("siblings", 43);
    let (a1, a2, b1) = (world.a(1), world.a(2), world.b(1));
    world.put(&svc, &Ep::all([a1, a2, b1]))?;
    for v6 in [false, true] {
        for proto in Proto::BOTH {
            let mut met = std::collections::BTreeSet::new();
            for _ in 0..60 {
                let outcome = probe(&a1.ns, proto, svc.cluster(v6));
                let Outcome::Answered(answer) = outcome else {
                    anyhow::bail!("{proto:?}: {outcome:?}");
                };
                let own = a1.addresses()[usize::from(v6)];
                let node = world.node_address(v6);
                let expected = if answer.backend == a1.name { node } else { own };
                ensure!(answer.seen_as.ip().to_canonical() == expected, "{answer:?}");
                met.insert(answer.backend);
            }
            ensure!(met.len() == 3, "only {met:?}");
        }
    }
    Ok(())
}

#[test]
fn rule_3_3_5_a_pod_that_dials_its_own_address_is_left_alone() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("own-address", 44);
    let a1 = world.a(1);
    world.put(&svc, &[Ep::of(a1)])?;
    for own in a1.addresses() {
        for proto in Proto::BOTH {
            let outcome = probe(&a1.ns, proto, (own, 8080).into());
            let Outcome::Answered(answer) = &outcome else {
                anyhow::bail!("{proto:?} to {own}: {outcome:?}");
            };
            ensure!(answer.seen_as.ip().to_canonical() == own, "{answer:?}");
        }
    }
    Ok(())
}

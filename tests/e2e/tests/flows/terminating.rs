//! A pod that terminates is still a client like any other.

use anyhow::Result;
use tidegate_e2e::{Ep, Proto, Svc, served_by};

use crate::world;

#[test]
fn rule_5_1_3_a_terminating_pod_opens_flows_and_is_reached_by_its_own_address() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("leaving", 31);
    let (a1, a2, b1) = (world.a(1), world.a(2), world.b(1));
    world.put(&svc, &[Ep::of(a1).terminating(), Ep::of(b1)])?;
    for v6 in [false, true] {
        for proto in Proto::BOTH {
            served_by(&a1.ns, proto, svc.cluster(v6), &[&b1.name])?;
            let node_port = svc.node_port(world.node_address(v6));
            served_by(&a1.ns, proto, node_port, &[&b1.name])?;
            let direct = (a1.addresses()[usize::from(v6)], 8080).into();
            served_by(&a2.ns, proto, direct, &[&a1.name])?;
        }
    }
    Ok(())
}

//! A node whose own firewall forwards nothing: what tidegate sends on does not pass there.

use anyhow::{Context as _, Result};
use tidegate_e2e::{Ep, Proto, Svc, World, all_silent, served_by};

/// The same for both families; ARP and neighbour discovery are not forwarded.
const FORWARD_NOTHING: &str = "nft 'table inet guard { chain forward { \
                               type filter hook forward priority filter; policy drop; }; }'";

#[test]
fn rule_3_2_10_a_firewall_that_forwards_nothing_does_not_stop_services() -> Result<()> {
    let world = World::builder().build()?;
    let svc = Svc::new("guarded", 1).with_vip();
    world.put(&svc, &[Ep::of(world.a(1)), Ep::of(world.b(1))])?;
    world.scene.a.ns.sh(FORWARD_NOTHING)?;
    let pods = [world.a(1).name.as_str(), world.b(1).name.as_str()];
    let (client, pod) = (&world.scene.client, &world.a(2).ns);
    for v6 in [false, true] {
        let node_port = svc.node_port(world.node_address(v6));
        // It does stop what is no Service's, or this test would show nothing.
        let direct = (world.b(1).addresses()[usize::from(v6)], 8080).into();
        all_silent(&[(pod, Proto::Tcp, direct)])?;
        for proto in Proto::BOTH {
            for (from, to) in [
                (client, node_port),
                (client, svc.vip(v6)),
                (pod, svc.cluster(v6)),
            ] {
                served_by(from, proto, to, &pods).with_context(|| format!("{proto:?} to {to}"))?;
            }
        }
    }
    Ok(())
}

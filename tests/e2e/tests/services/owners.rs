//! Two Services that claim one frontend: the oldest has it, and nothing of the loser stays behind.

use anyhow::Result;
use serde_json::json;
use tidegate_e2e::{Ep, Proto, Svc, World, served_by};

use crate::world;

fn aged(name: &str, number: u8, created: &str) -> Svc {
    let mut svc = Svc::internal(name, number);
    svc.object["metadata"]["creationTimestamp"] = json!(created);
    svc.spec("externalIPs", json!(["203.0.113.200", "2001:db8:cb::200"]))
}

fn is_served_by(world: &World, pod: &str) -> Result<()> {
    for ip in ["203.0.113.200", "2001:db8:cb::200"] {
        let to = (ip.parse::<std::net::IpAddr>()?, 80).into();
        for proto in Proto::BOTH {
            served_by(&world.scene.client, proto, to, &[pod])?;
            served_by(&world.a(3).ns, proto, to, &[pod])?;
        }
    }
    Ok(())
}

#[test]
fn rule_3_8_3_the_oldest_of_two_owners_has_the_frontend_and_the_other_inherits_it() -> Result<()> {
    let world = world()?;
    let old = aged("old", 31, "2024-01-01T00:00:00Z");
    let new = aged("new", 32, "2025-01-01T00:00:00Z");
    let (a1, b1) = (world.a(1), world.b(1));
    // The younger one first, then it has to yield.
    world.put(&new, &[Ep::of(b1)])?;
    is_served_by(&world, &b1.name)?;
    world.put(&old, &[Ep::of(a1)])?;
    is_served_by(&world, &a1.name)?;
    for proto in Proto::BOTH {
        served_by(&world.a(3).ns, proto, new.cluster(false), &[&b1.name])?;
    }
    world.remove(&old)?;
    is_served_by(&world, &b1.name)?;
    world.put(&old, &[Ep::of(a1)])?;
    is_served_by(&world, &a1.name)?;
    world.remove(&new)?;
    is_served_by(&world, &a1.name)?;
    // The loser's endpoints are nobody's now.
    world.put(&old, &[])?;
    let to = "203.0.113.200:80".parse()?;
    tidegate_e2e::refused(&world.scene.client, Proto::Tcp, to)
}

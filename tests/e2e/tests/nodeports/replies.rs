//! Replies come from the address that was dialled, be it the node's first or another.

use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Ep, Proto, Svc, ask, soon};

use crate::{addresses::ADDRESSES, world};

#[test]
fn rule_3_2_6_and_3_2_7_replies_come_from_the_dialled_address_of_the_node() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("replies", 21);
    for pod in [world.a(1), world.b(1)] {
        world.put(&svc, &[Ep::of(pod)])?;
        for address in ADDRESSES {
            let to = svc.node_port(address.parse::<IpAddr>()?);
            for proto in Proto::BOTH {
                // `ask` takes answers from the dialled address only, with an unconnected UDP socket too.
                let answer = soon(|| world.scene.client.run(|| ask(proto, to)))
                    .with_context(|| format!("{proto:?} to {to}"))?;
                ensure!(answer.backend == pod.name, "{answer:?}");
            }
        }
    }
    Ok(())
}

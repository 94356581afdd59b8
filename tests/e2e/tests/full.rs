//! A flow table that is far too small for what goes on.

use anyhow::{Context as _, Result};
use tidegate_e2e::{Ep, Svc, Udp, World, goes_on, open};
use tidegate_rig::EchoServer;

/// Two records a flow, so 512 flows at a time.
const FLOWS: &str = "1024";
const DATAGRAM_FLOWS: usize = 3000;

#[test]
fn rule_5_7_11_busy_connections_survive_a_flow_table_that_is_full() -> Result<()> {
    let world = World::builder().args(&["--flows", FLOWS]).build()?;
    let svc = Svc::new("many", 1);
    world.put(&svc, &[Ep::of(world.a(1)), Ep::of(world.b(1))])?;
    let _own = EchoServer::start(&world.scene.a.ns, "nodea", 8080)?;
    let node = world.node_address(false);
    let served = svc.node_port(node);
    world.scene.client.run(|| -> Result<()> {
        // Through the Service, and to the node itself.
        let mut streams = [open(served)?, open((node, 8080).into())?];
        for nth in 0..DATAGRAM_FLOWS {
            let _answer = Udp::bind(0, served)?.ask(served)?;
            if nth % 50 == 0 {
                for stream in &mut streams {
                    goes_on(stream).with_context(|| format!("after {nth} flows"))?;
                }
            }
        }
        Ok(())
    })
}

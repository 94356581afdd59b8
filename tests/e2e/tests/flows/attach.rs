//! An agent that comes late finds connections that are none of its business.

use std::io::{Read as _, Write as _};

use anyhow::{Context as _, Result};
use tidegate_e2e::{Ep, Proto, Svc, World, dial, served_by};
use tidegate_rig::EchoServer;

#[test]
fn rule_5_1_16_connections_that_were_there_before_the_agent_go_on() -> Result<()> {
    let mut world = World::builder().pods(2, 1).no_agent().build()?;
    let node = &world.scene.a;
    let _process = EchoServer::start(&node.ns, "process", 7000)?;
    let routes = [
        (world.b(1).v4.to_string(), node.v4.to_string()),
        (world.b(1).v6.to_string(), node.v6.to_string()),
    ];
    for (pod, via) in routes {
        world
            .scene
            .client
            .ip(&format!("route add {pod} via {via}"))?;
    }
    let mut streams = Vec::new();
    for v6 in [false, true] {
        let index = usize::from(v6);
        let remote = (world.b(1).addresses()[index], 8080).into();
        for (from, to) in [
            // Through this node, out of it, into it, and between pods.
            (&world.scene.client, remote),
            (&world.a(1).ns, remote),
            (&world.scene.client, (world.node_address(v6), 7000).into()),
            (&world.a(1).ns, (world.a(2).addresses()[index], 8080).into()),
        ] {
            let mut stream = from.run(|| dial(0, to))?;
            let _greeting = stream.read(&mut [0; 256])?;
            streams.push((to, stream));
        }
    }
    let svc = Svc::new("late", 1);
    world
        .spec
        .manifests
        .put(&svc.name, &svc.objects(&[Ep::of(world.b(1))]))?;
    for _ in 0..2 {
        world.replace_agent()?;
        served_by(&world.a(1).ns, Proto::Tcp, svc.cluster(false), &["podb1"])?;
        for (to, stream) in &mut streams {
            stream.write_all(b"still").with_context(|| to.to_string())?;
            stream
                .read_exact(&mut [0; 5])
                .with_context(|| to.to_string())?;
        }
    }
    Ok(())
}

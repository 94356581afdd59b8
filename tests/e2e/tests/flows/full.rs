//! More flows than the table holds.

use std::io::{Read as _, Write as _};
use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Ep, Svc, World, dial};
use tidegate_rig::EchoServer;

/// Each takes two of the records.
const FLOWS: usize = 5000;

#[test]
fn rule_5_7_11_a_full_table_pushes_out_idle_flows_and_harms_nothing_that_needs_none() -> Result<()>
{
    let world = World::builder()
        .pods(1, 1)
        .args(&["--flows", "1024"])
        .build()?;
    let svc = Svc::new("crowded", 1);
    world.put(&svc, &[Ep::of(world.a(1))])?;
    let client = &world.scene.client;
    let _process = EchoServer::start(&world.scene.a.ns, "process", 7000)?;
    for v6 in [false, true] {
        let node = world.node_address(v6);
        let to = svc.node_port(node);
        // One through a Service that talks now and then, and one to a process, which needs no record.
        let mut streams = Vec::new();
        for to in [to, (node, 7000).into()] {
            let mut stream = client.run(|| dial(0, to))?;
            let _greeting = stream.read(&mut [0; 256])?;
            streams.push(stream);
        }
        client.run(|| -> Result<()> {
            for nth in 0..FLOWS {
                let socket = UdpSocket::bind(if v6 { "[::]:0" } else { "0.0.0.0:0" })?;
                socket.set_read_timeout(Some(Duration::from_secs(5)))?;
                let _sent = socket.send_to(b"tide", to)?;
                let _length = socket
                    .recv(&mut [0; 256])
                    .with_context(|| format!("flow {nth}"))?;
                if nth % 50 == 0 {
                    for stream in &mut streams {
                        stream
                            .write_all(b"still")
                            .with_context(|| format!("after {nth} flows"))?;
                        stream
                            .read_exact(&mut [0; 5])
                            .with_context(|| format!("after {nth} flows"))?;
                    }
                }
            }
            Ok(())
        })?;
    }
    let maps = world.spec.status()?["maps"].clone();
    let used = |name: &str| {
        let rows = maps.as_array().into_iter().flatten();
        rows.filter(|row| row["name"] == name)
            .find_map(|row| row["used"].as_u64())
    };
    for name in ["flows4", "flows6"] {
        let used = used(name).with_context(|| format!("no {name}: {maps}"))?;
        ensure!(
            (256..=1024).contains(&used),
            "{name} has {used} records of 1024"
        );
    }
    Ok(())
}

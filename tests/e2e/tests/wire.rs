//! What is seen on the wire: checksums, addresses, and how much data gets through.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tidegate_e2e::{Proto, ServiceSpec, Setup, ask_from, ask_many};
use tidegate_rig::{Capture, Netns};

#[test]
fn rule_5_6_10_with_offloads_the_client_sees_only_what_it_dialled_and_right_checksums() -> Result<()>
{
    watch("auto", true)
}

#[test]
fn without_offloads_the_client_sees_only_what_it_dialled_and_right_checksums() -> Result<()> {
    watch("auto", false)
}

#[test]
fn under_xdp_the_client_sees_only_what_it_dialled_and_right_checksums() -> Result<()> {
    watch("xdp", false)
}

/// Captures on the client while it talks to a local and a remote backend and to nobody.
fn watch(attach: &str, offloads: bool) -> Result<()> {
    let setup = Setup::new(attach, offloads, &[])?;
    let client = &setup.scene.client;
    let capture = Capture::start(&setup.scene, client, "eth0", "tcp or udp or icmp")?;
    let capture6 = Capture::start(&setup.scene, client, "eth0", "ip6 and not icmp6")?;
    for v6 in [false, true] {
        for service in [Setup::LOCAL, Setup::REMOTE] {
            for proto in [Proto::Tcp, Proto::Udp] {
                let _answers = client.run(|| ask_many(proto, service.node_port(&setup, v6), 20))?;
            }
        }
        let _refused = client.run(|| ask_many(Proto::Tcp, Setup::EMPTY.node_port(&setup, v6), 1));
    }
    let mut packets = capture.finish()?;
    packets.extend(capture6.finish()?);
    ensure!(packets.len() > 400, "{} packets captured", packets.len());
    for packet in &packets {
        ensure!(
            !packet.contains("10.244.") && !packet.contains("fd00:244:"),
            "a pod's address: {packet}"
        );
        // What the client itself sends carries partial checksums when offloads are on.
        let sent = packet.contains(" 192.168.1.10.") && packet.contains("> 192.168.1.2.3")
            || packet.contains("fd00:1::10.") && packet.contains("> fd00:1::2.3");
        // So does what a local pod sends, all the way over virtual links.
        let partial = offloads && packet.contains("incorrect");
        ensure!(
            partial || sent || !packet.contains("incorrect"),
            "a wrong checksum: {packet}"
        );
        ensure!(
            !packet.contains("bad cksum"),
            "a wrong header checksum: {packet}"
        );
    }
    Ok(())
}

#[test]
fn rule_3_2_3_equal_source_ports_through_two_frontends_to_one_backend_both_work() -> Result<()> {
    const PORT: u16 = 40_000;
    for (attach, offloads) in [("auto", true), ("xdp", false)] {
        let setup = Setup::new(attach, offloads, &[])?;
        let lan = setup.scene.b.ns.clone();
        for v6 in [false, true] {
            for proto in [Proto::Tcp, Proto::Udp] {
                // Two clients, then one client through two frontends; remote and local backend.
                both(
                    &setup.scene.client,
                    &lan,
                    proto,
                    PORT,
                    pair(&setup, [Setup::REMOTE, Setup::TWIN], v6),
                )?;
                both(
                    &setup.scene.client,
                    &setup.scene.client,
                    proto,
                    PORT + 1,
                    pair(&setup, [Setup::REMOTE, Setup::TWIN], v6),
                )?;
            }
        }
    }
    Ok(())
}

fn pair(setup: &Setup, services: [ServiceSpec; 2], v6: bool) -> [SocketAddr; 2] {
    services.map(|service| service.node_port(setup, v6))
}

/// Two flows with one source port at a time; each must have its own tuple at the backend.
fn both(one: &Netns, two: &Netns, proto: Proto, port: u16, to: [SocketAddr; 2]) -> Result<()> {
    let first = one
        .run(|| ask_from(proto, port, to[0]))
        .context("the first flow")?;
    let second = two
        .run(|| ask_from(proto, port, to[1]))
        .context("the second flow")?;
    ensure!(
        first.backend == second.backend,
        "{} and {}",
        first.backend,
        second.backend
    );
    ensure!(
        first.seen_as != second.seen_as,
        "one tuple for two flows: {}",
        first.seen_as
    );
    Ok(())
}

#[test]
fn rule_5_6_11_bulk_data_gets_through_a_node_port_with_offloads_on() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    let server = &setup.scene.b.pods[0];
    // The client reaches the pod directly through node B, so that both ways cross one node.
    setup
        .scene
        .client
        .ip(&format!("route add 10.244.1.0/24 via {}", setup.scene.b.v4))?;
    let mut listener = server
        .ns
        .command("iperf3")
        .args(["-s", "-p", "8081"])
        .stdout(std::process::Stdio::null())
        .spawn()?;
    let service = ServiceSpec {
        name: "bulk",
        number: 16,
    };
    let mut objects = service.objects(&tidegate_rig::pod_endpoints([server]));
    for object in &mut objects {
        retarget(object, 8081);
    }
    setup.spec.manifests.put(service.name, &objects)?;
    let through = SocketAddr::new(setup.scene.a.v4.into(), service.node_port_number());
    let direct = SocketAddr::new(server.v4.into(), 8081);
    let rates = rate(&setup.scene.client, direct)
        .and_then(|plain| Ok((plain, rate(&setup.scene.client, through)?)));
    listener.kill()?;
    let _status = listener.wait()?;
    let (plain, balanced) = rates?;
    eprintln!(
        "plain {:.2} Gbit/s, through the NodePort {:.2}",
        plain / 1e9,
        balanced / 1e9
    );
    // A rate belongs in a benchmark; here only a collapse is caught, as when super-packets are cut up
    // or checksums come out wrong (seen: 0.01 of the plain rate). Measured alone the ratio is 0.9 or more.
    ensure!(
        balanced >= plain / 8.0,
        "plain {plain}, through the NodePort {balanced}"
    );
    Ok(())
}

fn retarget(object: &mut Value, port: u16) {
    if object["kind"] == "EndpointSlice"
        && let Some(ports) = object["ports"].as_array_mut()
    {
        for each in ports {
            each["port"] = port.into();
        }
    }
}

/// The best of three short runs, bits a second.
fn rate(client: &Netns, to: SocketAddr) -> Result<f64> {
    let mut best: f64 = 0.0;
    for _ in 0..3 {
        let mut last = String::new();
        // The listener or the frontend may need a moment at first.
        for _ in 0..20 {
            let (ip, port) = (to.ip().to_string(), to.port().to_string());
            let output = client
                .command("iperf3")
                .args(["-c", &ip, "-p", &port, "-t", "1", "-J"])
                .output()?;
            let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            if let Some(bits) = report["end"]["sum_received"]["bits_per_second"].as_f64() {
                best = best.max(bits);
                last.clear();
                break;
            }
            last = String::from_utf8_lossy(&output.stdout).into_owned();
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        ensure!(last.is_empty(), "iperf3 to {to}: {last}");
    }
    Ok(best)
}

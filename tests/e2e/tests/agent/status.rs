//! `status -o json`: devices and why, the node, the maps, and how packets ended.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tidegate_e2e::{Proto, Setup, ask_many};

use crate::wait::soon;

#[test]
fn the_status_names_devices_hooks_and_why() -> Result<()> {
    for (attach, hooks, why) in [
        ("auto", "tcx", "virtual device"),
        ("tc", "tcx", "--attach tc"),
        ("xdp", "xdp (native) + tcx", "by force"),
        ("xdp-generic", "xdp (generic) + tcx", "by force"),
    ] {
        let setup = Setup::new(attach, false, &[])?;
        let status = setup.spec.status()?;
        let device = |name: &str| -> Result<Value> {
            let rows = status["devices"].as_array().context("no devices")?;
            let row = rows.iter().find(|row| row["name"] == name);
            Ok(row.with_context(|| format!("no {name}: {status}"))?.clone())
        };
        let uplink = device("eth0")?;
        ensure!(
            uplink["role"] == "uplink" && uplink["hooks"] == hooks,
            "{attach}: {uplink}"
        );
        let said = uplink["why"].as_str().unwrap_or_default();
        ensure!(said.contains(why), "{attach}: {uplink}");
        for pod in &setup.scene.a.pods {
            let row = device(&pod.device)?;
            ensure!(row["role"] == "pod" && row["hooks"] == "tcx", "{row}");
        }
        ensure!(status["attach"] == attach, "{status}");
    }
    Ok(())
}

#[test]
fn the_status_counts_what_is_there_and_has_no_problems() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    let status = setup.spec.status()?;
    ensure!(
        status["node"]["name"] == "nodea"
            && status["node"]["nodeportAddresses"] == json!(["192.168.1.2", "fd00:1::2"]),
        "{status}"
    );
    ensure!(
        status["synced"] == true && status["adopted"] == false && status["problems"] == json!([]),
        "{status}"
    );
    // Five Services with two ports in two families; eight endpoints of them in each.
    ensure!(
        status["servicePorts"] == 20 && status["endpoints"] == 28 && status["localPods"] == 6,
        "{status}"
    );
    let maps = status["maps"].as_array().context("no maps")?;
    for name in ["frontends4", "frontends6", "local_pods4", "devices"] {
        let row = maps.iter().find(|row| row["name"] == name);
        let used = row.and_then(|row| row["used"].as_u64());
        ensure!(used > Some(0), "{name}: {row:?}");
    }
    // Arrays, of which the planner knows how full they are; and fragments, of which there were none.
    for (name, least) in [
        ("slots", 1),
        ("backends4", 1),
        ("backends6", 1),
        ("fragments4", 0),
        ("fragments6", 0),
    ] {
        let row = maps.iter().find(|row| row["name"] == name);
        let row = row.with_context(|| format!("no {name}: {status}"))?;
        let (used, room) = (row["used"].as_u64(), row["capacity"].as_u64());
        ensure!(used >= Some(least) && used < room, "{name}: {row}");
    }
    let text = setup.spec.cli(["status"]).output()?;
    let text = String::from_utf8(text.stdout)?;
    for word in ["nodea", "eth0", "tcx", "veth-a1"] {
        ensure!(text.contains(word), "no {word}: {text}");
    }
    Ok(())
}

/// Packets that ended with this reason and verdict so far; none: no such row yet.
fn packets(setup: &Setup, reason: &str, verdict: &str) -> Result<u64> {
    let status = setup.spec.status()?;
    let rows = status["counters"].as_array().context("no counters")?;
    let Some(row) = rows.iter().find(|row| row["reason"] == reason) else {
        return Ok(0);
    };
    ensure!(row["verdict"] == verdict, "{row}");
    row["packets"].as_u64().context("no packets")
}

#[test]
fn rule_2_4_10_what_is_sent_to_an_unowned_service_address_is_dropped_and_counted() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    let pod = &setup.scene.a.pods[0].ns;
    for to in ["10.96.99.99:80", "[fd00:96::99]:80"] {
        let to: SocketAddr = to.parse()?;
        let before = packets(&setup, "not_owned", "drop")?;
        pod.run(|| -> Result<()> {
            let socket = UdpSocket::bind(if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
            for _ in 0..3 {
                let _bytes = socket.send_to(b"tide", to)?;
            }
            // Silence, not an ICMP error.
            socket.connect(to)?;
            socket.set_read_timeout(Some(Duration::from_millis(200)))?;
            let error = socket.recv(&mut [0; 16]).err().map(|error| error.kind());
            ensure!(error == Some(ErrorKind::WouldBlock), "{to}: {error:?}");
            Ok(())
        })?;
        soon(|| {
            let now = packets(&setup, "not_owned", "drop")?;
            ensure!(now == before + 3, "{to}: {before}, then {now}");
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn rule_2_4_9_an_unknown_port_of_a_cluster_ip_is_refused_and_counted() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    let pod = &setup.scene.a.pods[2].ns;
    for v6 in [false, true] {
        let to = SocketAddr::new(Setup::LOCAL.cluster(v6).ip(), 81);
        let before = packets(&setup, "unknown_port", "reject")?;
        let dialled = pod.run(|| TcpStream::connect_timeout(&to, Duration::from_secs(5)));
        let error = dialled.err().map(|error| error.kind());
        ensure!(
            error == Some(ErrorKind::ConnectionRefused),
            "{to}: {error:?}"
        );
        let now = packets(&setup, "unknown_port", "reject")?;
        ensure!(now == before + 1, "{to}: {before}, then {now}");
    }
    Ok(())
}

#[test]
fn new_flows_and_their_packets_are_counted() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    let counted = || -> Result<[u64; 2]> {
        let counted = |reason| packets(&setup, reason, "forward");
        Ok([counted("new_flow")?, counted("known_reply")?])
    };
    let before = counted()?;
    let to = Setup::REMOTE.node_port(&setup, false);
    let _answers = setup.scene.client.run(|| ask_many(Proto::Udp, to, 10))?;
    let now = counted()?;
    ensure!(
        now == [before[0] + 10, before[1] + 10],
        "{before:?}, then {now:?}"
    );
    Ok(())
}

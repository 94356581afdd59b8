//! The switch from kube-proxy: what `docs/upgrade-from-kube-proxy.md` promises.
//!
//! One rule of netfilter stands for kube-proxy's: it has ended, and its rules are still there.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Proto, Setup, dial, served_by};
use tidegate_rig::{AgentSpec, EchoServer, Netns};

use crate::{Place, TARGET, sound};

/// A connection through the Service, and who answers there.
fn connect(from: &Netns) -> Result<(TcpStream, String)> {
    let mut stream = from.run(|| dial(0, Setup::SPREAD.cluster(false)))?;
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .context("a time limit")?;
    let mut buffer = [0; 256];
    let len = stream.read(&mut buffer)?;
    let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
    let (name, _) = EchoServer::parse(text.lines().next().unwrap_or_default())?;
    Ok((stream, name))
}

/// Sends on the connection, and hears it back.
fn lives(mut stream: &TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 5];
    stream.write_all(b"tide\n")?;
    stream.read_exact(&mut buffer)
}

#[test]
fn the_switch_from_kube_proxys_rules_leaves_no_service_without_anybody() -> Result<()> {
    let place = Place::new()?;
    let node = &place.scene.a;
    let (old, new) = (&node.pods[0], &place.scene.b.pods[0]);
    let [old_ip, _] = old.addresses();
    let cluster = Setup::SPREAD.cluster(false);
    let dnat = format!(
        "ip daddr {} tcp dport {} dnat to {old_ip}:{TARGET}",
        cluster.ip(),
        cluster.port()
    );
    let _rules = node.ns.sh(&format!(
        "nft 'table ip kube-proxy {{ \
         chain pre {{ type nat hook prerouting priority -100; {dnat}; }}; \
         chain out {{ type nat hook output priority -100; {dnat}; }}; }}'"
    ))?;
    let client = &node.pods[1].ns;
    let (of_pod, first) = connect(client)?;
    let (of_node, second) = connect(&node.ns)?;
    let by_rules = [first, second] == [old.name.clone(), old.name.clone()];
    ensure!(by_rules, "the rules do not work");

    // The rules lead to one pod and the agent to another, so that answers tell who translated.
    let spec = AgentSpec::new(&place.scene, node)?;
    place.serve(&spec, &[new])?;
    let _agent = spec.start()?;
    sound(&spec)?;
    for from in [client, &node.ns] {
        served_by(from, Proto::Tcp, cluster, &[&new.name])?;
    }
    let reset = lives(&of_pod).map_err(|error| error.kind());
    ensure!(
        reset == Err(ErrorKind::ConnectionReset),
        "a pod's connection: {reset:?}"
    );
    lives(&of_node).context("a connection of the node's own process")?;

    let _rules = node.ns.sh("nft delete table ip kube-proxy")?;
    for from in [client, &node.ns] {
        served_by(from, Proto::Tcp, cluster, &[&new.name])?;
    }
    Ok(())
}

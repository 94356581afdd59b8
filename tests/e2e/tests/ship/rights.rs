//! The capabilities that the unit leaves the agent, and the DaemonSet the container, are enough.

use std::{
    fs,
    io::ErrorKind,
    net::UdpSocket,
    os::unix::fs::MetadataExt as _,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use tidegate_e2e::{Proto, Setup, served_by};
use tidegate_rig::output_of;

use crate::{Place, sound, text};

const PATIENCE: Duration = Duration::from_secs(20);

/// As systemd does it: whatever is not in the set cannot be had again.
fn confined() -> Result<String> {
    let unit = text("userspace/agent/dist/tidegate.service")?;
    let set = unit
        .lines()
        .find_map(|line| line.strip_prefix("CapabilityBoundingSet="))
        .context("no CapabilityBoundingSet in the unit")?;
    let set = set
        .split_whitespace()
        .map(|name| name.trim_start_matches("CAP_").to_lowercase());
    let set: String = set.map(|name| format!(",+{name}")).collect();
    Ok(format!(
        r#"exec setpriv --no-new-privs --bounding-set=-all{set} "$TIDEGATE" "$@""#
    ))
}

/// Sends until the socket is told that its backend has gone: only who has the right can tell it.
fn is_ended(socket: &UdpSocket) -> Result<()> {
    let begin = Instant::now();
    let mut buffer = [0; 256];
    while begin.elapsed() < PATIENCE {
        let _ended_meanwhile = socket.send(b"tide");
        match socket.recv(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => return Ok(()),
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
    bail!("a socket of the node still has the backend that has gone")
}

#[test]
fn with_the_rights_of_the_unit_an_agent_attaches_serves_ends_sockets_and_follows_another()
-> Result<()> {
    let place = Place::new()?;
    let spec = place.agent_by(&confined()?)?.args(["--api-group", "65534"]);
    let (a, b) = (&place.scene.a, &place.scene.b);
    let (here, there) = (&a.pods[0], &b.pods[0]);
    place.serve(&spec, &[here, there])?;
    let agent = spec.start()?;
    let held = output_of(
        Command::new("grep")
            .arg("CapEff")
            .arg(format!("/proc/{}/status", agent.id())),
    )?;
    let held = held.split_whitespace().last().context("no CapEff")?;
    let held = u64::from_str_radix(held, 16).context("CapEff")?;
    ensure!(
        held.count_ones() <= 4,
        "the agent has more rights than meant: {held:x}"
    );
    let socket = place.scene.dir(&format!("{}/run", place.scene.a.name))?;
    let socket = fs::metadata(socket.join("api.sock")).context("the socket")?;
    ensure!(
        socket.gid() == 65_534,
        "the socket is of group {}",
        socket.gid()
    );
    sound(&spec)?;
    let pods = [here.name.as_str(), there.name.as_str()];
    let cluster = Setup::SPREAD.cluster(false);
    for proto in Proto::BOTH {
        served_by(&place.scene.client, proto, place.node_port(), &pods)?;
        served_by(&a.pods[1].ns, proto, cluster, &pods)?;
        served_by(&a.ns, proto, cluster, &pods)?;
    }
    let socket = a.ns.run(|| -> std::io::Result<UdpSocket> {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.connect(cluster)?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        Ok(socket)
    })?;
    place.serve(&spec, &[])?;
    is_ended(&socket)?;
    place.serve(&spec, &[here])?;

    let ended = agent.stop()?;
    ensure!(ended.success(), "{ended}");
    let _next = spec.start()?;
    served_by(
        &place.scene.client,
        Proto::Tcp,
        place.node_port(),
        &[&here.name],
    )?;
    sound(&spec)
}

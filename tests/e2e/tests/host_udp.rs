//! Connected UDP sockets of processes of the node (rule 5.2.15, trap T62): the Service's address is gone
//! from their packets, so when the backend goes they are told, and connect anew.
//!
//! Sockets that are not connected ask with each datagram; they are among the clients of `udp_lives`.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{IpAddr, SocketAddr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use tidegate_e2e::{Setup, dial};
use tidegate_rig::{EchoServer, Netns, pod_endpoints};

/// How often a client sends.
const BEAT: Duration = Duration::from_millis(100);
/// How long a busy machine may take to do what takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connected socket of a process of node A.
struct Client {
    socket: UdpSocket,
    to: SocketAddr,
}

/// What one datagram comes to.
#[derive(Debug, PartialEq)]
enum Beat {
    Answered(String),
    Silence,
    Failed(ErrorKind),
}

impl Client {
    fn connect(node: &Netns, to: SocketAddr) -> Result<Self> {
        let any = if to.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
        node.run(|| -> Result<Self> {
            let socket = UdpSocket::bind(any)?;
            socket
                .connect(to)
                .with_context(|| format!("connect to {to}"))?;
            socket.set_read_timeout(Some(BEAT))?;
            Ok(Self { socket, to })
        })
    }

    /// Sends one datagram and waits for its answer, or for the next beat.
    fn beat(&self) -> Beat {
        let mut buffer = [0; 256];
        let begin = Instant::now();
        let heard = match self.socket.send(b"tide") {
            // It is not connected any more; why, the receive says.
            Err(error) if error.raw_os_error() != Some(libc::EDESTADDRREQ) => Err(error),
            _ => self.socket.recv(&mut buffer),
        };
        let beat = match heard {
            Ok(len) => {
                let text = String::from_utf8_lossy(&buffer[..len]);
                let name = EchoServer::parse(text.lines().next().unwrap_or_default());
                Beat::Answered(name.map_or_else(|error| error.to_string(), |(name, _)| name))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Beat::Silence,
            Err(error) => Beat::Failed(error.kind()),
        };
        thread::sleep(BEAT.saturating_sub(begin.elapsed()));
        beat
    }

    /// Sends until it is told that its backend has gone.
    fn beat_until_ended(&self) -> Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            match self.beat() {
                Beat::Answered(_) | Beat::Silence => {}
                Beat::Failed(ErrorKind::ConnectionAborted) => return Ok(()),
                Beat::Failed(other) => bail!("{}: {other}", self.to),
            }
        }
        bail!("{}: it still sends to a backend that has gone", self.to)
    }

    fn served_by(&self, backend: &str) -> Result<()> {
        let begin = Instant::now();
        let mut beat = self.beat();
        // Whoever answers may be held up.
        while beat == Beat::Silence && begin.elapsed() < PATIENCE {
            beat = self.beat();
        }
        ensure!(
            beat == Beat::Answered(backend.to_owned()),
            "{}: {beat:?}",
            self.to
        );
        Ok(())
    }

    /// The same socket asks for a backend again.
    fn again(&self, node: &Netns) -> std::io::Result<()> {
        node.run(|| self.socket.connect(self.to))
    }
}

/// How a process may spell an IPv4 address to an IPv6 socket.
fn mapped(to: SocketAddr) -> SocketAddr {
    match to.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), to.port()),
        IpAddr::V6(_) => to,
    }
}

/// Entries that are used in the map of sockets, of both families.
fn entries(setup: &Setup) -> Result<u64> {
    let status = setup.spec.status()?;
    let maps = status["maps"].as_array().context("no maps in status")?;
    let used = maps
        .iter()
        .filter(|row| {
            row["name"]
                .as_str()
                .is_some_and(|it| it.starts_with("sockets"))
        })
        .map(|row| row["used"].as_u64().context("no count"));
    used.sum()
}

#[test]
fn rule_5_2_15_a_connected_socket_is_told_that_its_backend_has_gone() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    let (service, other) = (Setup::REMOTE, Setup::LOCAL);
    let (node, pods) = (&setup.scene.a.ns, &setup.scene.b.pods);
    let [v4, v6] = [service.cluster(false), service.cluster(true)];
    let clients = [v4, v6, mapped(v4), service.node_port(&setup, false)]
        .map(|to| Client::connect(node, to))
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    let neighbour = Client::connect(node, other.cluster(false))?;
    let mut stream = node.run(|| dial(0, v4))?;
    let held = entries(&setup)?;
    for _ in 0..3 {
        for client in &clients {
            client.served_by("podb1")?;
        }
    }

    setup.set_endpoints(service, &[&pods[1]])?;
    for client in &clients {
        client.beat_until_ended()?;
    }
    // One entry each goes, a moment later; the neighbour's and the stream's stay.
    let begin = Instant::now();
    while entries(&setup)? + 4 != held {
        let now = entries(&setup)?;
        ensure!(
            begin.elapsed() < PATIENCE,
            "{held} entries before, {now} after"
        );
        thread::sleep(BEAT);
    }
    for client in &clients {
        client.again(node)?;
        for _ in 0..3 {
            client.served_by("podb2")?;
        }
    }
    neighbour.served_by("poda1")?;
    // TCP stays with its backend.
    stream.write_all(b"tide")?;
    let mut echo = [0; 4];
    let mut greeting = [0; 1];
    while stream.read(&mut greeting)? == 1 && greeting != *b"\n" {}
    stream.read_exact(&mut echo)?;
    ensure!(&echo == b"tide");

    setup.set_endpoints(service, &[])?;
    for client in &clients {
        client.beat_until_ended()?;
        let refused = client.again(node).map_err(|error| error.kind());
        ensure!(refused == Err(ErrorKind::ConnectionRefused), "{refused:?}");
    }
    Ok(())
}

#[test]
fn rule_5_2_15_what_went_while_no_agent_ran_is_told_by_the_next_one() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    let (service, node) = (Setup::REMOTE, &setup.scene.a.ns);
    let client = Client::connect(node, service.cluster(false))?;
    let neighbour = Client::connect(node, Setup::LOCAL.cluster(false))?;
    client.served_by("podb1")?;
    setup.agent.kill()?;
    let endpoints = pod_endpoints([&setup.scene.b.pods[1]]);
    let manifests = &setup.spec.manifests;
    manifests.put(service.name, &service.objects(&endpoints))?;
    client.served_by("podb1")?;
    let _agent = setup.spec.start()?;
    client.beat_until_ended()?;
    client.again(node)?;
    client.served_by("podb2")?;
    neighbour.served_by("poda1")
}

//! One question, and what became of it: answered, refused, or nothing heard.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use socket2::{Domain, Socket, Type};
use tidegate_rig::{EchoServer, Netns};

use crate::client::{Answer, Proto};

/// How long nothing must be heard of a dropped packet, where a drop is expected.
const SILENCE: Duration = Duration::from_millis(500);
/// How long an answer or a refusal may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// What became of a question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    Answered(Answer),
    /// A reset, or an ICMP error that says the same.
    Refused,
    /// Nothing was heard.
    Silent,
    Failed(String),
}

impl Outcome {
    /// Whether this pod answered.
    pub fn is_from(&self, pod: &str) -> bool {
        matches!(self, Self::Answered(answer) if answer.backend == pod)
    }
}

/// Asks once from a namespace.
pub fn probe(from: &Netns, proto: Proto, to: SocketAddr) -> Outcome {
    probe_for(PATIENCE, from, proto, to)
}

fn probe_for(patience: Duration, from: &Netns, proto: Proto, to: SocketAddr) -> Outcome {
    let asked = from.run(|| match proto {
        Proto::Tcp => tcp(patience, to),
        Proto::Udp => udp(patience, to),
    });
    asked.unwrap_or_else(|error| match kind(&error) {
        Some(ErrorKind::ConnectionRefused) => Outcome::Refused,
        Some(ErrorKind::TimedOut | ErrorKind::WouldBlock) => Outcome::Silent,
        _ => Outcome::Failed(format!("{error:#}")),
    })
}

/// Asks `count` times and says how often each backend answered; anything but an answer fails.
pub fn backends(
    from: &Netns,
    proto: Proto,
    to: SocketAddr,
    count: usize,
) -> Result<BTreeMap<String, usize>> {
    let mut met = BTreeMap::new();
    for nth in 0..count {
        match probe(from, proto, to) {
            Outcome::Answered(answer) => *met.entry(answer.backend).or_default() += 1,
            other => bail!("{proto:?} {} to {to}, {nth}: {other:?}", from.name()),
        }
    }
    Ok(met)
}

/// Fails unless these backends answer, and no others; enough questions that chance finds all of four.
pub fn served_by(from: &Netns, proto: Proto, to: SocketAddr, pods: &[&str]) -> Result<()> {
    let met = backends(from, proto, to, if pods.len() > 1 { 60 } else { 8 })?;
    let mut expected = pods.to_vec();
    expected.sort_unstable();
    ensure!(
        met.keys().eq(expected.iter()),
        "{proto:?} {} to {to}: {met:?}, expected {expected:?}",
        from.name()
    );
    Ok(())
}

/// Asks `count` times and fails unless the same backend answers every time; says which.
pub fn sticks(from: &Netns, proto: Proto, to: SocketAddr, count: usize) -> Result<String> {
    let met = backends(from, proto, to, count)?;
    ensure!(
        met.len() == 1,
        "{proto:?} {} to {to} does not stick: {met:?}",
        from.name()
    );
    met.into_keys().next().context("asked nothing")
}

/// Fails unless it is refused.
pub fn refused(from: &Netns, proto: Proto, to: SocketAddr) -> Result<()> {
    let found = probe(from, proto, to);
    ensure!(
        found == Outcome::Refused,
        "{proto:?} {} to {to}: {found:?}, expected a refusal",
        from.name()
    );
    Ok(())
}

/// Fails unless nothing is heard. A busy machine may be silent too, so a test that means a drop and not
/// just "not served" looks at the counters as well.
pub fn silent(from: &Netns, proto: Proto, to: SocketAddr) -> Result<()> {
    all_silent(&[(from, proto, to)])
}

/// Fails unless nothing is heard by any of them; all wait at once.
pub fn all_silent(dials: &[(&Netns, Proto, SocketAddr)]) -> Result<()> {
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let dial = |&(from, proto, to): &(&Netns, Proto, SocketAddr)| {
            let from = from.clone();
            scope.spawn(move || probe_for(SILENCE, &from, proto, to))
        };
        let waiting: Vec<_> = dials.iter().map(dial).collect();
        let join = |it: thread::ScopedJoinHandle<'_, Outcome>| match it.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        waiting.into_iter().map(join).collect()
    });
    for ((from, proto, to), found) in dials.iter().zip(outcomes) {
        ensure!(
            found == Outcome::Silent,
            "{proto:?} {} to {to}: {found:?}, expected silence",
            from.name()
        );
    }
    Ok(())
}

fn kind(error: &anyhow::Error) -> Option<ErrorKind> {
    error
        .downcast_ref::<std::io::Error>()
        .map(std::io::Error::kind)
}

fn tcp(patience: Duration, to: SocketAddr) -> Result<Outcome> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.connect_timeout(&to.into(), patience)?;
    let stream: std::net::TcpStream = socket.into();
    stream.set_read_timeout(Some(PATIENCE))?;
    let local = stream.local_addr()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    let _bytes = reader.read_line(&mut line)?;
    reader.get_mut().write_all(b"tide")?;
    reader.read_exact(&mut [0; 4])?;
    answered(&line, local)
}

/// A connected socket, so that a refusal is heard and nobody else's answer is.
fn udp(patience: Duration, to: SocketAddr) -> Result<Outcome> {
    let socket = fresh_udp(to.is_ipv6())?;
    socket.set_read_timeout(Some(patience))?;
    socket.connect(to)?;
    let _sent = socket.send(b"tide")?;
    let mut buffer = [0; 512];
    let length = socket.recv(&mut buffer)?;
    let text = std::str::from_utf8(&buffer[..length])?;
    let line = text.lines().next().context("an empty answer")?;
    answered(line, socket.local_addr()?)
}

/// A socket with a port that no question was asked from lately. The kernel draws ports by chance: a port that
/// it draws twice within a second carries on the flow of the question before (docs/limits.md).
pub(crate) fn fresh_udp(is_v6: bool) -> Result<UdpSocket> {
    // 10,000 to 19,999 and 33,000 to 59,999: between them are those that the node masquerades to, of which a process of the
    // node may get no answers, and node ports.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let nth = NEXT.fetch_add(1, Ordering::Relaxed) % 37_000;
        let port = u16::try_from(if nth < 10_000 {
            10_000 + nth
        } else {
            23_000 + nth
        })?;
        let bound = if is_v6 {
            UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port))
        } else {
            UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))
        };
        match bound {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            bound => return Ok(bound?),
        }
    }
}

fn answered(line: &str, local: SocketAddr) -> Result<Outcome> {
    let (backend, seen_as) = EchoServer::parse(line)?;
    Ok(Outcome::Answered(Answer {
        backend,
        seen_as,
        local,
    }))
}

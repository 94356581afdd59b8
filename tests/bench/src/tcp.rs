//! TCP through a Service: connections a second, the time of a request, and bulk data, with tidegate and without.

use std::{
    any::Any,
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use socket2::SockRef;
use tidegate_rig::Netns;

use crate::{
    lane::{Lane, NODE},
    report::{Report, Row, is_wanted},
    rules::{By, NODE_PORT, To, cluster_ip},
    way::{Way, ways},
};

/// How long one measurement goes on, and how often it is made.
const TIME: Duration = Duration::from_millis(700);
const ROUNDS: usize = 4;
/// A request, and its answer.
const REQUEST: usize = 64;
const PORT: u16 = 8080;

pub(crate) fn run(report: &mut Report, quick: bool, only: &[String]) -> Result<()> {
    for to in [To::Pod, To::OtherNode] {
        let label = |way: Way| vec![to.road().to_owned(), way.to_string()];
        let mut roads = Vec::new();
        let by = match to {
            To::Pod => By::NodePort,
            To::OtherNode => By::ClusterIp,
        };
        for way in ways(by, to, quick) {
            if way.is_ceiling() || !is_wanted(&label(way), only) {
                continue;
            }
            match Road::new(way, to) {
                Ok(road) => roads.push(road),
                Err(error) => eprintln!("bench: tcp {}: {error:#}", label(way).join(" ")),
            }
        }
        for _ in 0..ROUNDS {
            for road in &mut roads {
                road.measure().with_context(|| road.way.to_string())?;
            }
        }
        let plain = roads.iter().find(|road| road.way == Way::Plain);
        let plain = plain.map(|road| road.rows(&[]).map(|row| row.value));
        for road in &roads {
            for (at, row) in road.rows(&label(road.way)).into_iter().enumerate() {
                report.add(row.against(plain.map(|them| them[at])));
            }
        }
    }
    Ok(())
}

/// A way that is set up, and the best of its rounds, each quantity for itself: others are of a machine that did
/// something else, too.
struct Road {
    way: Way,
    client: Netns,
    dialled: SocketAddr,
    received: Arc<AtomicU64>,
    connections: f64,
    /// Microseconds a request: median, 99 and 99.9 of 100.
    request: [f64; 3],
    bulk: f64,
    _held: Option<Box<dyn Any>>,
    _lane: Lane,
}

impl Road {
    /// Clients outside dial the NodePort of a pod here, pods dial the clusterIP of a pod elsewhere.
    fn new(way: Way, to: To) -> Result<Self> {
        let lane = Lane::new()?;
        lane.sender
            .ip("addr add 10.244.1.2/32 dev lo\nroute add 10.244.128.0/24 via 192.168.1.2")?;
        let held = way.set_up(to, "TCP", &lane)?;
        let (client, server, dialled) = match to {
            To::Pod => (&lane.sender, &lane.pod, SocketAddr::from((NODE, NODE_PORT))),
            To::OtherNode => (
                &lane.pod,
                &lane.sender,
                SocketAddr::from((cluster_ip(way.services()), 80)),
            ),
        };
        let dialled = match way {
            Way::Plain => SocketAddr::from((to.address(), PORT)),
            _ => dialled,
        };
        Ok(Self {
            way,
            client: client.clone(),
            dialled,
            received: serve(server)?,
            connections: 0.0,
            request: [f64::INFINITY; 3],
            bulk: 0.0,
            _held: held,
            _lane: lane,
        })
    }

    fn measure(&mut self) -> Result<()> {
        let (to, received) = (self.dialled, Arc::clone(&self.received));
        let (connected, request, bulk) = self
            .client
            .run(|| -> Result<_> { Ok((connections(to)?, requests(to)?, bulk(to, &received)?)) })?;
        self.connections = self.connections.max(connected);
        self.bulk = self.bulk.max(bulk);
        for (best, it) in self.request.iter_mut().zip(request) {
            *best = best.min(it);
        }
        Ok(())
    }

    fn rows(&self, label: &[String]) -> [Row; 5] {
        let row = |what: &str, value, unit| {
            let mut label = label.to_vec();
            label.push(what.to_owned());
            Row::rate("tcp", label, value, unit)
        };
        let [p50, p99, p999] = self.request;
        [
            row("connections", self.connections, "1/s"),
            row("request p50", p50, "us"),
            row("request p99", p99, "us"),
            row("request p99.9", p999, "us"),
            row("bulk", self.bulk, "Gbit/s"),
        ]
    }
}

/// Answers one connection after the other, for as long as the process lives; how many bytes it swallowed.
fn serve(ns: &Netns) -> Result<Arc<AtomicU64>> {
    let received = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&received);
    let listener = ns.run(|| TcpListener::bind(("0.0.0.0", PORT)))?;
    let _lives_on = std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that resets its connection is done with it.
            let _reset = answer(stream, &count);
        }
    });
    Ok(received)
}

fn answer(mut stream: TcpStream, received: &AtomicU64) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 1 << 16];
    stream.read_exact(&mut buffer[..1])?;
    let echoes = buffer[0] == b'e';
    loop {
        let length = if echoes {
            stream.read(&mut buffer[..REQUEST])?
        } else {
            stream.read(&mut buffer)?
        };
        if length == 0 {
            return Ok(());
        }
        if echoes {
            stream.write_all(&buffer[..length])?;
        } else {
            received.fetch_add(length as u64, Ordering::Relaxed);
        }
    }
}

fn dial(to: SocketAddr, kind: u8) -> Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(5)).context("connect")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    // Nothing stays in TIME_WAIT: ports do not run out.
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    stream.write_all(&[kind])?;
    Ok(stream)
}

fn ask(stream: &mut TcpStream) -> Result<()> {
    let mut buffer = [7; REQUEST];
    stream.write_all(&buffer)?;
    stream.read_exact(&mut buffer)?;
    Ok(())
}

/// Connect, one request, and away, one after the other: so many a second.
fn connections(to: SocketAddr) -> Result<f64> {
    let (begun, mut count) = (Instant::now(), 0u32);
    while begun.elapsed() < TIME {
        ask(&mut dial(to, b'e')?)?;
        count += 1;
    }
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}

fn requests(to: SocketAddr) -> Result<[f64; 3]> {
    let mut stream = dial(to, b'e')?;
    let (begun, mut took) = (Instant::now(), Vec::new());
    while begun.elapsed() < TIME {
        let asked = Instant::now();
        ask(&mut stream)?;
        took.push(asked.elapsed());
    }
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    Ok([at(0.5), at(0.99), at(0.999)])
}

/// Gigabits a second that arrive.
fn bulk(to: SocketAddr, received: &AtomicU64) -> Result<f64> {
    let mut stream = dial(to, b'b')?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    let chunk = vec![0; 1 << 16];
    let before = received.load(Ordering::Relaxed);
    let begun = Instant::now();
    while begun.elapsed() < TIME {
        match stream.write(&chunk) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    let bytes = received.load(Ordering::Relaxed) - before;
    ensure!(bytes > 0, "no bulk data arrived");
    Ok(bytes as f64 * 8.0 / begun.elapsed().as_secs_f64() / 1e9)
}

//! A server that says who is speaking to it, and then repeats what it hears; TCP and UDP.
//!
//! The first line of every answer is `<name> saw <address>:<port>`, so that a client learns both
//! which backend it reached and as whom. One thread and epoll: thousands of connections at once
//! are this server's daily bread.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result, anyhow};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::EventFd;
use nix::sys::socket::{Backlog, listen};

use crate::netns::Netns;

mod connection;

use connection::Connection;

/// Serves until it is dropped.
#[derive(Debug)]
pub struct EchoServer {
    stop: Arc<EventFd>,
    seen: Arc<Seen>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Seen {
    connections: AtomicU64,
    open: AtomicU64,
    datagrams: AtomicU64,
}

struct Loop {
    greeting: String,
    epoll: Epoll,
    tcp: TcpListener,
    udp: UdpSocket,
    stop: Arc<EventFd>,
    seen: Arc<Seen>,
    connections: HashMap<RawFd, Connection>,
}

impl EchoServer {
    /// Listens inside `ns` on `port`, IPv4 and IPv6; ready when this returns.
    pub fn start(ns: &Netns, name: &str, port: u16) -> Result<Self> {
        let stop = Arc::new(EventFd::new().context("eventfd")?);
        let seen = Arc::new(Seen::default());
        let server = ns.run(|| Loop::new(name, port, Arc::clone(&stop), Arc::clone(&seen)));
        let mut server = server.with_context(|| format!("{name}: cannot serve on port {port}"))?;
        let name = name.to_owned();
        // The sockets belong to the namespace already, so the thread need not be in it.
        let thread = std::thread::spawn(move || {
            if let Err(error) = server.run() {
                eprintln!("rig: echo server {name}: {error}");
            }
        });
        Ok(Self {
            stop,
            seen,
            thread: Some(thread),
        })
    }

    /// TCP connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.seen.connections.load(Ordering::Relaxed)
    }

    /// TCP connections that it holds now.
    pub fn open(&self) -> u64 {
        self.seen.open.load(Ordering::Relaxed)
    }

    /// UDP datagrams received so far.
    pub fn datagrams(&self) -> u64 {
        self.seen.datagrams.load(Ordering::Relaxed)
    }

    /// The name in the first line of an answer, and the client's address that it saw.
    pub fn parse(line: &str) -> Result<(String, SocketAddr)> {
        let bad = || anyhow!("not an echo server's line: {line:?}");
        let (name, peer) = line.trim_end().split_once(" saw ").ok_or_else(bad)?;
        Ok((name.to_owned(), peer.parse().with_context(bad)?))
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        let told = self.stop.write(1);
        if let (Ok(_), Some(thread)) = (told, self.thread.take()) {
            // Its panic, if any, was printed when it happened.
            drop(thread.join());
        }
    }
}

impl Loop {
    fn new(name: &str, port: u16, stop: Arc<EventFd>, seen: Arc<Seen>) -> io::Result<Self> {
        // `::` hears IPv4 too: `bindv6only` is off in a new namespace.
        let any = SocketAddr::new(IpAddr::from([0_u16; 8]), port);
        let tcp = TcpListener::bind(any)?;
        // A burst of a thousand connections must not overrun the 128 that std asks for.
        listen(&tcp, Backlog::new(4096)?)?;
        let udp = UdpSocket::bind(any)?;
        tcp.set_nonblocking(true)?;
        udp.set_nonblocking(true)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        for fd in [tcp.as_fd(), udp.as_fd(), stop.as_fd()] {
            epoll.add(fd, event(fd.as_raw_fd(), EpollFlags::EPOLLIN))?;
        }
        let greeting = format!("{name} saw ");
        Ok(Self {
            greeting,
            epoll,
            tcp,
            udp,
            stop,
            seen,
            connections: HashMap::new(),
        })
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); 256];
        loop {
            let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Err(nix::errno::Errno::EINTR) => continue,
                other => other?,
            };
            for event in events.iter().take(count) {
                let fd = RawFd::try_from(event.data()).map_err(io::Error::other)?;
                if fd == self.stop.as_fd().as_raw_fd() {
                    return Ok(());
                } else if fd == self.tcp.as_raw_fd() {
                    self.accept()?;
                } else if fd == self.udp.as_raw_fd() {
                    self.answer_datagrams()?;
                } else {
                    self.serve(fd)?;
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let (stream, peer) = match self.tcp.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // The client was gone before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            self.seen.connections.fetch_add(1, Ordering::Relaxed);
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let fd = stream.as_raw_fd();
            let connection = Connection::new(stream, self.line(peer));
            self.epoll
                .add(connection.stream(), event(fd, connection.wants()))?;
            self.connections.insert(fd, connection);
            self.count_open();
        }
    }

    fn serve(&mut self, fd: RawFd) -> io::Result<()> {
        let Some(connection) = self.connections.get_mut(&fd) else {
            return Ok(());
        };
        if connection.serve() {
            let mut wanted = event(fd, connection.wants());
            self.epoll.modify(connection.stream(), &mut wanted)?;
        } else {
            // Closing the socket takes it out of the epoll set, too.
            self.connections.remove(&fd);
            self.count_open();
        }
        Ok(())
    }

    fn count_open(&self) {
        let open = self.connections.len() as u64;
        self.seen.open.store(open, Ordering::Relaxed);
    }

    fn answer_datagrams(&mut self) -> io::Result<()> {
        let mut buffer = [0; 65536];
        loop {
            let (length, peer) = match self.udp.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // An ICMP error about an earlier answer; the next datagram is none the worse.
                Err(_) => continue,
            };
            self.seen.datagrams.fetch_add(1, Ordering::Relaxed);
            let mut answer = self.line(peer);
            answer.extend_from_slice(&buffer[..length]);
            // UDP may lose an answer; the client's test says so if it matters.
            drop(self.udp.send_to(&answer, peer));
        }
    }

    fn line(&self, peer: SocketAddr) -> Vec<u8> {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        format!("{}{peer}\n", self.greeting).into_bytes()
    }
}

fn event(fd: RawFd, flags: EpollFlags) -> EpollEvent {
    EpollEvent::new(flags, u64::from(fd.unsigned_abs()))
}

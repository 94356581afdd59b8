//! Clients: one question, one answer, and who gave it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use socket2::{Domain, Socket, Type};
use tidegate_rig::EchoServer;

use crate::probe::fresh_udp;

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);
/// TCP sends a lost SYN again after one second: an answer slower than this may hide a loss.
const PROMPT: Duration = Duration::from_millis(900);

/// The transport.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Proto {
    Tcp,
    Udp,
}

impl Proto {
    pub const BOTH: [Self; 2] = [Self::Tcp, Self::Udp];
}

/// What a client learns from one question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The pod that answered.
    pub backend: String,
    /// The client as the pod saw it.
    pub seen_as: SocketAddr,
    /// The client as it saw itself.
    pub local: SocketAddr,
}

/// Asks once in the present namespace, from any port.
pub fn ask(proto: Proto, to: SocketAddr) -> Result<Answer> {
    ask_from(proto, 0, to)
}

/// Asks once from a source port; 0: any. The reply must come from the dialled address.
pub fn ask_from(proto: Proto, port: u16, to: SocketAddr) -> Result<Answer> {
    match proto {
        Proto::Tcp => ask_tcp(port, to),
        Proto::Udp => Udp::bind(port, to)?.ask(to),
    }
}

/// Asks `count` times and fails at the first failure, or when retransmissions must have helped: one slow
/// answer in a hundred is a busy machine's, more are lost packets.
pub fn ask_many(proto: Proto, to: SocketAddr, count: usize) -> Result<Vec<Answer>> {
    let mut slow = 0;
    let answers = (0..count)
        .map(|nth| {
            let begin = Instant::now();
            let answer = ask(proto, to).with_context(|| {
                format!(
                    "{proto:?} to {to}: {nth} of {count}, after {:?}",
                    begin.elapsed()
                )
            });
            slow += usize::from(begin.elapsed() > PROMPT);
            answer
        })
        .collect::<Result<Vec<_>>>()?;
    ensure!(
        slow <= count / 100,
        "{proto:?} to {to}: {slow} of {count} answers were slow"
    );
    Ok(answers)
}

/// A TCP connection from a source port; 0: any.
pub fn dial(port: u16, to: SocketAddr) -> Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if port != 0 {
        socket.bind(&any(to, port).into())?;
    }
    socket.connect_timeout(&to.into(), PATIENCE)?;
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn any(like: SocketAddr, port: u16) -> SocketAddr {
    let ip: IpAddr = if like.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    SocketAddr::new(ip, port)
}

fn ask_tcp(port: u16, to: SocketAddr) -> Result<Answer> {
    let stream = dial(port, to).with_context(|| format!("connect to {to}"))?;
    let local = stream.local_addr()?;
    // A host process must see the address that it dialled, although the socket has another.
    ensure!(
        stream.peer_addr()? == to,
        "getpeername says {}, dialled {to}",
        stream.peer_addr()?
    );
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    let _bytes = reader.read_line(&mut line).context("read the greeting")?;
    // Then a few bytes both ways, so that more than a handshake is translated.
    reader.get_mut().write_all(b"tide")?;
    let mut echo = [0; 4];
    reader.read_exact(&mut echo).context("read the echo")?;
    ensure!(&echo == b"tide", "the echo is {echo:?}");
    let (backend, seen_as) = EchoServer::parse(&line)?;
    Ok(Answer {
        backend,
        seen_as,
        local,
    })
}

/// An unconnected UDP socket.
#[derive(Debug)]
pub struct Udp(UdpSocket);

impl Udp {
    /// Binds to a port of the family of `like`; 0: any that was not used lately.
    pub fn bind(port: u16, like: SocketAddr) -> Result<Self> {
        let socket = if port == 0 {
            fresh_udp(like.is_ipv6())?
        } else {
            UdpSocket::bind(any(like, port))?
        };
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(socket))
    }

    /// Sends one datagram and waits for its answer.
    pub fn ask(&self, to: SocketAddr) -> Result<Answer> {
        let _sent = self
            .0
            .send_to(b"tide", to)
            .with_context(|| format!("send to {to}"))?;
        let mut buffer = [0; 512];
        let (len, from) = self.0.recv_from(&mut buffer).context("no answer")?;
        ensure!(from == to, "the answer came from {from}, dialled {to}");
        let text = std::str::from_utf8(&buffer[..len])?;
        let (line, payload) = text.split_once('\n').context("an answer of one line")?;
        ensure!(payload == "tide", "the echo is {payload:?}");
        let (backend, seen_as) = EchoServer::parse(line)?;
        Ok(Answer {
            backend,
            seen_as,
            local: self.0.local_addr()?,
        })
    }
}

/// A connection whose server has said who it is; what is sent on it now is repeated.
pub fn open(to: SocketAddr) -> Result<TcpStream> {
    let mut stream = dial(0, to)?;
    let mut byte = [0];
    while byte != *b"\n" {
        stream.read_exact(&mut byte).context("the greeting")?;
    }
    Ok(stream)
}

/// Fails unless what is sent on a connection of [`open`] comes back.
pub fn goes_on(stream: &mut TcpStream) -> Result<()> {
    stream.write_all(b"tide")?;
    let mut echo = [0; 4];
    stream.read_exact(&mut echo)?;
    ensure!(&echo == b"tide", "{echo:?}");
    Ok(())
}

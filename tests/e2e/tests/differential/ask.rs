//! One question in the present namespace, and what was heard.

use std::io::{BufRead as _, BufReader, ErrorKind};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{Ipv4RecvErr, Ipv6RecvErr};
use socket2::{Domain, Socket, Type};
use tidegate_rig::EchoServer;

use crate::matrix::Way;

/// What was heard.
pub(crate) enum Heard {
    Answer {
        backend: String,
        /// The client as the backend saw it.
        seen_as: SocketAddr,
        /// Who answered, as the client saw it.
        from: SocketAddr,
    },
    Refusal,
    Nothing,
    Error(String),
}

/// Asks once; `port` is where datagrams come from.
pub(crate) fn ask(way: Way, to: SocketAddr, port: u16, patience: Duration) -> Heard {
    let heard = match way {
        Way::Tcp => tcp(to, patience),
        Way::Udp => unconnected(bound(to, port, patience), to),
        Way::ConnectedUdp => connected(bound(to, port, patience), to),
    };
    let answer = heard.and_then(|(line, from)| {
        let (backend, seen_as) = EchoServer::parse(&line)?;
        Ok(Heard::Answer {
            backend,
            seen_as,
            from,
        })
    });
    answer.unwrap_or_else(|error| {
        let kind = error
            .downcast_ref::<std::io::Error>()
            .map(std::io::Error::kind);
        match kind {
            Some(ErrorKind::ConnectionRefused) => Heard::Refusal,
            Some(ErrorKind::TimedOut | ErrorKind::WouldBlock) => Heard::Nothing,
            Some(ErrorKind::PermissionDenied) => Heard::Error("not permitted".to_owned()),
            Some(ErrorKind::HostUnreachable) => Heard::Error("no route".to_owned()),
            _ => Heard::Error(format!("{error:#}")),
        }
    })
}

fn tcp(to: SocketAddr, patience: Duration) -> Result<(String, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.connect_timeout(&to.into(), patience)?;
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(patience))?;
    let from = stream.peer_addr()?;
    let mut line = String::new();
    let _length = BufReader::new(stream).read_line(&mut line)?;
    Ok((line, from))
}

fn unconnected(socket: Result<UdpSocket>, to: SocketAddr) -> Result<(String, SocketAddr)> {
    let socket = socket?;
    // Without it a socket that is not connected hears of no refusal.
    if to.is_ipv4() {
        setsockopt(&socket, Ipv4RecvErr, &true)?;
    } else {
        setsockopt(&socket, Ipv6RecvErr, &true)?;
    }
    let _sent = socket.send_to(b"tide", to)?;
    let mut buffer = [0; 512];
    let (length, from) = socket.recv_from(&mut buffer)?;
    Ok((first_line(&buffer[..length])?, from))
}

fn connected(socket: Result<UdpSocket>, to: SocketAddr) -> Result<(String, SocketAddr)> {
    let socket = socket?;
    socket.connect(to)?;
    let _sent = socket.send(b"tide")?;
    let mut buffer = [0; 512];
    let length = socket.recv(&mut buffer)?;
    Ok((first_line(&buffer[..length])?, socket.peer_addr()?))
}

fn bound(like: SocketAddr, port: u16, patience: Duration) -> Result<UdpSocket> {
    let any = if like.is_ipv6() { "[::]" } else { "0.0.0.0" };
    let socket = UdpSocket::bind(format!("{any}:{port}"))?;
    socket.set_read_timeout(Some(patience))?;
    Ok(socket)
}

fn first_line(answer: &[u8]) -> Result<String> {
    let text = std::str::from_utf8(answer)?;
    text.lines()
        .next()
        .map(str::to_owned)
        .context("an empty answer")
}

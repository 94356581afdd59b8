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

pub(crate) fn ask(way: Way, to: SocketAddr, patience: Duration) -> Heard {
    let heard = match way {
        Way::Tcp => tcp(to, patience),
        Way::Udp => unconnected(to, patience),
        Way::ConnectedUdp => connected(to, patience),
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
        let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
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

fn unconnected(to: SocketAddr, patience: Duration) -> Result<(String, SocketAddr)> {
    let socket = bound(to, patience)?;
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

fn connected(to: SocketAddr, patience: Duration) -> Result<(String, SocketAddr)> {
    let socket = bound(to, patience)?;
    socket.connect(to)?;
    let _sent = socket.send(b"tide")?;
    let mut buffer = [0; 512];
    let length = socket.recv(&mut buffer)?;
    Ok((first_line(&buffer[..length])?, socket.peer_addr()?))
}

fn bound(like: SocketAddr, patience: Duration) -> Result<UdpSocket> {
    let any = if like.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
    let socket = UdpSocket::bind(any)?;
    socket.set_read_timeout(Some(patience))?;
    Ok(socket)
}

fn first_line(answer: &[u8]) -> Result<String> {
    let text = std::str::from_utf8(answer)?;
    text.lines().next().map(str::to_owned).context("an empty answer")
}

//! Listening sockets that are there, and gone, the moment we say so.

use std::{
    io,
    net::{IpAddr, Ipv6Addr, Shutdown, SocketAddr},
};

use socket2::{Domain, Socket, Type};
use tokio::{net::TcpListener, task::JoinHandle};

use super::server::{self, Answer};

/// Probes that wait to be accepted.
const BACKLOG: i32 = 128;

/// A socket and the task that serves it; dropping it closes both.
#[derive(Debug)]
pub(super) struct Listening {
    socket: Socket,
    task: JoinHandle<()>,
}

impl Listening {
    /// Listens at an address. IPv6 means IPv6 alone (rule 3.9.8).
    pub(super) fn at(address: SocketAddr, answer: Answer) -> io::Result<Self> {
        Self::start(bind(address, true)?, answer)
    }

    /// Listens at an address; the unspecified one means every address of both families (rule 3.10.1).
    pub(super) fn at_all_families(address: SocketAddr, answer: Answer) -> io::Result<Self> {
        Self::start(bind_all_families(address)?, answer)
    }

    /// The runtime's threads serve it; the caller must be on one of them.
    fn start(socket: Socket, answer: Answer) -> io::Result<Self> {
        let listener = TcpListener::from_std(socket.try_clone()?.into())?;
        let task = tokio::spawn(server::serve(listener, answer));
        Ok(Self { socket, task })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // The task ends when a thread comes to it; clients must be refused now, and the number free.
        if let Err(error) = self.socket.shutdown(Shutdown::Both) {
            tracing::debug!("health: shutdown: {error}");
        }
        self.task.abort();
    }
}

/// A listening socket at an address; the unspecified one means every address of both families.
pub(crate) fn bind_all_families(address: SocketAddr) -> io::Result<Socket> {
    if !address.ip().is_unspecified() {
        return bind(address, true);
    }
    let both = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), address.port());
    bind(both, false).or_else(|error| match error.raw_os_error() {
        // No IPv6 in this kernel, or switched off.
        Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL) => bind(address, true),
        _ => Err(error),
    })
}

fn bind(address: SocketAddr, only_v6: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(only_v6)?;
    }
    // Old connections of an agent that ended must not stand in the way of the next one.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

#[cfg(test)]
mod tests;

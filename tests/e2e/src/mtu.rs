//! Sockets that must not be fragmented, and what they are told about the path.

use std::io::Error;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

use anyhow::{Result, ensure};

/// What a sender thinks of packets larger than the path (`IP_MTU_DISCOVER`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Discover {
    /// Never sets "don't fragment": routers may cut packets up (IPv4).
    Dont,
    /// Always sets it, and refuses to send what is known to be too large.
    Do,
}

/// Sets it for a socket's family.
pub fn discover(socket: &UdpSocket, what: Discover) -> Result<()> {
    let v6 = socket.local_addr()?.is_ipv6();
    let (level, name) = if v6 {
        (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER)
    } else {
        (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER)
    };
    let value: libc::c_int = match what {
        Discover::Dont => libc::IP_PMTUDISC_DONT,
        Discover::Do => libc::IP_PMTUDISC_DO,
    };
    let size = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the kernel reads `size` bytes of a value that lives.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size,
        )
    };
    ensure!(set == 0, "IP_MTU_DISCOVER: {}", Error::last_os_error());
    Ok(())
}

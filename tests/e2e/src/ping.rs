//! ICMP echo without the `ping` program, which not every machine has.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use socket2::{Domain, Protocol, Socket, Type};
use tidegate_rig::Netns;

const REQUEST: [u8; 2] = [8, 128];
const REPLY: [u8; 2] = [0, 129];

/// Sends one echo request and waits for the reply with the same bytes from the same address.
pub fn ping(from: &Netns, to: IpAddr, within: Duration) -> Result<bool> {
    from.sysctl("ipv4.ping_group_range", "0 2147483647")?;
    from.run(|| ask(to, within))
}

fn ask(to: IpAddr, within: Duration) -> Result<bool> {
    let v6 = to.is_ipv6();
    let (domain, protocol) = if v6 {
        (Domain::IPV6, Protocol::ICMPV6)
    } else {
        (Domain::IPV4, Protocol::ICMPV4)
    };
    let mut socket = Socket::new(domain, Type::DGRAM, Some(protocol)).context("ping socket")?;
    // Connected, so that the kernel takes replies of this address only. It fills in id and checksum.
    socket.connect(&SocketAddr::new(to, 0).into())?;
    let mut request = vec![REQUEST[usize::from(v6)], 0, 0, 0, 0, 0, 0, 1];
    request.extend((0..56_u8).map(|nth| nth.wrapping_mul(7)));
    socket.write_all(&request)?;
    let deadline = Instant::now() + within;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        socket.set_read_timeout(Some(left))?;
        let mut reply = [0; 512];
        match socket.read(&mut reply) {
            Ok(length)
                if reply[0] == REPLY[usize::from(v6)] && reply[8..length] == request[8..] =>
            {
                return Ok(true);
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error).context("ping"),
        }
    }
}

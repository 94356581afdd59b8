//! The frames that a program sends in again, seen by a packet socket.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, socket,
};

/// How long to wait for frames that are on their way through the kernel.
const PATIENCE: Duration = Duration::from_secs(10);
/// `PACKET_OUTGOING`: what this host sends itself.
const OUTGOING: u8 = 4;

/// Everything that enters this namespace.
#[derive(Debug)]
pub(super) struct Again {
    socket: OwnedFd,
    waiting: Vec<(u32, Vec<u8>)>,
}

impl Again {
    /// Listens on all devices from now on.
    pub(super) fn open() -> Result<Self> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(
            AddressFamily::Packet,
            SockType::Raw,
            flags,
            SockProtocol::EthAll,
        );
        Ok(Self {
            socket: socket.context("cannot open a packet socket")?,
            waiting: Vec::new(),
        })
    }

    /// What came in at a device, once there are `count` frames, or patience has ended.
    pub(super) fn frames(&mut self, device: u32, count: usize) -> Result<Vec<Vec<u8>>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.drain()?;
            let there = self.waiting.iter().filter(|(at, _)| *at == device).count();
            if there >= count || Instant::now() > deadline {
                let here = self.waiting.extract_if(.., |(at, _)| *at == device);
                return Ok(here.map(|(_, frame)| frame).collect());
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn drain(&mut self) -> Result<()> {
        let mut room = [0; 4096];
        loop {
            match recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut room) {
                Ok((length, Some(from))) if from.pkttype() != OUTGOING => {
                    let device = u32::try_from(from.ifindex()).unwrap_or_default();
                    self.waiting.push((device, room[..length].to_vec()));
                }
                Ok(_) => {}
                Err(Errno::EAGAIN) => return Ok(()),
                Err(error) => return Err(error).context("cannot read from a packet socket"),
            }
        }
    }
}

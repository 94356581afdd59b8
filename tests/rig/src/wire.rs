//! Frames put on a device by hand: what no socket would send.

use std::io::Error;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use nix::net::if_::if_nametoindex;

use crate::netns::Netns;

/// `ETH_P_ALL`, in network byte order as the kernel wants it.
const ALL: u16 = 0x0003_u16.to_be();

/// A device of a namespace, open for frames of any kind, with those that it receives.
#[derive(Debug)]
pub struct Wire {
    socket: OwnedFd,
    what: String,
}

impl Wire {
    /// Frames that arrive after this returns are received.
    pub fn open(ns: &Netns, device: &str) -> Result<Self> {
        let socket = ns.run(|| {
            let index = if_nametoindex(device).map_err(Error::from)?;
            packet_socket(index)
        });
        let what = format!("{device} in {}", ns.name());
        let socket = socket.with_context(|| format!("frames on {what}"))?;
        Ok(Self { socket, what })
    }

    /// Sends one frame, from the Ethernet header on, as it is.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        // SAFETY: the kernel reads `frame.len()` bytes of a slice that lives.
        let sent = unsafe {
            libc::send(
                self.socket.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                0,
            )
        };
        match usize::try_from(sent) {
            Ok(sent) if sent == frame.len() => Ok(()),
            Ok(sent) => bail!("{}: {sent} of {} bytes were sent", self.what, frame.len()),
            Err(_) => Err(Error::last_os_error()).with_context(|| self.what.clone()),
        }
    }

    /// The first frame to arrive, or to leave, that is wanted; `None` when there is none in time.
    pub fn receive(
        &self,
        within: Duration,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<Vec<u8>>> {
        let deadline = Instant::now() + within;
        let mut buffer = vec![0; 1 << 17];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.is_readable(left)? {
                return Ok(None);
            }
            // SAFETY: the kernel writes at most `buffer.len()` bytes into a buffer that lives.
            let length = unsafe {
                let (start, size) = (buffer.as_mut_ptr().cast(), buffer.len());
                libc::recv(self.socket.as_raw_fd(), start, size, 0)
            };
            let length = usize::try_from(length).map_err(|_negative| Error::last_os_error())?;
            if wanted(&buffer[..length]) {
                return Ok(Some(buffer[..length].to_vec()));
            }
        }
    }

    fn is_readable(&self, within: Duration) -> Result<bool> {
        let mut poll = libc::pollfd {
            fd: self.socket.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let millis = i32::try_from(within.as_millis()).unwrap_or(i32::MAX).max(1);
        // SAFETY: one entry that lives as long as the call.
        let ready = unsafe { libc::poll(&raw mut poll, 1, millis) };
        ensure!(
            ready >= 0,
            "{}: poll: {}",
            self.what,
            Error::last_os_error()
        );
        Ok(ready > 0)
    }
}

/// The Ethernet address of a device.
pub fn mac_of(ns: &Netns, device: &str) -> Result<[u8; 6]> {
    let text = ns.sh(&format!("ip -br link show dev {device}"))?;
    let bad = || format!("no Ethernet address of {device}: {text}");
    // `eth0@if5 UP 02:00:00:00:00:01 <BROADCAST,...>`
    let word = text.split_whitespace().nth(2).with_context(bad)?;
    let bytes: Result<Vec<u8>, _> = word
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16))
        .collect();
    let bytes = bytes.with_context(bad)?;
    <[u8; 6]>::try_from(bytes).ok().with_context(bad)
}

fn packet_socket(index: u32) -> Result<OwnedFd, Error> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: no memory is passed.
    let fd = unsafe { libc::socket(libc::AF_PACKET, kind, i32::from(ALL)) };
    if fd < 0 {
        return Err(Error::last_os_error());
    }
    // SAFETY: a descriptor that the kernel has just made for us.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: all fields are numbers, for which zero is a value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = ALL;
    address.sll_ifindex = index.cast_signed();
    let size = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the address lives and has the size that is told.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size) };
    if bound < 0 {
        return Err(Error::last_os_error());
    }
    Ok(socket)
}

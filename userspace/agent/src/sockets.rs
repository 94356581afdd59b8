//! Connected UDP sockets of this host whose backend has gone: they are ended, so that their process connects
//! anew (rule 5.2.15, decision 5).
//!
//! Such a socket was given its backend once, when it connected; no packet of it shows the Service any more.
//! Ended means that it is not connected any more: its next receive fails with ECONNABORTED, its next send
//! with EDESTADDRREQ, and it may connect again. Sockets that are not connected ask with each
//! datagram and move by themselves; TCP sockets are never touched. All this is done in a thread of its own,
//! since a full map takes a while to walk.

mod diag;

use std::{
    collections::{HashMap, HashSet},
    io,
    net::IpAddr,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::Duration,
};

use tidegate_abi::{Address, Ip4, Ip6, SocketKey};
use tidegate_loader::{Error, Sockets};

use diag::{Diag, Failure, Open};

/// When to look once more: a socket may have connected while the maps were changing.
const AGAIN: Duration = Duration::from_secs(1);

/// Asks the thread to look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trigger(Option<SyncSender<()>>);

impl Trigger {
    /// UDP backends may have stopped serving. Never waits.
    pub(crate) fn pull(&self) {
        if let Some(sender) = &self.0 {
            // Full: the thread has yet to look for the last one.
            let _pending = sender.try_send(());
        }
    }
}

/// Whether this kernel lets us end sockets; the error says why not. None is ended.
pub(crate) fn can_end() -> Result<(), String> {
    let mut diag = Diag::open()?;
    let _open = diag.udp()?;
    match diag.end(&Open::nobody()) {
        Ok(()) | Err(Failure::Gone) => Ok(()),
        Err(Failure::Refused(reason)) => Err(reason),
    }
}

/// Looks whenever it is asked, for as long as the trigger lives.
pub(crate) fn start(mut sockets: Sockets) -> io::Result<Trigger> {
    let (sender, receiver) = sync_channel(1);
    let builder = thread::Builder::new().name("sockets".to_owned());
    let _lives_on = builder.spawn(move || {
        let mut has_failed = false;
        each_time(&receiver, || match look(&mut sockets) {
            Ok(0) => {}
            Ok(ended) => {
                tracing::info!("ended {ended} UDP sockets of this host whose backend has gone");
            }
            Err(reason) if has_failed => tracing::debug!("{reason}"),
            Err(reason) => {
                has_failed = true;
                tracing::warn!(
                    "processes of this host with connected UDP sockets are not told when their \
                     backend goes, and must connect anew by themselves: {reason}"
                );
            }
        });
    })?;
    Ok(Trigger(Some(sender)))
}

/// Looks at each pull of the trigger, and once more a while after the last one.
fn each_time(pulls: &Receiver<()>, mut look: impl FnMut()) {
    let mut is_settled = true;
    loop {
        let pulled = if is_settled {
            pulls.recv().map_err(RecvTimeoutError::from)
        } else {
            pulls.recv_timeout(AGAIN)
        };
        is_settled = match pulled {
            Ok(()) => false,
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        look();
    }
}

/// Ends the sockets that have lost their backend; returns how many.
fn look(sockets: &mut Sockets) -> Result<usize, String> {
    let said = |error: Error| error.to_string();
    let stale = |sockets: &Sockets| {
        let v4 = sockets.stale::<Ip4>()?.into_iter().map(Stale::V4);
        let v6 = sockets.stale::<Ip6>()?.into_iter().map(Stale::V6);
        Ok(v4.chain(v6).collect::<Vec<_>>())
    };
    if stale(sockets).map_err(said)?.is_empty() {
        return Ok(0);
    }
    let mut diag = Diag::open()?;
    let open = diag.udp()?;
    // Asked again: what connected anew since then must not be taken for what it was before.
    let Findings { lost, forgotten } = findings(&open, &stale(sockets).map_err(said)?);
    let mut ended = 0;
    for socket in lost {
        match diag.end(socket) {
            Ok(()) => ended += 1,
            Err(Failure::Gone) => {}
            Err(Failure::Refused(reason)) => return Err(reason),
        }
    }
    for key in forgotten {
        match key {
            Stale::V4(key) => sockets.forget(&key),
            Stale::V6(key) => sockets.forget(&key),
        }
        .map_err(said)?;
    }
    Ok(ended)
}

/// An entry of `sockets4` or `sockets6` whose backend has gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stale {
    V4(SocketKey<Ip4>),
    V6(SocketKey<Ip6>),
}

/// What to do about stale entries.
#[derive(Debug, Default, PartialEq)]
struct Findings<'a> {
    /// Sockets that are connected to a backend that has gone.
    lost: Vec<&'a Open>,
    /// Their entries, and those of sockets that are closed. A socket that is open and not connected may
    /// still get an answer from its old backend, which must seem to come from the Service.
    forgotten: Vec<Stale>,
}

fn findings<'a>(open: &'a [Open], stale: &[Stale]) -> Findings<'a> {
    let by_cookie: HashMap<[u32; 2], &Open> = open.iter().map(|it| (it.cookie, it)).collect();
    let mut findings = Findings::default();
    let mut seen = HashSet::new();
    for entry in stale {
        let (cookie, backend) = entry.parts();
        match by_cookie.get(&cookie) {
            None => findings.forgotten.push(*entry),
            Some(socket) if socket.peer() == Some(backend) => {
                findings.forgotten.push(*entry);
                if seen.insert(cookie) {
                    findings.lost.push(socket);
                }
            }
            Some(_) => {}
        }
    }
    findings
}

impl Stale {
    /// The socket's cookie, and the backend that it was given.
    fn parts(&self) -> ([u32; 2], (IpAddr, u16)) {
        match self {
            Self::V4(key) => (key.cookie, (key.addr.to_ip(), key.port.get())),
            Self::V6(key) => (key.cookie, (key.addr.to_ip(), key.port.get())),
        }
    }
}

#[cfg(test)]
mod tests;

//! A UDP client that never gives up its socket: a numbered datagram every 100 ms, and what became
//! of each.

use std::{
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use tidegate_rig::{EchoServer, Netns};

use crate::{
    fate::{Fate, summary},
    wait::soon,
};

/// The pace that rule 5.2.1 worries about: no timeout ever comes to the rescue.
const PACE: Duration = Duration::from_millis(100);
/// How long the last answers may take on a busy machine.
const LAST_ANSWERS: Duration = Duration::from_secs(3);
/// An answer that was not there when so many more had been sent will not come.
const YOUNG: usize = 10;

/// Talks until it is dropped or [`finish`](Self::finish)ed.
#[derive(Debug)]
pub struct Talker {
    what: String,
    stop: Arc<AtomicBool>,
    fates: Arc<Mutex<Vec<Fate>>>,
    thread: Option<JoinHandle<()>>,
}

struct Loop {
    socket: UdpSocket,
    to: SocketAddr,
    connected: bool,
    stop: Arc<AtomicBool>,
    fates: Arc<Mutex<Vec<Fate>>>,
}

impl Talker {
    /// Begins to talk from a new socket in a namespace, connected or not.
    pub fn start(from: &Netns, to: SocketAddr, connected: bool) -> Result<Self> {
        Self::start_from(from, 0, to, connected)
    }

    /// The same from a source port.
    pub fn start_from(from: &Netns, port: u16, to: SocketAddr, connected: bool) -> Result<Self> {
        let any = if to.is_ipv6() { "[::]" } else { "0.0.0.0" };
        let socket = from.run(|| -> Result<UdpSocket> {
            let socket = UdpSocket::bind(format!("{any}:{port}"))?;
            if connected {
                socket.connect(to)?;
            }
            Ok(socket)
        })?;
        let (stop, fates) = <(Arc<AtomicBool>, Arc<Mutex<Vec<Fate>>>)>::default();
        let mut talk = Loop {
            socket,
            to,
            connected,
            stop: Arc::clone(&stop),
            fates: Arc::clone(&fates),
        };
        let how = if connected {
            "connected"
        } else {
            "unconnected"
        };
        let what = format!("{how} socket in {} to {to}", from.name());
        // In the namespace: a socket hook asks where its caller is.
        let thread = from.spawn(move || talk.run());
        Ok(Self {
            what,
            stop,
            fates,
            thread: Some(thread),
        })
    }

    /// Who it is, for messages.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// How many datagrams were sent so far.
    pub fn sent(&self) -> usize {
        lock(&self.fates).len()
    }

    /// Waits until so many were sent in all.
    pub fn has_sent(&self, count: usize) -> Result<()> {
        soon(|| {
            ensure!(self.sent() >= count, "{}: not sent", self.what);
            Ok(())
        })
    }

    /// Waits until the answer to one of the datagrams from `since` on satisfies.
    pub fn hears(&self, since: usize, wanted: impl Fn(&Fate) -> bool) -> Result<()> {
        soon(|| {
            let fates = lock(&self.fates);
            let later = fates.get(since..).unwrap_or_default();
            ensure!(
                later.iter().any(&wanted),
                "{}: {}",
                self.what,
                summary(later)
            );
            Ok(())
        })
    }

    /// Waits until this pod answers one of the datagrams from `since` on.
    pub fn hears_from(&self, since: usize, pod: &str) -> Result<()> {
        self.hears(
            since,
            |fate| matches!(fate, Fate::Answered(name, _) if name == pod),
        )
        .with_context(|| format!("waiting for {pod}"))
    }

    /// Sends no more; [`finish`](Self::finish) waits for the last answers.
    pub fn hush(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Ends, after the last answers had their time; one fate a datagram.
    pub fn finish(mut self) -> Result<Vec<Fate>> {
        self.hush();
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(_)) => bail!("{}: panicked", self.what),
            _ => Ok(lock(&self.fates).clone()),
        }
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        self.hush();
    }
}

impl Loop {
    fn run(&mut self) {
        let mut next = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            self.send();
            // A thread that was held up goes on at its pace; it does not catch up in a burst.
            next = (next + PACE).max(Instant::now());
            self.receive_until(next);
        }
        self.receive_until(Instant::now() + LAST_ANSWERS);
    }

    fn send(&mut self) {
        let number = lock(&self.fates).len();
        // In the list before it is sent, so that the answer finds it.
        lock(&self.fates).push(Fate::Lost);
        let payload = number.to_string();
        for _ in 0..2 {
            let sent = if self.connected {
                self.socket.send(payload.as_bytes())
            } else {
                self.socket.send_to(payload.as_bytes(), self.to)
            };
            match sent {
                // The error of an earlier datagram: this one was not sent yet. Or a socket hook's no.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    self.refused(number);
                }
                _ => return,
            }
        }
    }

    /// Notes a refusal for the youngest datagram of which nothing was heard, up to `number`.
    fn refused(&self, number: usize) {
        let mut fates = lock(&self.fates);
        let heard = fates.iter_mut().take(number + 1).rev();
        if let Some(fate) = heard.take(3).find(|fate| **fate == Fate::Lost) {
            *fate = Fate::Refused;
        }
    }

    fn receive_until(&self, until: Instant) {
        let mut buffer = [0; 512];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let stopping = self.stop.load(Ordering::Relaxed);
            if left.is_zero() || stopping && self.heard_of_the_young() {
                return;
            }
            // Only a zero timeout can be refused.
            let _set = self.socket.set_read_timeout(Some(left));
            match self.socket.recv_from(&mut buffer) {
                Ok((length, from)) if from == self.to => self.note(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    let last = lock(&self.fates).len() - 1;
                    self.refused(last);
                }
                _ => {}
            }
        }
    }

    fn heard_of_the_young(&self) -> bool {
        let fates = lock(&self.fates);
        fates
            .iter()
            .rev()
            .take(YOUNG)
            .all(|fate| *fate != Fate::Lost)
    }

    fn note(&self, answer: &[u8]) {
        let noted = || {
            let (line, payload) = std::str::from_utf8(answer).ok()?.split_once('\n')?;
            let (pod, seen_as) = EchoServer::parse(line).ok()?;
            let number: usize = payload.parse().ok()?;
            *lock(&self.fates).get_mut(number)? = Fate::Answered(pod, Some(seen_as));
            Some(())
        };
        // What is no answer counts as none.
        let _noted = noted();
    }
}

fn lock(fates: &Mutex<Vec<Fate>>) -> MutexGuard<'_, Vec<Fate>> {
    fates.lock().unwrap_or_else(PoisonError::into_inner)
}

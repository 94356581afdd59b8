//! Events of the data path, for everybody who listens.
//!
//! One thread reads the kernel's ring and hands events on; nobody who reads slowly makes it wait, and it makes
//! nobody wait who writes maps. The kernel is told what all listeners together want, so that it writes nothing
//! that nobody reads, and nothing at all as long as nobody listens; each listener's own wish is looked at again
//! here. What a slow listener misses is counted and told. What the kernel could not write, because its ring
//! was full, nobody counts.

mod reader;
mod row;
mod source;
mod wish;
#[cfg(test)]
mod tests;

use std::{io, sync::Arc, thread};

use tidegate_abi::Event;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::names;

pub(crate) use row::{mono_now, row};
pub(crate) use source::Source;
pub(crate) use wish::{Block, Wish, kind, tellable};

/// Listeners at the same time.
pub(crate) const LISTENERS_MOST: usize = 64;
/// Events that wait for one listener.
const WAITING: usize = 4096;
/// Listeners that wait for the thread.
const COMMANDS: usize = 8;

/// Where to listen.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    joining: mpsc::Sender<Joining>,
    left: Arc<Notify>,
}

/// What a listener hears.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Heard {
    Event(Event),
    /// So many are missing here.
    Lost(u64),
}

/// Somebody who listens, until dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    heard: mpsc::Receiver<Heard>,
    left: Arc<Notify>,
}

/// On its way to the thread.
#[derive(Debug)]
struct Joining {
    wish: Wish,
    hears: mpsc::Sender<Heard>,
    /// Answered when the kernel has the wish; the error is one sentence.
    done: oneshot::Sender<Result<(), String>>,
}

impl Events {
    /// Starts the thread, which lives as long as this value and its clones.
    pub(crate) fn start<S: Source>(source: S, names: names::Reader) -> io::Result<Self> {
        let (joining, joined) = mpsc::channel(COMMANDS);
        let left = Arc::new(Notify::new());
        let leaving = Arc::clone(&left);
        // A ring that floods must not keep the threads of the reconcile loop and of the API.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let builder = thread::Builder::new().name("events".to_owned());
        let _lives_on = builder.spawn(move || {
            if let Err(error) = runtime.block_on(reader::read(source, names, joined, leaving)) {
                tracing::error!("events are not told any more: {error}");
            }
        })?;
        Ok(Self { joining, left })
    }

    /// Listens from now on: what happens after this call has returned is heard.
    pub(crate) async fn listen(&self, wish: Wish) -> Result<Listener, String> {
        let (hears, heard) = mpsc::channel(WAITING);
        let (done, answer) = oneshot::channel();
        let joining = Joining { wish, hears, done };
        let ended = || "the thread that reads events has ended; see the agent's log".to_owned();
        if self.joining.send(joining).await.is_err() {
            return Err(ended());
        }
        answer.await.unwrap_or_else(|_dropped| Err(ended()))?;
        let left = Arc::clone(&self.left);
        Ok(Listener { heard, left })
    }
}

impl Listener {
    /// Waits for something, and takes whatever there is at once; nothing: the agent is stopping.
    pub(crate) async fn next(&mut self, into: &mut Vec<Heard>, most: usize) -> usize {
        self.heard.recv_many(into, most).await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.heard.close();
        self.left.notify_one();
    }
}

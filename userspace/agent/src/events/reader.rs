//! The thread that reads the ring: who listens, what the kernel is told, and who hears what.

use std::{io, os::fd::OwnedFd, sync::Arc, time::Duration};

use tidegate_abi::{Event, EventFilter};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::{
        Notify,
        mpsc::{self, Receiver},
    },
    time::sleep,
};

use super::{Heard, Joining, LISTENERS_MOST, Source, Wish, wish};
use crate::names::{self, Names};

/// Events that are read before it is looked whether somebody came or went.
const BATCH: u32 = 4096;
/// When a listener is told what it lost, if no event follows.
const TELL_LOST: Duration = Duration::from_millis(200);

/// Reads until nobody can come any more.
pub(super) async fn read<S: Source>(
    source: S,
    mut names: names::Reader,
    mut joined: Receiver<Joining>,
    left: Arc<Notify>,
) -> io::Result<()> {
    let ring: OwnedFd = source.descriptor()?;
    // SAFETY: an owned descriptor is one and the same, and open, for as long as it is registered.
    let ring = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE)? };
    let mut reader = Reader {
        source,
        ears: Vec::new(),
        names: Arc::clone(&names.borrow_and_update().names),
        written: EventFilter::default(),
    };
    let mut loop_lives = true;
    loop {
        tokio::select! {
            joining = joined.recv() => match joining {
                Some(joining) => reader.join(joining),
                None => return Ok(()),
            },
            () = left.notified() => reader.let_go(),
            changed = names.changed(), if loop_lives => {
                loop_lives = changed.is_ok();
                reader.names = Arc::clone(&names.borrow_and_update().names);
                reader.refilter();
            }
            guard = ring.readable() => {
                let mut guard = guard?;
                if reader.hand_on() == 0 {
                    guard.clear_ready();
                }
            }
            () = sleep(TELL_LOST), if reader.owes() => reader.tell_lost(),
        }
    }
}

struct Reader<S> {
    source: S,
    ears: Vec<Ear>,
    names: Arc<Names>,
    /// What the kernel has.
    written: EventFilter,
}

/// A listener, from this side.
struct Ear {
    wish: Wish,
    hears: mpsc::Sender<Heard>,
    /// Events that passed the other tests: sampling counts them.
    met: u64,
    lost: u64,
}

impl<S: Source> Reader<S> {
    fn join(&mut self, joining: Joining) {
        let Joining { wish, hears, done } = joining;
        if self.ears.len() >= LISTENERS_MOST {
            let reason = format!("{LISTENERS_MOST} listen already; end one of them");
            return drop(done.send(Err(reason)));
        }
        self.ears.push(Ear {
            wish,
            hears,
            met: 0,
            lost: 0,
        });
        let answer = self.write_filter();
        if answer.is_err() {
            self.ears.pop();
        }
        if done.send(answer).is_err() {
            self.let_go();
        }
    }

    /// Forgets those who have left.
    fn let_go(&mut self) {
        self.ears.retain(|ear| !ear.hears.is_closed());
        self.refilter();
    }

    fn refilter(&mut self) {
        if let Err(error) = self.write_filter() {
            tracing::warn!("listeners may hear too much or too little: {error}");
        }
    }

    fn write_filter(&mut self) -> Result<(), String> {
        let wishes = self.ears.iter().map(|ear| &ear.wish);
        let filter = wish::filter(wishes, &self.names);
        if filter != self.written {
            self.source.set_filter(&filter)?;
            self.written = filter;
        }
        Ok(())
    }

    /// Hands on what waits, and says how much there was.
    fn hand_on(&mut self) -> u32 {
        let Self {
            source,
            ears,
            names,
            written,
        } = self;
        source.drain_some(BATCH, &mut |event| {
            for ear in ears.iter_mut() {
                ear.hear(event, names, written.shift);
            }
        })
    }

    fn owes(&self) -> bool {
        self.ears.iter().any(|ear| ear.lost > 0)
    }

    fn tell_lost(&mut self) {
        for ear in &mut self.ears {
            // When there is no room yet, the next event or the next turn tries again.
            let _is_told = ear.tell_lost();
        }
    }
}

impl Ear {
    /// `shift`: the kernel has told of one in `2^shift` only.
    fn hear(&mut self, event: &Event, names: &Names, shift: u32) {
        if !self.wish.admits(event, names) {
            return;
        }
        let every = 1_u64 << self.wish.shift.saturating_sub(shift).min(31);
        let is_sample = self.met.is_multiple_of(every);
        self.met = self.met.wrapping_add(1);
        if !is_sample {
            return;
        }
        let is_sent = self.tell_lost() && self.hears.try_send(Heard::Event(*event)).is_ok();
        if !is_sent {
            self.lost += 1;
        }
    }

    fn tell_lost(&mut self) -> bool {
        if self.lost > 0 {
            if self.hears.try_send(Heard::Lost(self.lost)).is_err() {
                return false;
            }
            self.lost = 0;
        }
        true
    }
}

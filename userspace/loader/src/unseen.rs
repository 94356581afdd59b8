//! Runs of a program that nobody should see in the counters (`tidegate explain` asks the program itself).
//!
//! The program counts such a run like a packet. What it counted is noted and taken off again wherever counters
//! are read; readers wait meanwhile, so that no counter ever goes down.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tidegate_abi::{Address, Counter, Family, Ip4, Ip6, Reason, Traffic};

use crate::{DataPath, error::Error, meters::Meters, try_run::Outcome};

/// What a run is expected to be counted under.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Guess {
    /// The reason; none where XDP passes a packet on.
    pub reason: Option<Reason>,
    /// The service port, as far as one is known; 0: none.
    pub service: u32,
    /// The backend of a known flow; 0: none.
    pub backend: u32,
    /// Its family.
    pub family: Family,
}

/// A run, and whether it was counted under the reason that was expected.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unseen {
    /// What came out.
    pub outcome: Outcome,
    /// The reasons whose counters have grown, by this run or by packets at the same time.
    pub grown: Vec<Reason>,
}

/// What all such runs have counted so far.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    reasons: HashMap<usize, Counter>,
    services: HashMap<u32, Traffic>,
    backends: [HashMap<u32, Traffic>; 2],
}

/// Shared by everybody who reads counters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared(Arc<Mutex<Traces>>);

/// Which of the maps of traffic.
#[derive(Clone, Copy)]
pub(crate) enum Whose {
    Services,
    Backends(Family),
}

impl Shared {
    /// Nobody runs anything, and nobody else reads, until the guard is dropped.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Traces> {
        // Whoever panicked had changed whole numbers only.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Traces {
    /// Takes the runs off the counters by reason.
    pub(crate) fn take_off_reasons(&self, counters: &mut [Counter]) {
        for (reason, trace) in &self.reasons {
            if let Some(counter) = counters.get_mut(*reason) {
                counter.packets = counter.packets.wrapping_sub(trace.packets);
                counter.bytes = counter.bytes.wrapping_sub(trace.bytes);
            }
        }
    }

    /// Takes the runs off the traffic of one id.
    pub(crate) fn take_off(&self, whose: Whose, id: u32, mut traffic: Traffic) -> Traffic {
        if let Some(trace) = self.of(whose).get(&id) {
            traffic.packets = traffic.packets.wrapping_sub(trace.packets);
            traffic.bytes = traffic.bytes.wrapping_sub(trace.bytes);
            traffic.reply_packets = traffic.reply_packets.wrapping_sub(trace.reply_packets);
            traffic.reply_bytes = traffic.reply_bytes.wrapping_sub(trace.reply_bytes);
            traffic.refused = traffic.refused.wrapping_sub(trace.refused);
        }
        traffic
    }

    /// The counters of this id begin at zero.
    pub(crate) fn forget(&mut self, whose: Whose, id: u32) {
        let traces = match whose {
            Whose::Services => &mut self.services,
            Whose::Backends(Family::V4) => &mut self.backends[0],
            Whose::Backends(Family::V6) => &mut self.backends[1],
        };
        traces.remove(&id);
    }

    fn of(&self, whose: Whose) -> &HashMap<u32, Traffic> {
        match whose {
            Whose::Services => &self.services,
            Whose::Backends(Family::V4) => &self.backends[0],
            Whose::Backends(Family::V6) => &self.backends[1],
        }
    }

    fn note_reason(&mut self, reason: Reason, bytes: u64) {
        let trace = self.reasons.entry(reason as usize).or_default();
        trace.packets = trace.packets.wrapping_add(1);
        trace.bytes = trace.bytes.wrapping_add(bytes);
    }

    fn note(&mut self, whose: Whose, id: u32, bytes: u64, before: &Traffic, after: &Traffic) {
        let traces = match whose {
            Whose::Services => &mut self.services,
            Whose::Backends(Family::V4) => &mut self.backends[0],
            Whose::Backends(Family::V6) => &mut self.backends[1],
        };
        let trace = traces.entry(id).or_default();
        // Of what has grown one packet was ours; live ones may have come at the same time.
        if after.packets != before.packets {
            trace.packets = trace.packets.wrapping_add(1);
            trace.bytes = trace.bytes.wrapping_add(bytes);
        }
        if after.reply_packets != before.reply_packets {
            trace.reply_packets = trace.reply_packets.wrapping_add(1);
            trace.reply_bytes = trace.reply_bytes.wrapping_add(bytes);
        }
        if after.refused != before.refused {
            trace.refused = trace.refused.wrapping_add(1);
        }
    }
}

impl DataPath {
    /// Runs a packet program once, see [`DataPath::try_run`], and takes off the counters what it counted.
    ///
    /// `guess` says where to look: for a packet that changes nothing it can be known.
    pub fn try_unseen(
        &self,
        program: &str,
        frame: &[u8],
        device: u32,
        guess: &Guess,
    ) -> Result<Unseen, Error> {
        let meters = self.meters()?;
        let mut traces = self.unseen.lock();
        let before = Reading::new(&meters, guess)?;
        let outcome = self.try_run(program, frame, device)?;
        let after = Reading::new(&meters, guess)?;
        let bytes = frame.len() as u64;
        let has_grown = |reason: &Reason| {
            let at = *reason as usize;
            before.reasons.get(at) != after.reasons.get(at)
        };
        let grown: Vec<Reason> = Reason::ALL.iter().copied().filter(has_grown).collect();
        let is_expected = |reason: &Reason| Some(*reason) == guess.reason;
        let counted = grown.iter().copied().find(is_expected).or_else(|| {
            let limited = grown.contains(&Reason::RateLimited) && guess.reason.is_some();
            limited.then_some(Reason::RateLimited)
        });
        if let Some(reason) = counted {
            traces.note_reason(reason, bytes);
        }
        let backends = Whose::Backends(guess.family);
        traces.note(
            Whose::Services,
            guess.service,
            bytes,
            &before.service,
            &after.service,
        );
        traces.note(
            backends,
            guess.backend,
            bytes,
            &before.backend,
            &after.backend,
        );
        Ok(Unseen { outcome, grown })
    }
}

/// The counters that a run may move.
struct Reading {
    reasons: Vec<Counter>,
    service: Traffic,
    backend: Traffic,
}

impl Reading {
    fn new(meters: &Meters, guess: &Guess) -> Result<Self, Error> {
        Ok(Self {
            reasons: meters.raw_reasons()?,
            service: of_one(meters.raw_services([guess.service])?),
            backend: match guess.family {
                Family::V4 => of_one(meters.raw_backends::<Ip4>([guess.backend])?),
                Family::V6 => of_one(meters.raw_backends::<Ip6>([guess.backend])?),
            },
        })
    }
}

fn of_one(all: Vec<Traffic>) -> Traffic {
    all.first().copied().unwrap_or_default()
}

/// The map of a family's backends.
pub(crate) fn backends_of<A: Address>() -> Whose {
    Whose::Backends(A::FAMILY)
}

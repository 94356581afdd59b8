//! The health of the proxy: whether what the sources say reaches the maps in time (rule 3.10.3).

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use k8s_openapi::jiff::Timestamp;
use tidegate_abi::Family;

/// How long an update may wait for a sync that succeeds: twice the period at which kube-proxy syncs.
const PATIENCE: Duration = Duration::from_secs(60);
/// The loop turns at least every 30 seconds. One that does not, and for as long as an update may wait
/// beyond that, hangs; what waits for it cannot even be counted.
const TURN: Duration = Duration::from_secs(90);
const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// Shared by the loop, which tells, and the servers, which are asked.
pub(crate) struct Health {
    clock: Box<dyn Fn() -> Moment + Send + Sync>,
    state: Mutex<State>,
}

/// One moment on both clocks: the one that intervals are measured with, and the one that is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) steady: Instant,
    pub(super) wall: Timestamp,
}

#[derive(Debug)]
struct State {
    families: [Progress; 2],
    /// When the loop last began to wait for news.
    turned: Option<Instant>,
    node_eligible: bool,
    problem: Option<String>,
}

/// How far a family is.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// Since when the oldest update that is not in the maps has been waiting.
    waiting: Option<Instant>,
    updated: Option<Timestamp>,
}

/// What is to be said about the proxy at a moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Report {
    pub(super) now: Timestamp,
    pub(super) healthy: bool,
    /// The most recent sync of any family; `None`: none yet.
    pub(super) updated: Option<Timestamp>,
    pub(super) node_eligible: bool,
    /// IPv4, then IPv6.
    pub(super) families: [FamilyReport; 2],
}

/// What is to be said about one family.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct FamilyReport {
    pub(super) healthy: bool,
    pub(super) updated: Option<Timestamp>,
}

impl Default for Health {
    fn default() -> Self {
        Self::with_clock(Moment::now)
    }
}

impl Health {
    pub(super) fn with_clock(clock: impl Fn() -> Moment + Send + Sync + 'static) -> Self {
        Self {
            clock: Box::new(clock),
            state: Mutex::new(State {
                families: [Progress::default(); 2],
                turned: None,
                // Until somebody says otherwise.
                node_eligible: true,
                problem: None,
            }),
        }
    }

    /// News came that must get into the maps. Both families wait: nobody knows yet whom it concerns.
    pub(crate) fn queued(&self) {
        let now = (self.clock)().steady;
        for family in FAMILIES {
            self.lock().of(family).waiting.get_or_insert(now);
        }
    }

    /// The maps of a family hold everything that the sources say.
    pub(crate) fn updated(&self, family: Family) {
        let now = (self.clock)().wall;
        *self.lock().of(family) = Progress {
            waiting: None,
            updated: Some(now),
        };
    }

    /// The loop has done what there was to do.
    pub(crate) fn turned(&self) {
        let now = (self.clock)().steady;
        self.lock().turned = Some(now);
    }

    /// Whether the node may be given traffic, as far as its Node object says (rule 3.10.4).
    pub(crate) fn set_node_eligible(&self, eligible: bool) {
        self.lock().node_eligible = eligible;
    }

    /// Why the proxy's own port is not open; `None`: it is.
    pub(super) fn set_problem(&self, problem: Option<String>) {
        self.lock().problem = problem;
    }

    /// Why the proxy's own port is not open.
    pub(crate) fn problem(&self) -> Option<String> {
        self.lock().problem.clone()
    }

    /// What is to be said now.
    pub(super) fn report(&self) -> Report {
        let now = (self.clock)();
        let mut state = self.lock();
        let turns = state.turned.is_none_or(|at| now.since(at) < TURN);
        let families = FAMILIES.map(|family| {
            let Progress { waiting, updated } = *state.of(family);
            let in_time = waiting.is_none_or(|since| now.since(since) < PATIENCE);
            FamilyReport {
                healthy: turns && in_time,
                updated,
            }
        });
        Report {
            now: now.wall,
            healthy: families.iter().all(|family| family.healthy),
            updated: families.iter().filter_map(|family| family.updated).max(),
            node_eligible: state.node_eligible,
            families,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment, so what a panic left behind is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn of(&mut self, family: Family) -> &mut Progress {
        let [v4, v6] = &mut self.families;
        match family {
            Family::V4 => v4,
            Family::V6 => v6,
        }
    }
}

impl Moment {
    fn now() -> Self {
        let since_epoch = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let nanoseconds = i128::try_from(since_epoch.as_nanos()).unwrap_or(i128::MAX);
        Self {
            steady: Instant::now(),
            wall: Timestamp::from_nanosecond(nanoseconds).unwrap_or(Timestamp::MAX),
        }
    }

    fn since(&self, then: Instant) -> Duration {
        self.steady.saturating_duration_since(then)
    }
}

#[cfg(test)]
pub(super) mod tests;

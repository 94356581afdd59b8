//! How long to wait after a failure: twice as long each time, and never the same on two nodes.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    time::Duration,
};

use crate::Timing;

/// The waits of one follower.
#[derive(Debug)]
pub(crate) struct Pause {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Pause {
    pub(crate) fn new(timing: &Timing) -> Self {
        Self {
            first: timing.first,
            most: timing.most,
            failures: 0,
        }
    }

    /// The next wait; at least what the server asks for.
    pub(crate) fn next(&mut self, asked: Duration) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let asked = asked.min(self.most);
        asked + spread(doubled.min(self.most))
    }

    /// Things go well again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Between half of it and all of it: a cluster's nodes lose their server in the same moment, and must
/// not come back in the same moment.
pub(crate) fn spread(duration: Duration) -> Duration {
    let chance = RandomState::new().build_hasher().finish() % 1000;
    let part = u32::try_from(chance).unwrap_or_default();
    duration / 2 + duration / 2 * part / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_differ() {
        let timing = Timing {
            first: Duration::from_millis(100),
            most: Duration::from_secs(2),
            ..Timing::default()
        };
        let mut pause = Pause::new(&timing);
        for expected in [100, 200, 400, 800, 1600, 2000, 2000] {
            let (wait, all) = (pause.next(Duration::ZERO), Duration::from_millis(expected));
            assert!(wait >= all / 2 && wait <= all, "{wait:?} of {all:?}");
        }
        let waits: Vec<_> = (0..20).map(|_| pause.next(Duration::ZERO)).collect();
        assert!(waits.iter().any(|it| *it != waits[0]), "{waits:?}");
        pause.reset();
        assert!(pause.next(Duration::ZERO) <= Duration::from_millis(100));
        assert!(pause.next(Duration::from_secs(1)) >= Duration::from_secs(1));
    }
}

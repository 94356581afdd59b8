//! Chance that can be repeated: `TIDEGATE_SEED` gives the number that a failure printed.

use std::{env, process, time::SystemTime};

pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Self {
        let said = env::var("TIDEGATE_SEED")
            .ok()
            .and_then(|it| it.parse().ok());
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(1, |it| it.as_secs());
        let seed = said.unwrap_or(now ^ (u64::from(process::id()) << 32));
        eprintln!("TIDEGATE_SEED={seed}");
        Self(seed | 1)
    }

    /// Less than this.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % end
    }

    pub(crate) fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

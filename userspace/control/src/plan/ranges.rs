//! Which slots are free, which belong to a table, and which are resting.
//!
//! A range that is let go rests for a whole plan before it can be given away again.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    ops::Range,
};

use tidegate_abi::Pool;

/// Plans that lie between letting something go and giving it away again.
pub(super) const REST: u64 = 2;

#[derive(Debug, Default)]
pub(super) struct Ranges {
    /// Free ranges by start, and the same by length; no two of them touch.
    free: BTreeMap<u32, u32>,
    by_len: BTreeSet<(u32, u32)>,
    /// The sum of their lengths.
    unused: u32,
    /// Ranges that are in use: start to length.
    used: BTreeMap<u32, u32>,
    resting: VecDeque<(u64, Pool)>,
    /// Tables found in the maps, which their service port may keep.
    found: HashSet<Pool>,
    turn: u64,
}

impl Ranges {
    /// All of `0..limit` is free but for the given ranges, which must not overlap.
    pub(super) fn new(limit: u32, used: Vec<Range<u32>>, found: HashSet<Pool>) -> Self {
        let mut ranges = Self {
            found,
            ..Self::default()
        };
        let mut next = 0;
        for range in used {
            ranges.add_free(next, range.start - next);
            ranges.used.insert(range.start, range.end - range.start);
            next = range.end;
        }
        ranges.add_free(next, limit.saturating_sub(next));
        ranges
    }

    /// A new plan begins: what has rested long enough is free.
    pub(super) fn begin(&mut self, turn: u64) {
        self.turn = turn;
        while let Some((_, pool)) = self
            .resting
            .pop_front_if(|(since, _)| *since + REST <= turn)
        {
            self.merge_free(pool);
        }
    }

    /// A range for a new table, the smallest free one that is long enough.
    pub(super) fn take(&mut self, len: u32) -> Option<Pool> {
        if len == 0 {
            return Some(Pool::default());
        }
        let &(free_len, start) = self.by_len.range((len, 0)..).next()?;
        self.remove_free(start, free_len);
        self.add_free(start + len, free_len - len);
        self.used.insert(start, len);
        Some(Pool { start, len })
    }

    /// Gives a range back that was taken in this plan and never written.
    pub(super) fn untake(&mut self, pool: Pool) {
        if pool.len > 0 {
            self.used.remove(&pool.start);
            self.merge_free(pool);
        }
    }

    /// How many slots nobody uses or has just used.
    pub(super) fn room(&self) -> u32 {
        self.unused
    }

    /// Whether a table found in the maps may be kept.
    pub(super) fn is_found(&self, pool: &Pool) -> bool {
        self.found.contains(pool)
    }

    /// A service port keeps a table that was found: nobody else may.
    pub(super) fn keep_found(&mut self, pool: &Pool) {
        self.found.remove(pool);
    }

    /// The plan is made: what no table uses any more begins to rest.
    pub(super) fn retain(&mut self, live: &HashSet<Pool>) {
        let gone = self
            .used
            .extract_if(.., |&start, &mut len| !live.contains(&Pool { start, len }));
        self.resting
            .extend(gone.map(|(start, len)| (self.turn, Pool { start, len })));
        self.found.clear();
    }

    /// No table uses the range any more: it begins to rest.
    pub(super) fn release(&mut self, pool: Pool) {
        if pool.len > 0 && self.used.remove(&pool.start).is_some() {
            self.resting.push_back((self.turn, pool));
        }
    }

    fn merge_free(&mut self, pool: Pool) {
        let Pool { mut start, mut len } = pool;
        if let Some((&before, &before_len)) = self.free.range(..start).next_back()
            && before + before_len == start
        {
            self.remove_free(before, before_len);
            (start, len) = (before, before_len + len);
        }
        if let Some(&after_len) = self.free.get(&(start + len)) {
            self.remove_free(start + len, after_len);
            len += after_len;
        }
        self.add_free(start, len);
    }

    fn add_free(&mut self, start: u32, len: u32) {
        if len > 0 {
            self.free.insert(start, len);
            self.by_len.insert((len, start));
            self.unused += len;
        }
    }

    fn remove_free(&mut self, start: u32, len: u32) {
        self.free.remove(&start);
        self.by_len.remove(&(len, start));
        self.unused -= len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(start: u32, len: u32) -> Pool {
        Pool { start, len }
    }

    #[test]
    fn a_range_that_is_let_go_rests_for_a_whole_plan_and_then_merges() {
        let mut ranges = Ranges::new(10, Vec::new(), HashSet::new());
        ranges.begin(1);
        let (a, b) = (ranges.take(4).unwrap(), ranges.take(4).unwrap());
        assert_eq!((a, b), (pool(0, 4), pool(4, 4)));
        ranges.retain(&HashSet::from([b]));
        ranges.begin(2);
        assert_eq!(ranges.take(3), None);
        ranges.retain(&HashSet::new());
        ranges.begin(3);
        assert_eq!(ranges.take(4), Some(a));
        ranges.retain(&HashSet::new());
        ranges.begin(6);
        assert_eq!(ranges.take(10), Some(pool(0, 10)));
        assert_eq!(ranges.take(1), None);
        assert_eq!(ranges.take(0), Some(pool(0, 0)));
    }

    #[test]
    fn ranges_in_use_at_the_start_are_never_given_away() {
        let mut ranges = Ranges::new(10, vec![2..4, 4..7], HashSet::new());
        ranges.begin(1);
        assert_eq!(ranges.take(3), Some(pool(7, 3)));
        assert_eq!(ranges.take(2), Some(pool(0, 2)));
        assert_eq!(ranges.take(1), None);
    }
}

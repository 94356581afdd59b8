//! Two scenes, the same questions, and what is wrong with the answers.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::allowed::Allowed;
use crate::matrix::Cell;
use crate::observe::{MORE_PATIENCE, PATIENCE, SILENT, Seen, observe};
use crate::stage::Stage;

/// The two scenes, and the differences that are meant.
pub(crate) struct Comparison<'a> {
    pub(crate) kube_proxy: &'a Stage,
    pub(crate) tidegate: Stage,
    pub(crate) allowed: &'static [Allowed],
}

impl Comparison<'_> {
    /// Asks everything in both scenes and fails unless they differ in just what is allowed.
    pub(crate) fn run(&self, groups: &[Vec<Cell>]) -> Result<()> {
        self.every_row_covers_something(groups)?;
        let (mut theirs, mut ours) = self.both(groups, PATIENCE);
        // Who was not heard in time may have been slow; who said something else was not.
        let slow = |cell: &Cell| {
            let silent = [&theirs, &ours].map(|seen| words(seen, cell).contains(SILENT));
            silent.contains(&true) && self.judge(cell, &theirs, &ours).is_some()
        };
        let slow = groups.iter().flatten().filter(|&cell| slow(cell));
        let slow: Vec<Vec<Cell>> = slow.map(|cell| vec![cell.clone()]).collect();
        let (theirs_again, ours_again) = self.both(&slow, MORE_PATIENCE);
        theirs.extend(theirs_again);
        ours.extend(ours_again);
        let complaints: Vec<String> = theirs
            .keys()
            .filter_map(|cell| self.judge(cell, &theirs, &ours))
            .collect();
        ensure!(
            complaints.is_empty(),
            "{} of {} cells:\n{}",
            complaints.len(),
            theirs.len(),
            complaints.join("\n")
        );
        Ok(())
    }

    fn every_row_covers_something(&self, groups: &[Vec<Cell>]) -> Result<()> {
        for (nth, row) in self.allowed.iter().enumerate() {
            ensure!(
                groups.iter().flatten().any(|cell| row.covers(cell)),
                "allowed difference {nth} ({}) covers no cell",
                row.why
            );
        }
        Ok(())
    }

    /// The same questions in both scenes, at the same time.
    fn both(&self, groups: &[Vec<Cell>], patience: Duration) -> (Seen, Seen) {
        thread::scope(|scope| {
            let theirs = scope.spawn(|| observe(self.kube_proxy, groups, patience));
            let ours = observe(&self.tidegate, groups, patience);
            let theirs = theirs.join();
            (
                theirs.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                ours,
            )
        })
    }

    /// What is wrong with a cell, if anything is.
    fn judge(&self, cell: &Cell, theirs: &Seen, ours: &Seen) -> Option<String> {
        let (kube_proxy, tidegate) = (words(theirs, cell), words(ours, cell));
        let found = format!("{cell}\n  kube-proxy: {kube_proxy}\n  tidegate:   {tidegate}");
        let Some(row) = self.allowed.iter().find(|row| row.covers(cell)) else {
            return (kube_proxy != tidegate).then_some(found);
        };
        let Allowed {
            why,
            kube_proxy: theirs,
            tidegate: ours,
            ..
        } = row;
        let expected = format!(
            "  kube-proxy: {}\n  tidegate:   {ours}",
            theirs.join(", or ")
        );
        (!row.is(kube_proxy, tidegate)).then(|| format!("{found}\n{why} would be\n{expected}"))
    }
}

fn words<'a>(seen: &'a Seen, cell: &Cell) -> &'a str {
    seen.get(cell).map_or("not asked", String::as_str)
}

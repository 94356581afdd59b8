//! A cell as words: who answered, as whom the client was seen, or that nobody did.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::ask::{Heard, ask};
use crate::cases::Case;
use crate::matrix::Cell;
use crate::stage::Stage;

/// How long an answer may take before it counts as none.
pub(crate) const PATIENCE: Duration = Duration::from_millis(600);
/// The same when a cell is asked again: a busy machine, or a SYN that is sent anew after a second.
pub(crate) const MORE_PATIENCE: Duration = Duration::from_secs(3);
/// What is said of a cell in which a question got no answer.
pub(crate) const SILENT: &str = "silent";
/// Groups of cells that are asked at the same time: most of them wait for what never comes.
const AT_ONCE: usize = 64;
/// Of two endpoints each is met with one half: one is missed once in 2^26.
const MOST: usize = 27;
const LEAST: usize = 4;

/// What was seen in each cell.
pub(crate) type Seen = BTreeMap<Cell, String>;

/// Asks all cells.
pub(crate) fn observe(stage: &Stage, groups: &[Vec<Cell>], patience: Duration) -> Seen {
    let (next, seen) = (AtomicUsize::new(0), Mutex::new(Seen::new()));
    let work = || {
        while let Some(group) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Some(first) = group.first() else { continue };
            let found = stage.ns(first.client).run(|| {
                let words = |cell: &Cell| (cell.clone(), in_words(stage, cell, patience));
                group.iter().map(words).collect::<Vec<_>>()
            });
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.extend(found);
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(work);
        }
    });
    seen.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn in_words(stage: &Stage, cell: &Cell, patience: Duration) -> String {
    let Some(case) = stage
        .cases
        .iter()
        .find(|case| case.svc.name == cell.service)
    else {
        return "no such Service".to_owned();
    };
    let (mut backends, mut words) = (BTreeSet::new(), BTreeSet::new());
    let dialled = stage.dialled(&case.svc, cell.to, cell.v6);
    for nth in 1..=tries(case) {
        match ask(cell.way, dialled, stage.next_port(), patience) {
            Heard::Answer {
                backend,
                seen_as,
                from,
            } => {
                let who = stage.who(seen_as.ip(), cell.client);
                let from = stage.from(from, dialled);
                let _new = words.insert(format!("{backend} sees {who}{from}"));
                let _new = backends.insert(backend);
            }
            Heard::Refusal => drop(words.insert("refused".to_owned())),
            Heard::Nothing => drop(words.insert(SILENT.to_owned())),
            Heard::Error(error) => drop(words.insert(error)),
        }
        // Silence takes long, and one is enough: a slow answer gets its chance when the cell is asked again.
        let is_silent = words.contains(SILENT) || backends.is_empty() && nth > 1;
        if is_silent || !case.is_sticky() && nth >= LEAST && backends.len() > 1 {
            break;
        }
    }
    if case.is_sticky() && words.len() == backends.len() {
        // Which one it is, chance decides.
        return format!("{} of the pods", backends.len());
    }
    words.into_iter().collect::<Vec<_>>().join(", ")
}

fn tries(case: &Case) -> usize {
    if case.is_sticky() {
        2 * LEAST
    } else if case.endpoints.len() > 1 {
        MOST
    } else {
        LEAST
    }
}

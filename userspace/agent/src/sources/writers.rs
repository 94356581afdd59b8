//! Files that somebody is writing at this moment.
//!
//! An editor truncates and then writes: a look in between would see an empty file and take its
//! Services away. A file that was modified is left alone until its writer closes it.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use notify::{
    Event, EventKind,
    event::{AccessKind, AccessMode, ModifyKind},
};

/// A writer that keeps a file open longer (a log, `tail -f` into it) is not waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the watcher's events say about files.
#[derive(Debug, Default)]
pub(super) struct Writers {
    /// Modified and not closed yet, since when.
    writing: HashMap<PathBuf, Instant>,
    /// Changed for certain, whatever size and times say.
    touched: HashSet<PathBuf>,
    /// Events were lost: anything may have changed.
    all: bool,
}

/// What a scan should do beside comparing sizes and times.
#[derive(Debug, Default)]
pub(super) struct Hints {
    pub(super) read: HashSet<PathBuf>,
    pub(super) skip: HashSet<PathBuf>,
    pub(super) read_all: bool,
}

impl Writers {
    /// Takes an event in; true: a scan is worth it now.
    pub(super) fn note(&mut self, event: &Event, now: Instant) -> bool {
        if event.need_rescan() {
            self.all = true;
            return true;
        }
        match event.kind {
            EventKind::Modify(ModifyKind::Data(_)) => {
                for path in &event.paths {
                    self.writing.entry(path.clone()).or_insert(now);
                    self.touched.insert(path.clone());
                }
                false
            }
            // Our own reading: listening to it would never end.
            EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write) => false,
            _ => {
                for path in &event.paths {
                    self.writing.remove(path);
                    self.touched.insert(path.clone());
                }
                true
            }
        }
    }

    /// When the next scan is due for a writer that does not close; `None`: nobody is writing.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.writing.values().min().map(|since| *since + PATIENCE)
    }

    /// Hands out what a scan must know.
    pub(super) fn hints(&mut self, now: Instant) -> Hints {
        self.writing.retain(|_, since| now < *since + PATIENCE);
        let skip: HashSet<PathBuf> = self.writing.keys().cloned().collect();
        let (kept, read) = self
            .touched
            .drain()
            .partition(|path: &PathBuf| skip.contains(path));
        self.touched = kept;
        Hints {
            read,
            skip,
            read_all: std::mem::take(&mut self.all),
        }
    }
}

impl Hints {
    pub(super) fn must_read(&self, path: &Path) -> bool {
        self.read_all || self.read.contains(path)
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, Flag};

    use super::*;

    fn event(kind: EventKind) -> Event {
        Event::new(kind).add_path("/m/a.yaml".into())
    }

    const MODIFIED: EventKind = EventKind::Modify(ModifyKind::Data(DataChange::Any));
    const CLOSED: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));

    #[test]
    fn a_file_is_read_when_its_writer_has_closed_it_and_not_before() {
        let (mut writers, now) = (Writers::default(), Instant::now());
        assert!(!writers.note(&event(MODIFIED), now));
        let hints = writers.hints(now);
        assert!(hints.skip.contains(Path::new("/m/a.yaml")));
        assert!(!hints.must_read(Path::new("/m/a.yaml")));
        assert!(writers.note(&event(CLOSED), now));
        assert!(writers.hints(now).must_read(Path::new("/m/a.yaml")));
    }

    #[test]
    fn a_writer_that_never_closes_is_waited_for_no_longer_than_a_second() {
        let (mut writers, now) = (Writers::default(), Instant::now());
        writers.note(&event(MODIFIED), now);
        assert_eq!(writers.deadline(), Some(now + PATIENCE));
        let hints = writers.hints(now + PATIENCE);
        assert!(hints.skip.is_empty() && hints.must_read(Path::new("/m/a.yaml")));
    }

    #[test]
    fn reading_a_file_is_no_news() {
        let mut writers = Writers::default();
        let kind = EventKind::Access(AccessKind::Close(AccessMode::Read));
        assert!(!writers.note(&event(kind), Instant::now()));
        assert!(writers.note(&event(EventKind::Create(CreateKind::File)), Instant::now()));
    }

    #[test]
    fn lost_events_mean_that_everything_is_read() {
        let mut writers = Writers::default();
        assert!(writers.note(
            &Event::new(EventKind::Other).set_flag(Flag::Rescan),
            Instant::now()
        ));
        assert!(
            writers
                .hints(Instant::now())
                .must_read(Path::new("/m/anything.yaml"))
        );
    }
}

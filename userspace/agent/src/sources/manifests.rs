//! Follows manifest files and directories with inotify; a full look now and then repairs lost events.
//!
//! Directories are watched, never files: editors and `kubectl`-like tools replace a file by renaming
//! another over it, and the kubelet swaps a symbolic link to a directory.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher, event::ModifyKind};
use tokio::sync::mpsc;

use super::{Batch, scan::Scanner, writers::Writers};

/// How long a burst of events is gathered.
const GATHER: Duration = Duration::from_millis(8);
/// A look without any event.
const REPAIR: Duration = Duration::from_secs(30);

/// Starts following; the first batch holds everything and is sent even when empty.
pub(crate) fn follow(paths: &[PathBuf], out: mpsc::Sender<Batch>) -> Result<()> {
    let scanner = Scanner::new(paths)?;
    let (tell, events) = channel();
    let watcher = notify::recommended_watcher(move |event| {
        // An error means that the follower has ended, and then nobody needs events.
        let _ended = tell.send(event);
    })
    .context("cannot watch files: raise fs.inotify.max_user_instances")?;
    let mut follower = Follower {
        scanner,
        watcher,
        watched: HashMap::new(),
        events,
        writers: Writers::default(),
    };
    thread::Builder::new()
        .name("manifests".to_owned())
        .spawn(move || follower.run(&out))
        .context("cannot start a thread")?;
    Ok(())
}

struct Follower {
    scanner: Scanner,
    watcher: RecommendedWatcher,
    /// Watched directories, with device and inode: a path may come to mean another directory.
    watched: HashMap<PathBuf, (u64, u64)>,
    events: Receiver<notify::Result<Event>>,
    writers: Writers,
}

impl Follower {
    fn run(&mut self, out: &mpsc::Sender<Batch>) {
        let mut last_unreadable = None;
        loop {
            // Watch first, then look: what changes in between is told by an event.
            let unwatched = self.watch();
            let hints = self.writers.hints(Instant::now());
            let mut batch = self.scanner.scan(&hints);
            batch.unreadable.extend(unwatched);
            let news =
                !batch.changes.is_empty() || last_unreadable.as_ref() != Some(&batch.unreadable);
            last_unreadable = Some(batch.unreadable.clone());
            if news && out.blocking_send(batch).is_err() {
                return;
            }
            if !self.wait() {
                return;
            }
        }
    }

    /// Waits until a look is worth it; false: the watcher has ended.
    fn wait(&mut self) -> bool {
        let mut until = Instant::now() + REPAIR;
        let mut gathering = false;
        loop {
            let due = self
                .writers
                .deadline()
                .map_or(until, |deadline| deadline.min(until));
            match self
                .events
                .recv_timeout(due.saturating_duration_since(Instant::now()))
            {
                Ok(Ok(event)) if !self.concerns_us(&event) => {}
                Ok(Ok(event)) => {
                    self.forget(&event);
                    let worth_it = self.writers.note(&event, Instant::now());
                    if worth_it && !gathering {
                        gathering = true;
                        until = Instant::now() + GATHER;
                    }
                }
                Ok(Err(error)) => {
                    tracing::warn!("watching manifests: {error}; looking every 30 s goes on");
                }
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// Parents of roots are watched too, and in `/tmp` or `/etc` others are busy.
    fn concerns_us(&self, event: &Event) -> bool {
        let roots = self.scanner.roots();
        let concerns = |path: &PathBuf| {
            roots.iter().any(|root| {
                // A file may be a link through a sibling (`..data`) that is swapped.
                let shelf = if root.is_directory {
                    Some(&*root.path)
                } else {
                    root.path.parent()
                };
                *path == root.path || path.parent() == shelf
            })
        };
        event.need_rescan() || event.paths.iter().any(concerns)
    }

    /// A directory that is moved or removed takes its watch with it, and may come back as the same one.
    fn forget(&mut self, event: &Event) {
        let gone = EventKind::is_remove(&event.kind)
            || matches!(event.kind, EventKind::Modify(ModifyKind::Name(_)));
        for path in event.paths.iter().filter(|_| gone) {
            if self.watched.remove(path).is_some() {
                // It fails when the watch has gone already.
                let _gone = self.watcher.unwatch(path);
            }
        }
    }

    /// Watches every directory that matters and is not watched yet; returns what cannot be watched.
    fn watch(&mut self) -> Vec<String> {
        let mut wanted: Vec<PathBuf> = Vec::new();
        for root in self.scanner.roots() {
            wanted.extend(parent(&root.path));
            if root.is_directory {
                wanted.push(root.path.clone());
            }
        }
        let mut problems = Vec::new();
        for path in wanted {
            // What cannot be looked at is told by the scan.
            let Ok(metadata) = fs::metadata(&path) else {
                continue;
            };
            let identity = (metadata.dev(), metadata.ino());
            if self.watched.get(&path) == Some(&identity) {
                continue;
            }
            if self.watched.remove(&path).is_some() {
                // It fails when the directory is gone, and then the kernel has dropped the watch.
                let _gone = self.watcher.unwatch(&path);
            }
            match self.watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.watched.insert(path, identity)),
                Err(error) => problems.push(format!(
                    "{}: changes are seen only every 30 s, because it cannot be watched: {error}",
                    path.display()
                )),
            }
        }
        problems
    }
}

fn parent(path: &Path) -> Option<PathBuf> {
    path.parent().map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{super::Change, *};

    fn start(paths: &[PathBuf]) -> mpsc::Receiver<Batch> {
        let (out, batches) = mpsc::channel(8);
        follow(paths, out).unwrap();
        batches
    }

    /// The next batch and how long it took to come.
    fn next(batches: &mut mpsc::Receiver<Batch>) -> (Vec<Change>, Duration) {
        let start = Instant::now();
        let batch = batches.blocking_recv().unwrap();
        (batch.changes, start.elapsed())
    }

    #[test]
    fn an_empty_directory_counts_as_read() {
        let dir = tempfile::tempdir().unwrap();
        let (changes, _) = next(&mut start(&[dir.path().to_owned()]));
        assert!(changes.is_empty());
    }

    #[test]
    fn a_change_is_told_at_once_however_it_was_made() {
        let dir = tempfile::tempdir().unwrap();
        let (path, aside) = (dir.path().join("a.yaml"), dir.path().join("a.new"));
        let mut batches = start(&[dir.path().to_owned()]);
        next(&mut batches);
        let steps: [&dyn Fn(); 3] = [
            &|| fs::write(&path, "# one").unwrap(),
            &|| {
                fs::write(&aside, "# two").unwrap();
                fs::rename(&aside, &path).unwrap();
            },
            &|| fs::remove_file(&path).unwrap(),
        ];
        for (index, step) in steps.into_iter().enumerate() {
            step();
            let (changes, took) = next(&mut batches);
            assert_eq!(changes.len(), 1, "step {index}: {changes:?}");
            assert_eq!(matches!(changes[0], Change::Gone { .. }), index == 2);
            assert!(took < Duration::from_secs(2), "step {index} took {took:?}");
        }
    }

    #[test]
    fn a_file_is_not_read_while_it_is_half_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.yaml");
        fs::write(&path, "# whole\n---\n# file\n").unwrap();
        let mut batches = start(std::slice::from_ref(&path));
        next(&mut batches);
        let mut writer = fs::File::create(&path).unwrap();
        writer.write_all(b"# whole\n").unwrap();
        thread::sleep(Duration::from_millis(50));
        assert!(
            batches.try_recv().is_err(),
            "read before its writer had closed it"
        );
        drop(writer);
        assert_eq!(next(&mut batches).0.len(), 1);
    }
}

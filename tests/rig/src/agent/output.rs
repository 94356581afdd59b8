//! What a child prints, collected while it runs.

use std::io::{BufRead as _, BufReader, Read};
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

#[derive(Debug)]
pub(super) struct Output {
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Output {
    /// Takes both pipes of the child.
    pub(super) fn collect(child: &mut Child) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let stdout = child
            .stdout
            .take()
            .map(|pipe| reader(pipe, Arc::clone(&lines)));
        let stderr = child
            .stderr
            .take()
            .map(|pipe| reader(pipe, Arc::clone(&lines)));
        Self {
            lines,
            readers: stdout.into_iter().chain(stderr).collect(),
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        lock(&self.lines).iter().any(|line| line == "ready")
    }

    pub(super) fn text(&self) -> String {
        lock(&self.lines).join("\n")
    }

    /// The text up to its end, for a child that has ended.
    pub(super) fn all(&mut self) -> String {
        for reader in self.readers.drain(..) {
            // A reader that panicked has said so itself.
            drop(reader.join());
        }
        self.text()
    }
}

fn reader(pipe: impl Read + Send + 'static, lines: Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            lock(&lines).push(line);
        }
    })
}

fn lock(lines: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    // Lines are pushed whole, so a poisoned list is still a list of lines.
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Every file of the corpus through its target, as `./x test` does it.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use tidegate_fuzz::TARGETS;

/// All files of a target's corpus.
fn corpus(target: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn replay(target: &str) {
    let found = TARGETS.iter().find(|(name, _)| *name == target);
    let (_, run) = found.unwrap_or_else(|| panic!("no target {target}"));
    let files = corpus(target);
    assert!(files.len() >= 20, "{target}: only {} files", files.len());
    let failed: Vec<_> = files
        .iter()
        .filter(|file| {
            let bytes = fs::read(file).unwrap();
            catch_unwind(|| run(&bytes)).is_err()
        })
        .collect();
    assert!(failed.is_empty(), "{target} fails on {failed:?}");
}

#[test]
fn parse_any_bytes_holds_on_every_file_of_its_corpus() {
    replay("parse_any_bytes");
}

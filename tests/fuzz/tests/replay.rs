//! Every file of the corpus through its target, as `./x test` does it.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use tidegate_fuzz::TARGETS;

/// The corpus is in the repository, so it stays small.
const MOST_BYTES: usize = 2_000_000;

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// What lies in a directory, sorted.
fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory);
    let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("the directory can be read").path())
        .collect();
    paths.sort();
    paths
}

fn bytes(file: &Path) -> Vec<u8> {
    fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn replay(target: &str) {
    let found = TARGETS.iter().find(|(name, _)| *name == target);
    let (_, run) = found.unwrap_or_else(|| panic!("no target {target}"));
    let files = entries(&corpora().join(target));
    // Fewer cannot be what a fuzzer found: the directory is not the right one.
    assert!(files.len() >= 50, "{target}: only {} files", files.len());
    let failed: Vec<_> = files
        .iter()
        .filter(|file| {
            let bytes = bytes(file);
            catch_unwind(|| run(&bytes)).is_err()
        })
        .collect();
    assert!(failed.is_empty(), "{target} fails on {failed:?}");
}

#[test]
fn parse_any_bytes_holds_on_every_file_of_its_corpus() {
    replay("parse_any_bytes");
}

#[test]
fn journey_any_bytes_holds_on_every_file_of_its_corpus() {
    replay("journey_any_bytes");
}

#[test]
fn flow_any_order_holds_on_every_file_of_its_corpus() {
    replay("flow_any_order");
}

#[test]
fn every_corpus_has_a_target_and_all_of_them_are_small() {
    let directories = entries(&corpora());
    let mut names: Vec<_> = TARGETS.map(|(name, _)| name.to_owned()).to_vec();
    names.sort();
    let found: Vec<_> = directories
        .iter()
        .filter_map(|path| path.file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    assert_eq!(found, names);
    let files = directories.iter().flat_map(|directory| entries(directory));
    let total: usize = files.map(|file| bytes(&file).len()).sum();
    assert!(total < MOST_BYTES, "{total} bytes");
}

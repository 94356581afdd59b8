//! `fuzz`: libFuzzer on the targets of `tests/fuzz`, beginning with the corpus of the repository.
//!
//! What a run finds worth keeping lies in `target/fuzz/corpus`; `--keep` takes over what reaches code that the
//! repository's corpus does not. A run that fails says where its input is. See `docs/fuzzing.md`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;

use crate::cargo;

/// No input is longer: a frame for the parser, a few dozen steps for the others.
const LONGEST: u32 = 700;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only this target
    target: Option<Target>,
    /// How long to run each
    #[arg(long, default_value_t = 600)]
    seconds: u32,
    /// Then take what reaches more code into tests/fuzz/corpus, in as few files as will do
    #[arg(long)]
    keep: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Target {
    /// One frame through the parser
    ParseAnyBytes,
    /// Frames through a whole node
    JourneyAnyBytes,
    /// Flows through everything that can happen to them
    FlowAnyOrder,
}

impl Target {
    fn name(self) -> &'static str {
        match self {
            Self::ParseAnyBytes => "parse_any_bytes",
            Self::JourneyAnyBytes => "journey_any_bytes",
            Self::FlowAnyOrder => "flow_any_order",
        }
    }

    /// What the repository has.
    fn corpus(self) -> PathBuf {
        cargo::workspace()
            .join("tests/fuzz/corpus")
            .join(self.name())
    }

    /// What runs on this machine have found.
    fn found(self) -> PathBuf {
        cargo::target_dir().join("fuzz/corpus").join(self.name())
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let all = Target::value_variants().to_vec();
    for target in options.target.map_or(all, |one| vec![one]) {
        println!("\n== {} ==", target.name());
        fuzz(target, options.seconds)?;
        if options.keep {
            keep(target)?;
        }
    }
    Ok(())
}

fn fuzz(target: Target, seconds: u32) -> Result<()> {
    let found = target.found();
    make(&found)?;
    let mut command = fuzzer(target, &[&found, &target.corpus()])?;
    command.args([
        format!("-max_total_time={seconds}"),
        format!("-max_len={LONGEST}"),
        "-print_final_stats=1".to_owned(),
    ]);
    let status = command.status().context("cannot run cargo fuzz")?;
    ensure!(
        status.success(),
        "{} failed or was stopped: fix what it found, then put the input into {}",
        target.name(),
        target.corpus().display()
    );
    Ok(())
}

/// `cargo fuzz run`, as far as libFuzzer's own options.
fn fuzzer(target: Target, corpora: &[&Path]) -> Result<Command> {
    let mut command = Command::new("rustup");
    command
        .current_dir(cargo::workspace())
        .args(["run", &nightly()?, "cargo", "fuzz", "run"])
        // The data path has no unsafe code, so a sanitizer would find nothing and cost half the speed.
        .args(["--fuzz-dir=tests/fuzz/runner", "--sanitizer=none"])
        .arg("--target-dir")
        .arg(cargo::target_dir().join("fuzz"))
        .arg(target.name())
        .args(corpora)
        .arg("--");
    Ok(command)
}

/// The toolchain that `x` has installed.
fn nightly() -> Result<String> {
    let starter = cargo::workspace().join("x");
    let text = fs::read_to_string(&starter).with_context(|| starter.display().to_string())?;
    pinned(&text).context("no line `nightly=` in x")
}

fn pinned(starter: &str) -> Option<String> {
    let line = starter
        .lines()
        .find_map(|line| line.strip_prefix("nightly="))?;
    line.split_whitespace().next().map(str::to_owned)
}

/// Replaces the corpus by the smallest one that reaches the same code as it and all that was found.
fn keep(target: Target) -> Result<()> {
    let (corpus, fewest) = (target.corpus(), target.found().with_extension("fewest"));
    if fewest.exists() {
        fs::remove_dir_all(&fewest).with_context(|| fewest.display().to_string())?;
    }
    make(&fewest)?;
    let mut command = fuzzer(target, &[&fewest, &corpus, &target.found()])?;
    // How often a line is reached counts for finding, not for keeping.
    command.args(["-set_cover_merge=1", "-use_counters=0"]);
    let status = command.status().context("cannot run cargo fuzz")?;
    ensure!(status.success(), "{}: merging failed", target.name());
    let kept = files(&fewest)?;
    ensure!(!kept.is_empty(), "{}: nothing is left", target.name());
    for file in files(&corpus)?
        .iter()
        .filter(|file| is_made_by_libfuzzer(file))
    {
        fs::remove_file(file).with_context(|| file.display().to_string())?;
    }
    for file in &kept {
        let Some(name) = file.file_name() else {
            bail!("{} has no name", file.display());
        };
        fs::copy(file, corpus.join(name)).with_context(|| file.display().to_string())?;
    }
    println!("{}: {} files", target.name(), files(&corpus)?.len());
    Ok(())
}

/// libFuzzer calls a file by its SHA-1; what a person named was a finding and stays.
fn is_made_by_libfuzzer(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.len() == 40 && name.chars().all(|digit| digit.is_ascii_hexdigit())
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    entries
        .map(|entry| Ok(entry.context("read a directory")?.path()))
        .collect()
}

fn make(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_starter_says_which_nightly() {
        assert!(nightly().unwrap().starts_with("nightly-2"));
        assert_eq!(
            pinned("rust=1\nnightly=n-1 # why\n"),
            Some("n-1".to_owned())
        );
        assert_eq!(pinned("rust=1\n"), None);
    }

    #[test]
    fn every_target_has_its_corpus_and_its_runner() {
        for target in Target::value_variants() {
            assert!(target.corpus().is_dir(), "{target:?}");
            let runner = format!("tests/fuzz/runner/fuzz_targets/{}.rs", target.name());
            assert!(cargo::workspace().join(runner).is_file(), "{target:?}");
        }
    }

    #[test]
    fn what_a_person_named_is_kept() {
        let digits = "0123456789abcdef0123456789abcdef01234567";
        assert!(is_made_by_libfuzzer(Path::new(digits)));
        for name in ["two-clients-share-a-port", "0123", ""] {
            assert!(!is_made_by_libfuzzer(Path::new(name)), "{name}");
        }
    }
}

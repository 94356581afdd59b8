//! `test`: four floors, each closed by one line of counts.
//!
//! A floor that fails does not keep the next from being run. Before and after, what interrupted
//! runs left behind is swept.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;

use crate::{build, cargo, interrupt};

mod count;
mod floor;

use count::Count;
use floor::Floor;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only this floor
    #[arg(long)]
    floor: Option<Floor>,
    /// Only tests with this in their names
    filter: Option<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let floors = options
        .floor
        .map_or_else(|| Floor::value_variants().to_vec(), |one| vec![one]);
    let as_root = floors.iter().any(|floor| floor.needs_root());
    ensure!(
        !as_root || tidegate_rig::is_root(),
        "the floors journeys, kernel and e2e need root: run as root, or --floor unit only"
    );
    if as_root {
        interrupt::clean_up_when_interrupted()?;
        sweep();
    }
    let counts: Vec<(Floor, Count)> = floors
        .into_iter()
        .map(|floor| (floor, run_floor(floor, options)))
        .collect();
    if as_root {
        sweep();
    }
    println!();
    for (floor, count) in &counts {
        println!("{}: {count}", floor.name());
    }
    judge(&counts, options.filter.is_some())
}

fn judge(counts: &[(Floor, Count)], filtered: bool) -> Result<()> {
    if counts.iter().any(|(_, count)| count.failed > 0) {
        bail!("tests failed");
    }
    let empty = |(_, count): &&(Floor, Count)| count.passed == 0;
    match counts.iter().find(empty) {
        // A filter leaves floors empty, but not all of them.
        Some(_) if filtered && !counts.iter().all(|count| empty(&count)) => Ok(()),
        Some((floor, _)) => bail!("floor {} ran no test", floor.name()),
        None => Ok(()),
    }
}

fn run_floor(floor: Floor, options: &Options) -> Count {
    println!("\n== {} ==", floor.name());
    let mut count = Count::default();
    match steps(floor, options) {
        Ok(steps) => {
            for step in steps {
                run_step(step, &mut count).unwrap_or_else(|error| broken(&error, &mut count));
            }
        }
        Err(error) => broken(&error, &mut count),
    }
    count
}

/// What could not be run did not pass.
fn broken(error: &anyhow::Error, count: &mut Count) {
    eprintln!("x: {error:#}; counted as one failure");
    count.failed += 1;
}

fn steps(floor: Floor, options: &Options) -> Result<Vec<Command>> {
    let binary = floor.needs_binary().then(build::run).transpose()?;
    let steps = floor.cargo_arguments().iter().map(|args| {
        let mut command = cargo::command(["test", "--no-fail-fast"]);
        command.args(*args).arg("--").args(&options.filter);
        if floor.needs_root() {
            // These share one kernel: cgroups, and the time it takes to serve a packet.
            command.arg("--test-threads=1");
        }
        if let Some(binary) = &binary {
            command.env("TIDEGATE_BIN", binary);
        }
        command
    });
    Ok(steps.collect())
}

fn run_step(mut command: Command, count: &mut Count) -> Result<()> {
    // SAFETY: between fork and exec this makes one system call and allocates nothing.
    unsafe { command.pre_exec(interrupt::let_signals_through) };
    let mut child = command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo")?;
    interrupt::child_is(child.id());
    let stdout = child.stdout.take().context("cargo without stdout")?;
    let before = *count;
    // Bytes, not text: a test may print what it likes.
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line.context("read what the tests print")?;
        count.take_line(&String::from_utf8_lossy(&line));
        let mut out = std::io::stdout().lock();
        out.write_all(&line)
            .and_then(|()| out.write_all(b"\n"))
            .context("write to stdout")?;
    }
    let status = child.wait().context("wait for cargo")?;
    interrupt::child_is_gone();
    ensure!(
        status.success() || count.failed > before.failed,
        "a test program could not be built or did not finish ({status})"
    );
    Ok(())
}

fn sweep() {
    let swept = tidegate_rig::sweep();
    if !swept.is_nothing() {
        println!("x: removed what an interrupted run left: {swept}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(passed: u32, failed: u32) -> Count {
        Count {
            passed,
            failed,
            skipped: 0,
        }
    }

    #[test]
    fn one_failure_on_any_floor_fails_the_run() {
        assert!(
            judge(
                &[(Floor::Unit, count(9, 0)), (Floor::E2e, count(3, 1))],
                false
            )
            .is_err()
        );
        assert!(
            judge(
                &[(Floor::Unit, count(9, 0)), (Floor::E2e, count(3, 0))],
                false
            )
            .is_ok()
        );
    }

    #[test]
    fn a_floor_without_tests_fails_the_run_unless_a_filter_emptied_it() {
        let counts = [(Floor::Unit, count(9, 0)), (Floor::Kernel, count(0, 0))];
        assert!(judge(&counts, false).is_err());
        assert!(judge(&counts, true).is_ok());
        assert!(judge(&counts[1..], true).is_err());
    }
}

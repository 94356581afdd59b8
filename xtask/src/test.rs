//! `test`: the floors, each closed by one line of counts.
//!
//! A floor that fails does not keep the next from being run. Before and after, what interrupted
//! runs left behind is swept. A run of everything also checks that each rule has its test.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{build, cargo, interrupt, programs, vm};

mod count;
mod floor;
mod list;
mod outcome;
mod rules;

pub(crate) use count::Count;
use floor::Floor;
pub(crate) use outcome::{Outcome, Tests};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only this floor
    #[arg(long)]
    floor: Option<Floor>,
    /// Then print the table of rules: which test shows which, and what is not shown and why
    #[arg(long, conflicts_with_all = ["floor", "filter"])]
    rules: bool,
    /// With --rules: print the table without running the tests
    #[arg(long, requires = "rules")]
    list: bool,
    /// Only tests with this in their names
    filter: Option<String>,
}

/// What a floor came to.
#[derive(Default)]
struct Ran {
    count: Count,
    tests: Tests,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if options.list {
        return rules::report(&list::tests()?);
    }
    let floors = match options.floor {
        Some(one) => vec![one],
        None => Floor::all(options.filter.is_some()),
    };
    let as_root = floors.iter().any(|floor| floor.needs_root());
    ensure!(
        !as_root || tidegate_rig::is_root(),
        "the floors journeys, kernel and e2e need root: run as root, or --floor unit only"
    );
    if as_root {
        interrupt::clean_up_when_interrupted()?;
        sweep();
    }
    let (mut counts, mut tests) = (Vec::new(), Tests::default());
    for floor in floors {
        let ran = run_floor(floor, options);
        counts.push((floor, ran.count));
        tests.extend(ran.tests);
    }
    if as_root {
        sweep();
    }
    println!();
    let rules = match options {
        Options { rules: true, .. } => rules::report(&tests),
        // Part of the tests is no base to say what is missing.
        Options {
            floor: None,
            filter: None,
            ..
        } => rules::check(&tests),
        _ => Ok(()),
    };
    for (floor, count) in &counts {
        println!("{}: {count}", floor.name());
    }
    judge(&counts, options.filter.is_some()).and(rules)
}

fn judge(counts: &[(Floor, Count)], filtered: bool) -> Result<()> {
    if counts.iter().any(|(_, count)| count.failed > 0) {
        bail!("tests failed");
    }
    // Where there is no other kernel to be had, or no emulator, that floor is skipped, and says so.
    let is_spared = |floor: Floor, count: Count| floor == Floor::Vm && count.skipped > 0;
    let empty = |(floor, count): &&(Floor, Count)| count.passed == 0 && !is_spared(*floor, *count);
    match counts.iter().find(empty) {
        // A filter leaves floors empty, but not all of them.
        Some(_) if filtered && !counts.iter().all(|count| empty(&count)) => Ok(()),
        Some((floor, _)) => bail!("floor {} ran no test", floor.name()),
        None => Ok(()),
    }
}

fn run_floor(floor: Floor, options: &Options) -> Ran {
    println!("\n== {} ==", floor.name());
    let mut ran = Ran::default();
    if floor == Floor::Vm {
        match vm::quick(options.filter.as_deref()) {
            Ok(count) => ran.count = count,
            Err(error) => broken(&error, &mut ran.count),
        }
        return ran;
    }
    match steps(floor, options) {
        Ok(steps) => {
            for step in steps {
                run_step(step, &mut ran).unwrap_or_else(|error| broken(&error, &mut ran.count));
            }
        }
        Err(error) => broken(&error, &mut ran.count),
    }
    ran
}

/// What could not be run did not pass.
fn broken(error: &anyhow::Error, count: &mut Count) {
    eprintln!("x: {error:#}; counted as one failure");
    count.failed += 1;
}

fn steps(floor: Floor, options: &Options) -> Result<Vec<Command>> {
    let binary = floor.needs_binary().then(build::run).transpose()?;
    let programs = programs::build(|target| floor.has(target))?;
    let tests = programs.iter().filter(|program| program.is_test);
    let mut steps: Vec<_> = tests
        .map(|program| {
            let mut command = Command::new(&program.path);
            command.current_dir(program.folder());
            command
        })
        .collect();
    if floor == Floor::Unit {
        steps.push(cargo::command(["test", "--doc", "--quiet", "--"]));
    }
    for command in &mut steps {
        command.args(&options.filter);
        if floor.needs_root() {
            // These share one kernel: cgroups, and the time it takes to serve a packet.
            command.arg("--test-threads=1");
        }
        if let Some(binary) = &binary {
            command.env("TIDEGATE_BIN", binary);
        }
    }
    Ok(steps)
}

fn run_step(mut command: Command, ran: &mut Ran) -> Result<()> {
    let program = command.get_program().to_owned();
    println!("\n-- {}", program.display());
    // SAFETY: between fork and exec this makes one system call and allocates nothing.
    unsafe { command.pre_exec(interrupt::let_signals_through) };
    let mut child = command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    interrupt::child_is(child.id());
    let stdout = child
        .stdout
        .take()
        .context("a test program without stdout")?;
    let before = ran.count;
    // Bytes, not text: a test may print what it likes.
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line.context("read what the tests print")?;
        let text = String::from_utf8_lossy(&line);
        ran.count.take_line(&text);
        ran.tests.take_line(&text);
        let mut out = std::io::stdout().lock();
        out.write_all(&line)
            .and_then(|()| out.write_all(b"\n"))
            .context("write to stdout")?;
    }
    let status = child.wait().context("wait for cargo")?;
    interrupt::child_is_gone();
    ensure!(
        status.success() || ran.count.failed > before.failed,
        "{} did not finish ({status})",
        program.display()
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
        let skipped = Count {
            skipped: 1,
            ..count(0, 0)
        };
        assert!(judge(&[counts[0], (Floor::Vm, skipped)], false).is_ok());
        assert!(judge(&[counts[0], (Floor::E2e, skipped)], false).is_err());
    }
}

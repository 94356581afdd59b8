//! The jobs: one a line of `/jobs`, its fields divided by tabs: name, seconds it may take, program, arguments.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// The last line of a machine that did everything.
pub(crate) const DONE: &str = "@done";

const POLL: Duration = Duration::from_millis(10);

/// A line of the file.
#[derive(Debug, Eq, PartialEq)]
struct Job<'a> {
    name: &'a str,
    within: Duration,
    program: &'a str,
    args: Vec<&'a str>,
}

pub(crate) fn run_all(out: &mut File) -> Result<()> {
    let text = fs::read_to_string("/jobs").context("/jobs")?;
    for line in text.lines() {
        let job = parse(line).with_context(|| format!("no job: {line}"))?;
        writeln!(out, "@begin {}", job.name)?;
        let ended = run(&job, out).unwrap_or_else(|error| format!("broken: {error:#}"));
        // A job may end in the middle of a line.
        writeln!(out, "\n@end {} {ended}", job.name)?;
    }
    writeln!(out, "{DONE}")?;
    Ok(())
}

fn parse(line: &str) -> Option<Job<'_>> {
    let mut fields = line.split('\t');
    Some(Job {
        name: fields.next()?,
        within: Duration::from_secs(fields.next()?.parse().ok()?),
        program: fields.next()?,
        args: fields.collect(),
    })
}

/// Runs a job to its end, or to the end of its time: how it ended.
fn run(job: &Job<'_>, out: &File) -> Result<String> {
    let child = Command::new(job.program)
        .args(&job.args)
        .env_clear()
        .envs([
            ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/root"),
            ("TERM", "vt100"),
            ("TIDEGATE_BIN", "/usr/bin/tidegate"),
            ("TIDEGATE_READY_WITHIN", "300"),
            ("TIDEGATE_CONNECTIONS", "100"),
        ])
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out.try_clone()?)
        .process_group(0)
        .spawn()
        .with_context(|| job.program.to_owned())?;
    let id = Pid::from_raw(child.id().cast_signed());
    let deadline = Instant::now() + job.within;
    loop {
        if let Some(ended) = reap(id) {
            return Ok(ended);
        }
        if Instant::now() > deadline {
            // Fails only when it has ended by itself.
            killpg(id, Signal::SIGKILL).unwrap_or_default();
            return Ok(format!("not within {} s", job.within.as_secs()));
        }
        thread::sleep(POLL);
    }
}

/// Takes leave of all that has ended, orphans too; says how the job did, if it is among them.
fn reap(job: Pid) -> Option<String> {
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        match status {
            WaitStatus::Exited(id, code) if id == job => return Some(format!("exit {code}")),
            WaitStatus::Signaled(id, signal, _) if id == job => return Some(signal.to_string()),
            WaitStatus::StillAlive => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_a_line_of_fields() {
        let job = parse("a job\t60\t/bin/sh\t-c\techo two words").unwrap();
        let expected = Job {
            name: "a job",
            within: Duration::from_secs(60),
            program: "/bin/sh",
            args: vec!["-c", "echo two words"],
        };
        assert_eq!(job, expected);
        assert_eq!(parse("a job\tsoon\t/bin/sh"), None);
        assert_eq!(parse("a job\t60"), None);
    }

    #[test]
    fn a_job_tells_how_it_ended_and_one_that_hangs_is_ended() {
        let out = File::create("/dev/null").unwrap();
        let job = |line: &'static str| run(&parse(line).unwrap(), &out).unwrap();
        assert_eq!(job("a\t60\t/bin/sh\t-c\texit 3"), "exit 3");
        assert_eq!(job("b\t60\t/bin/sh\t-c\tkill -9 $$"), "SIGKILL");
        assert_eq!(job("c\t0\t/bin/sh\t-c\tsleep 60"), "not within 0 s");
    }
}

//! One test program after the other.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::{Floor, Ran};
use crate::programs::{self, Program};
use crate::{build, cargo, interrupt};

/// A program that runs tests.
pub(super) struct Step {
    title: String,
    command: Command,
}

/// What a floor runs, built.
pub(super) fn all(floor: Floor, filter: Option<&str>) -> Result<Vec<Step>> {
    let binary = floor.needs_binary().then(build::run).transpose()?;
    let programs = programs::build(|target| floor.has(target))?;
    let tests = programs.iter().filter(|program| program.is_test);
    let mut steps: Vec<_> = tests.map(Step::of).collect();
    if floor == Floor::Unit {
        steps.push(Step {
            title: "examples in documentation".to_owned(),
            command: cargo::command(["test", "--doc", "--quiet", "--"]),
        });
    }
    for Step { command, .. } in &mut steps {
        command.args(filter);
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

impl Step {
    fn of(program: &Program) -> Self {
        let mut command = Command::new(&program.path);
        command.current_dir(program.folder());
        Self {
            title: program.target.to_string(),
            command,
        }
    }

    /// Shows what it prints, and counts.
    pub(super) fn run(self, ran: &mut Ran) -> Result<()> {
        let Self { title, mut command } = self;
        println!("\n-- {title}");
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child =
            interrupt::spawn(&mut command).with_context(|| format!("cannot run {title}"))?;
        let stdout = child
            .stdout
            .take()
            .context("a test program without stdout")?;
        let before = ran.count;
        // Bytes, not text: a test may print what it likes.
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.context("read what the tests print")?;
            ran.take_line(&String::from_utf8_lossy(&line));
            let mut out = std::io::stdout().lock();
            out.write_all(&line)
                .and_then(|()| out.write_all(b"\n"))
                .context("write to stdout")?;
        }
        let status = child.wait().with_context(|| format!("wait for {title}"))?;
        interrupt::child_is_gone();
        ensure!(
            status.success() || ran.count.failed > before.failed,
            "{title} did not finish ({status})"
        );
        Ok(())
    }
}

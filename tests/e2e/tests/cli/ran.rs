//! One run of a command, and what came of it.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tidegate_e2e::World;

/// What came of it.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A command to the world's agent.
pub(crate) fn run(world: &World, args: &[&str]) -> Result<Ran> {
    finish(world.spec.cli(args.iter().copied()), "")
}

/// The same with something on stdin.
pub(crate) fn run_with(world: &World, args: &[&str], stdin: &str) -> Result<Ran> {
    finish(world.spec.cli(args.iter().copied()), stdin)
}

/// Any command.
pub(crate) fn finish(mut command: Command, stdin: &str) -> Result<Ran> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run tidegate")?;
    let mut pipe = child.stdin.take().context("no stdin")?;
    // A command that does not read has closed it.
    let _unread = pipe.write_all(stdin.as_bytes());
    drop(pipe);
    let output = child.wait_with_output()?;
    Ok(Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout)?,
        err: String::from_utf8(output.stderr)?,
    })
}

impl Ran {
    /// It has succeeded, and has nothing to complain about.
    pub(crate) fn ok(self) -> Result<Self> {
        ensure!(self.code == Some(0) && self.err.is_empty(), "{self:?}");
        Ok(self)
    }

    /// It has failed with this code, and one line that says this.
    pub(crate) fn fails(self, code: i32, says: &str) -> Result<Self> {
        ensure!(self.code == Some(code), "not {code}: {self:?}");
        ensure!(
            self.err.lines().count() == 1 && self.err.contains(says),
            "not one line with {says:?}: {self:?}"
        );
        Ok(self)
    }

    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.out).with_context(|| format!("not JSON: {self:?}"))
    }
}

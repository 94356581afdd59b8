//! A `monitor` that runs beside the test.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Killed when dropped.
pub(crate) struct Monitor {
    child: Child,
    lines: Receiver<String>,
    complaints: Receiver<String>,
}

impl Monitor {
    /// Runs until it listens: what happens after this has returned is told.
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let lines = lines_of(child.stdout.take().context("no stdout")?);
        let complaints = lines_of(child.stderr.take().context("no stderr")?);
        let it = Self {
            child,
            lines,
            complaints,
        };
        let greeting = it.complaint()?;
        if !greeting.contains("listening") {
            bail!("{greeting}");
        }
        Ok(it)
    }

    /// The next line.
    pub(crate) fn line(&self) -> Result<String> {
        self.lines.recv_timeout(PATIENCE).context("no line came")
    }

    /// The next line of stderr.
    pub(crate) fn complaint(&self) -> Result<String> {
        self.complaints
            .recv_timeout(PATIENCE)
            .context("no line came on stderr")
    }

    /// All lines that come until one has this in it.
    pub(crate) fn until(&self, wanted: &str) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            let line = self
                .line()
                .with_context(|| format!("{wanted} is not in {lines:#?}"))?;
            let is_it = line.contains(wanted);
            lines.push(line);
            if is_it {
                return Ok(lines);
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(self.child.id().cast_signed()), signal)?)
    }

    /// Waits for its end, which is near.
    pub(crate) fn end(&mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.child.try_wait()? {
                Some(status) => return Ok(status),
                None if Instant::now() > deadline => bail!("it does not end"),
                None => thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn lines_of(from: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

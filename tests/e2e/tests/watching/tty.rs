//! A command at a terminal that somebody types into.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::pty::{Winsize, openpty};
use tidegate_e2e::soon;

use crate::screen::screen;

/// Killed when dropped.
pub(crate) struct Tty {
    child: Child,
    keys: File,
    seen: Arc<Mutex<Vec<u8>>>,
    size: (usize, usize),
}

impl Tty {
    pub(crate) fn start(mut command: Command, columns: u16, lines: u16) -> Result<Self> {
        let size = Winsize {
            ws_row: lines,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(&size, None).context("cannot make a terminal")?;
        let child = command
            .env("TERM", "xterm-256color")
            .stdin(File::from(pty.slave.try_clone()?))
            .stdout(File::from(pty.slave.try_clone()?))
            .stderr(Stdio::piped())
            .spawn()?;
        drop((command, pty.slave));
        let master = File::from(pty.master);
        let mut screen = master.try_clone()?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&seen);
        thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut part) {
                if let Ok(mut all) = written.lock() {
                    all.extend_from_slice(&part[..count]);
                }
            }
        });
        Ok(Self {
            child,
            keys: master,
            seen,
            size: (columns.into(), lines.into()),
        })
    }

    pub(crate) fn press(&mut self, keys: &str) -> Result<()> {
        Ok(self.keys.write_all(keys.as_bytes())?)
    }

    /// Everything that was written to the screen so far.
    pub(crate) fn text(&self) -> String {
        let seen = self.seen.lock().map(|seen| seen.clone());
        String::from_utf8_lossy(&seen.unwrap_or_default()).into_owned()
    }

    /// What somebody sees at this moment.
    pub(crate) fn screen(&self) -> String {
        let (columns, lines) = self.size;
        screen(&self.text(), columns, lines).join("\n")
    }

    /// Waits until this is somewhere on the screen.
    pub(crate) fn shows(&self, wanted: &str) -> Result<()> {
        soon(|| {
            let text = self.screen();
            match text.contains(wanted) {
                true => Ok(()),
                false => bail!("no {wanted:?} in\n{text}"),
            }
        })
    }

    pub(crate) fn end(&mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match self.child.try_wait()? {
                Some(status) => return Ok(status),
                None if Instant::now() > deadline => bail!("it does not end: {:?}", self.text()),
                None => thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

//! A command whose stdout is a terminal.

use std::{
    fs::File,
    io::Read as _,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use nix::pty::{Winsize, openpty};

/// What it prints on a terminal of so many columns.
pub fn on_terminal(mut command: Command, columns: u16) -> Result<String> {
    let size = Winsize {
        ws_row: 50,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let pty = openpty(&size, None).context("cannot make a terminal")?;
    let child = command
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(File::from(pty.slave.try_clone()?))
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run tidegate")?;
    // The command still holds the terminal, too.
    drop(command);
    drop(pty.slave);
    let mut bytes = Vec::new();
    // The end of a terminal is an error, EIO.
    let _end = File::from(pty.master).read_to_end(&mut bytes);
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "{}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(bytes)?.replace("\r\n", "\n"))
}

/// Without colours.
pub fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        out.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    out + rest
}

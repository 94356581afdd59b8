//! `completion`: scripts for shells, and man pages.

use std::{fs, process::Command};

use anyhow::{Result, ensure};
use tidegate_rig::binary;

use crate::ran::finish;

#[test]
fn every_shell_gets_a_script_that_knows_the_commands() -> Result<()> {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let mut command = Command::new(binary()?);
        command.args(["completion", shell]);
        let script = finish(command, "")?.ok()?.out;
        for word in ["describe", "explain", "monitor", "flows", "check"] {
            ensure!(script.contains(word), "{shell}: no {word}");
        }
    }
    Ok(())
}

#[test]
fn there_is_a_man_page_for_each_command() -> Result<()> {
    let dir = std::env::temp_dir().join(format!("tidegate-man-{}", std::process::id()));
    let mut command = Command::new(binary()?);
    command.args(["completion", "man", "--dir"]).arg(&dir);
    let written = finish(command, "")?.ok();
    let pages: Vec<String> = fs::read_dir(&dir)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let run = fs::read_to_string(dir.join("tidegate-run.1"));
    fs::remove_dir_all(&dir)?;
    written?;
    for page in [
        "tidegate.1",
        "tidegate-run.1",
        "tidegate-get.1",
        "tidegate-flows-flush.1",
        "tidegate-detach.1",
    ] {
        ensure!(pages.iter().any(|it| it == page), "no {page}: {pages:?}");
    }
    ensure!(run?.contains("masquerade\\-ports"));
    Ok(())
}

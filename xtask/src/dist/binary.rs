//! The static binary: built, looked at, run once, and asked for its man pages and completions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use tidegate_rig::output_of;

use super::{elf, file::File, release::Release};
use crate::cargo::{self, workspace};

/// Shells, and where a system package puts their completions.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/tidegate"),
    ("zsh", "usr/share/zsh/vendor-completions/_tidegate"),
    ("fish", "usr/share/fish/vendor_completions.d/tidegate.fish"),
];

/// Builds the binary on musl and makes sure that it is static and runs.
pub(super) fn build(release: &Release) -> Result<PathBuf> {
    let target = release.target();
    let of_target = target.to_uppercase().replace('-', "_");
    let mut command = cargo::command(["build", "--release", "--package", "tidegate", "--target"]);
    command.arg(&target);
    command.env(format!("CARGO_TARGET_{of_target}_RUSTFLAGS"), remapped()?);
    let status = command.status().context("cannot run cargo")?;
    ensure!(status.success(), "the build for {target} failed");
    let binary = cargo::target_dir().join(&target).join("release/tidegate");
    let bytes = fs::read(&binary).with_context(|| format!("cannot read {}", binary.display()))?;
    elf::require_static(&bytes)?;
    smoke(&binary, &release.version)?;
    Ok(binary)
}

/// Panic messages name source files: without this, where they lay on the machine of the build.
fn remapped() -> Result<String> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home
        .or_else(|| Some(std::env::home_dir()?.join(".cargo")))
        .context("neither CARGO_HOME nor HOME is set")?;
    let here = workspace().canonicalize().context("where are we?")?;
    Ok(format!(
        "--remap-path-prefix={}=/cargo --remap-path-prefix={}=/tidegate",
        home.display(),
        here.display()
    ))
}

fn smoke(binary: &Path, version: &str) -> Result<()> {
    let said = output_of(Command::new(binary).arg("--version"))?;
    ensure!(
        said.trim() == format!("tidegate {version}"),
        "the binary says `{}`, and this is version {version}",
        said.trim()
    );
    Ok(())
}

/// Man pages and completions, as the binary itself writes them.
pub(super) fn generated(binary: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for (shell, path) in COMPLETIONS {
        let script = output_of(Command::new(binary).args(["completion", shell]))?;
        ensure!(!script.is_empty(), "`completion {shell}` printed nothing");
        files.push(File::new(path, script));
    }
    let pages = binary.with_file_name("man");
    fs::create_dir_all(&pages).with_context(|| format!("cannot make {}", pages.display()))?;
    let _said = output_of(
        Command::new(binary)
            .args(["completion", "man", "--dir"])
            .arg(&pages),
    )?;
    for entry in fs::read_dir(&pages).context("list the man pages")? {
        let entry = entry.context("list the man pages")?;
        let path = format!("usr/share/man/man1/{}", entry.file_name().display());
        let page = fs::read(entry.path()).context("read a man page")?;
        files.push(File::new(path, page).gzipped()?);
    }
    fs::remove_dir_all(&pages).context("cannot remove the man pages")?;
    Ok(files)
}

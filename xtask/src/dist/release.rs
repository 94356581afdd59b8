//! Which release this is: version, target, date, and where it goes.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use tidegate_rig::output_of;

use crate::cargo::{self, workspace};

/// What all parts of one release have in common.
#[derive(Clone, Debug)]
pub(super) struct Release {
    pub(super) version: String,
    /// Seconds since 1970, the date of everything in it.
    pub(super) epoch: u64,
    /// As Rust calls the architecture.
    rust: &'static str,
    /// As Debian and OCI call it.
    pub(super) architecture: &'static str,
    out: PathBuf,
}

impl Release {
    /// The release that this source tree makes on this machine.
    pub(super) fn of_this_checkout() -> Result<Self> {
        let architecture = match env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => bail!("nobody has packaged tidegate for {other} yet: x86_64 and aarch64 only"),
        };
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            epoch: epoch()?,
            rust: env::consts::ARCH,
            architecture,
            out: target_dir()?.join("dist"),
        })
    }

    /// A release of no tree, for tests.
    #[cfg(test)]
    pub(super) fn for_test(out: PathBuf) -> Self {
        Self {
            version: "1.2.3".to_owned(),
            epoch: 1_700_000_000,
            rust: "x86_64",
            architecture: "amd64",
            out,
        }
    }

    /// The directory of everything that is handed out.
    pub(super) fn out(&self) -> PathBuf {
        self.out.clone()
    }

    /// The date of everything in it, in a form of date(1), in UTC.
    pub(super) fn date(&self, form: &str) -> Result<String> {
        let mut date = Command::new("date");
        date.env("LC_ALL", "C").arg("--utc").arg(format!("+{form}"));
        date.arg("--date").arg(format!("@{}", self.epoch));
        Ok(output_of(&mut date)?.trim().to_owned())
    }

    /// As rustup and cargo call what is built.
    pub(super) fn target(&self) -> String {
        format!("{}-unknown-linux-musl", self.rust)
    }
}

/// Without detours, since people read it.
fn target_dir() -> Result<PathBuf> {
    let directory = cargo::target_dir();
    fs::create_dir_all(&directory)
        .and_then(|()| directory.canonicalize())
        .with_context(|| format!("cannot make {}", directory.display()))
}

/// `SOURCE_DATE_EPOCH`, else the last commit's date, else 1970 (a tree without its history).
fn epoch() -> Result<u64> {
    if let Ok(given) = env::var("SOURCE_DATE_EPOCH") {
        return given.parse().with_context(|| {
            format!("SOURCE_DATE_EPOCH is no number of seconds since 1970: {given}")
        });
    }
    let asked = Command::new("git")
        .current_dir(workspace())
        .args(["log", "-1", "--format=%ct"])
        .output();
    let said = asked.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    Ok(said.unwrap_or_default().parse().unwrap_or(0))
}

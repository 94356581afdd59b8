//! `SHA256SUMS`, as `sha256sum --check` reads it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

/// The digest in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut hex, byte| {
            // Writing to a String cannot fail.
            write!(hex, "{byte:02x}").unwrap_or_default();
            hex
        })
}

/// Writes the digests of the files that lie in the directory.
pub(super) fn write(directory: &Path) -> Result<()> {
    let mut lines = Vec::new();
    let entries = fs::read_dir(directory).context("list what was made")?;
    for entry in entries {
        let entry = entry.context("list what was made")?;
        if entry.file_type().context("list what was made")?.is_file() {
            let bytes = fs::read(entry.path()).context("read what was made")?;
            let name = entry.file_name();
            lines.push(format!("{}  {}\n", sha256(&bytes), name.display()));
        }
    }
    lines.sort_by(|one, other| one[64..].cmp(&other[64..]));
    fs::write(directory.join("SHA256SUMS"), lines.concat()).context("cannot write SHA256SUMS")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_sums_are_what_sha256sum_checks() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("b"), "two").unwrap();
        fs::write(dir.path().join("a"), "one").unwrap();
        fs::create_dir(dir.path().join("directory")).unwrap();
        write(dir.path()).unwrap();
        let check = |dir: &Path| {
            let mut command = Command::new("sha256sum");
            command
                .current_dir(dir)
                .args(["--check", "--strict", "SHA256SUMS"]);
            command.output().unwrap()
        };
        let said = String::from_utf8(check(dir.path()).stdout).unwrap();
        assert_eq!(said, "a: OK\nb: OK\n");
        fs::write(dir.path().join("a"), "changed").unwrap();
        assert!(!check(dir.path()).status.success());
    }
}

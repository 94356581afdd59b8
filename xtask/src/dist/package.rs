//! What a system package holds, file by file; the packaging files themselves are in `userspace/agent/dist`.

use std::fs;

use anyhow::{Context as _, Result};

use super::file::{File, source};
use crate::cargo::workspace;

/// Packaging files of this repository.
pub(super) const FROM: &str = "userspace/agent/dist";
pub(super) const DOC: &str = "usr/share/doc/tidegate";
/// Plain text that people read with a pager.
const DOCUMENTS: [(&str, &str); 5] = [
    ("CHANGELOG.md", "CHANGELOG.md"),
    ("README.md", "README.md"),
    ("operations.md", "docs/operations.md"),
    ("limits.md", "docs/limits.md"),
    (
        "upgrade-from-kube-proxy.md",
        "docs/upgrade-from-kube-proxy.md",
    ),
];

/// Everything but what the binary itself writes.
pub(super) fn files(binary: &[u8]) -> Result<Vec<File>> {
    let dist = |path: &str, name: &str| File::copied(path, &format!("{FROM}/{name}"));
    let mut files = vec![
        File::new("usr/bin/tidegate", binary).executable(),
        dist(
            "usr/lib/systemd/system/tidegate.service",
            "tidegate.service",
        )?,
        dist("etc/tidegate/tidegate.toml", "tidegate.toml")?,
        dist("etc/tidegate/manifests/README", "manifests.txt")?,
        dist(&format!("{DOC}/README.Debian"), "debian/README.Debian")?,
        dist(&format!("{DOC}/copyright"), "debian/copyright")?,
        dist(
            "usr/share/lintian/overrides/tidegate",
            "debian/lintian-overrides",
        )?,
    ];
    for (name, from) in DOCUMENTS {
        files.push(File::copied(&format!("{DOC}/{name}"), from)?.gzipped()?);
    }
    files.extend(examples()?);
    Ok(files)
}

/// The licences of others, as one document.
pub(super) fn third_party(text: &str) -> Result<File> {
    File::new(format!("{DOC}/third-party-licences"), text).gzipped()
}

/// The Kubernetes manifests.
fn examples() -> Result<Vec<File>> {
    const KUBERNETES: &str = "docs/kubernetes";
    let mut names = Vec::new();
    for entry in fs::read_dir(workspace().join(KUBERNETES)).context("list docs/kubernetes")? {
        let name = entry.context("list docs/kubernetes")?.file_name();
        names.push(name.to_string_lossy().into_owned());
    }
    names.sort();
    let files = names.iter().map(|name| {
        let content = source(&format!("{KUBERNETES}/{name}"))?;
        Ok(File::new(
            format!("{DOC}/examples/kubernetes/{name}"),
            content,
        ))
    });
    files.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_has_the_program_its_unit_its_configuration_and_its_documents() {
        let files = files(b"program").unwrap();
        let mut listed: Vec<String> = files
            .iter()
            .filter(|file| !file.path.contains("/examples/"))
            .map(|file| format!("{:o} {}", file.mode, file.path))
            .collect();
        listed.sort();
        let expected = [
            "644 etc/tidegate/manifests/README",
            "644 etc/tidegate/tidegate.toml",
            "644 usr/lib/systemd/system/tidegate.service",
            "644 usr/share/doc/tidegate/CHANGELOG.md.gz",
            "644 usr/share/doc/tidegate/README.Debian",
            "644 usr/share/doc/tidegate/README.md.gz",
            "644 usr/share/doc/tidegate/copyright",
            "644 usr/share/doc/tidegate/limits.md.gz",
            "644 usr/share/doc/tidegate/operations.md.gz",
            "644 usr/share/doc/tidegate/upgrade-from-kube-proxy.md.gz",
            "644 usr/share/lintian/overrides/tidegate",
            "755 usr/bin/tidegate",
        ];
        assert_eq!(listed, expected);
        let example = |file: &File| file.path.ends_with("/examples/kubernetes/daemonset.yaml");
        assert!(files.iter().any(example));
    }
}

//! The licences of what is linked into the binary, as they ask for: name, version, licence, full text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::release::Release;
use crate::cargo;

/// What user space and the kernel side are built from.
const ROOTS: [&str; 2] = ["tidegate", "tidegate-programs"];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    manifest_path: String,
    /// None for crates of this repository.
    source: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    /// None for what is linked; else `build` or `dev`.
    kind: Option<String>,
}

/// One document for all crates of others.
pub(super) fn text(release: &Release) -> Result<String> {
    let target = release.target();
    let mut command = cargo::command(["metadata", "--format-version=1", "--filter-platform"]);
    let output = command.arg(&target).output().context("cannot run cargo")?;
    ensure!(output.status.success(), "`cargo metadata` failed");
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("cannot read what cargo metadata says")?;
    let linked = linked(&metadata);
    let packages = metadata.packages.iter();
    let mut packages: Vec<&Package> = packages
        .filter(|package| package.source.is_some() && linked.contains(package.id.as_str()))
        .collect();
    packages.sort_by(|one, other| (&one.name, &one.version).cmp(&(&other.name, &other.version)));
    document(&packages)
}

/// The roots, and whatever is linked because of them.
fn linked(metadata: &Metadata) -> BTreeSet<&str> {
    let nodes: BTreeMap<&str, &Node> = metadata
        .resolve
        .nodes
        .iter()
        .map(|node| (node.id.as_str(), node))
        .collect();
    let roots = metadata.packages.iter();
    let mut open: Vec<&str> = roots
        .filter(|package| package.source.is_none() && ROOTS.contains(&package.name.as_str()))
        .map(|package| package.id.as_str())
        .collect();
    let mut linked = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !linked.insert(id) {
            continue;
        }
        let deps = nodes
            .get(id)
            .map_or(&[][..], |node| node.deps.as_slice())
            .iter();
        let normal = deps.filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind.is_none()));
        open.extend(normal.map(|dep| dep.pkg.as_str()));
    }
    linked
}

/// The list of crates, then each text once, with the crates that it belongs to.
fn document(packages: &[&Package]) -> Result<String> {
    let mut document = String::from(
        "Crates of others that are linked into tidegate, with the licences that they state.\n\n",
    );
    let mut texts: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    for package in packages {
        let name = format!("{} {}", package.name, package.version);
        let licence = package.license.as_deref().unwrap_or("see its text below");
        writeln!(document, "{name}: {licence}")?;
        for text in texts_of(package)? {
            // The same text with other line breaks is the same text.
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            texts
                .entry(words)
                .or_insert_with(|| (text, Vec::new()))
                .1
                .push(name.clone());
        }
    }
    for (text, owners) in texts.values() {
        let line = "-".repeat(80);
        writeln!(
            document,
            "\n{line}\n{}\n{line}\n\n{}",
            owners.join(", "),
            text.trim()
        )?;
    }
    Ok(document)
}

fn texts_of(package: &Package) -> Result<Vec<String>> {
    const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"];
    let directory = Path::new(&package.manifest_path)
        .parent()
        .context("a crate without a place")?;
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("list {}", directory.display()))? {
        let path = entry
            .with_context(|| format!("list {}", directory.display()))?
            .path();
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().to_uppercase());
        let is_licence = name.is_some_and(|name| NAMES.iter().any(|start| name.starts_with(start)));
        if is_licence && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    let texts = paths.iter().map(|path| {
        let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    });
    texts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_that_are_linked_are_named_with_their_licence_and_tools_of_tests_are_not() {
        let release = Release::for_test("unused".into());
        let text = text(&release).unwrap();
        let listed = |name: &str| text.lines().any(|line| line.starts_with(name));
        assert!(listed("aya 0.") && listed("aya-ebpf 0.") && listed("clap 4."));
        assert!(!listed("proptest "), "a dependency of tests only");
        assert!(
            text.contains("Permission is hereby granted"),
            "no text of MIT"
        );
        assert!(!listed("tidegate"), "our own crates");
    }
}

//! The test programs of the workspace, built by one and the same selection of packages, whichever of them are run.
//!
//! Cargo gives a dependency the features that all selected packages want of it. Packages that are built by themselves
//! would have most dependencies, and the eBPF programs, built again for each of them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{cargo, interrupt};

/// Something that cargo builds of a package.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    pub(crate) package: String,
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) manifest: PathBuf,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Kind {
    Lib,
    Bin,
    Test,
    Example,
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { package, name, .. } = self;
        match self.kind {
            Kind::Lib | Kind::Bin => out.write_str(package),
            Kind::Test => write!(out, "{package}, {name}"),
            Kind::Example => write!(out, "{package}, example {name}"),
        }
    }
}

/// A target that was built.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) target: Target,
    pub(crate) path: PathBuf,
    /// Whether it runs tests; else it is the program itself.
    pub(crate) is_test: bool,
}

impl Program {
    /// The folder that cargo runs tests in: their package's.
    pub(crate) fn folder(&self) -> &Path {
        self.target.manifest.parent().unwrap_or(cargo::workspace())
    }
}

/// The targets that are wanted, built; in the order of the workspace.
pub(crate) fn build(is_wanted: impl Fn(&Target) -> bool) -> Result<Vec<Program>> {
    let targets: Vec<_> = targets()?.into_iter().filter(is_wanted).collect();
    ensure!(!targets.is_empty(), "there is no such test program");
    let mut args = vec!["test".to_owned(), "--no-run".to_owned()];
    args.extend(flags(&targets));
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let built: Vec<_> = messages(&args)?.iter().filter_map(program).collect();
    // Targets of one name are built in every package that has one.
    let of = |target: &Target| {
        let built = built.iter();
        let built = built.filter(|it| it.target == *target).cloned();
        built.collect::<Vec<_>>()
    };
    Ok(targets.iter().flat_map(of).collect())
}

/// What the packages of a whole run have.
pub(crate) fn targets() -> Result<Vec<Target>> {
    let metadata = messages(&["metadata", "--no-deps", "--format-version=1"])?;
    let metadata = metadata.first().context("cargo said nothing")?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let defaults = list(&metadata["workspace_default_members"]);
    let mut all = Vec::new();
    for package in list(&metadata["packages"]) {
        if !defaults.contains(&package["id"]) {
            continue;
        }
        let package_targets = list(&package["targets"]);
        let of_package = package_targets.iter().filter_map(|it| {
            let name = package["name"].as_str()?;
            target(name, &package["manifest_path"], it)
        });
        all.extend(of_package);
    }
    Ok(all)
}

/// What cargo is told so that it builds these and as little else as it can.
fn flags(targets: &[Target]) -> Vec<String> {
    let mut flags: Vec<_> = targets
        .iter()
        .map(|target| match target.kind {
            Kind::Lib => "--lib".to_owned(),
            Kind::Bin => format!("--bin={}", target.name),
            Kind::Test => format!("--test={}", target.name),
            Kind::Example => format!("--example={}", target.name),
        })
        .collect();
    flags.sort();
    flags.dedup();
    flags
}

/// The lines of JSON that a call of cargo prints.
fn messages(args: &[&str]) -> Result<Vec<Value>> {
    let mut command = cargo::command(args.iter().copied());
    if args.first() == Some(&"test") {
        command.arg("--message-format=json-render-diagnostics");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let child = interrupt::spawn(&mut command).context("cannot run cargo")?;
    let output = child.wait_with_output().context("wait for cargo")?;
    interrupt::child_is_gone();
    ensure!(output.status.success(), "`cargo {}` failed", args.join(" "));
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| serde_json::from_str(line).context("cargo's JSON"))
        .collect()
}

/// The program that one of cargo's messages is about.
fn program(message: &Value) -> Option<Program> {
    let id = message["package_id"].as_str()?;
    let path = message["executable"].as_str()?.into();
    Some(Program {
        target: target(
            package_of(id)?,
            &message["manifest_path"],
            &message["target"],
        )?,
        path,
        is_test: message["profile"]["test"] == true,
    })
}

/// `path+file:///tidegate/tests/e2e#tidegate-e2e@0.1.0`, and without the name where it is the folder's.
fn package_of(id: &str) -> Option<&str> {
    let (path, version) = id.split_once('#')?;
    match version.split_once('@') {
        Some((name, _)) => Some(name),
        None => path.rsplit('/').next(),
    }
}

fn target(package: &str, manifest: &Value, target: &Value) -> Option<Target> {
    let kind = match target["kind"][0].as_str()? {
        "lib" => Kind::Lib,
        "bin" => Kind::Bin,
        "test" => Kind::Test,
        "example" => Kind::Example,
        _ => return None,
    };
    Some(Target {
        package: package.to_owned(),
        kind,
        name: target["name"].as_str()?.to_owned(),
        manifest: manifest.as_str()?.into(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(package: &str, kind: Kind, name: &str) -> Target {
        Target {
            package: package.to_owned(),
            kind,
            name: name.to_owned(),
            manifest: "/it/Cargo.toml".into(),
        }
    }

    #[test]
    fn what_is_built_is_told_from_what_else_cargo_says() {
        let message = |executable: Value| {
            json!({
                "reason": "compiler-artifact",
                "package_id": "path+file:///it#tidegate-it@0.1.0",
                "manifest_path": "/it/Cargo.toml",
                "target": { "kind": ["test"], "name": "agent" },
                "profile": { "test": true },
                "executable": executable,
            })
        };
        let found = program(&message(json!("/target/agent-1234"))).unwrap();
        assert_eq!(found.target, of("tidegate-it", Kind::Test, "agent"));
        assert!(found.is_test);
        assert_eq!(found.folder(), Path::new("/it"));
        assert!(program(&message(Value::Null)).is_none());
        assert!(program(&json!({ "reason": "build-finished" })).is_none());
    }

    #[test]
    fn packages_are_named_by_their_ids() {
        assert_eq!(package_of("path+file:///a/xtask#0.1.0"), Some("xtask"));
        assert_eq!(package_of("path+file:///a/e2e#it@0.1.0"), Some("it"));
        assert_eq!(package_of("a 0.1.0"), None);
    }

    #[test]
    fn each_flag_is_given_once() {
        let targets = [
            of("a", Kind::Lib, "a"),
            of("b", Kind::Lib, "b"),
            of("a", Kind::Test, "cli"),
            of("b", Kind::Test, "cli"),
        ];
        assert_eq!(flags(&targets), ["--lib", "--test=cli"]);
    }

    #[test]
    fn the_workspace_has_what_is_to_be_run() {
        let all = targets().unwrap();
        let has = |package: &str, kind, name: &str| {
            let mut all = all.iter();
            all.any(|it| it.package == package && it.kind == kind && it.name == name)
        };
        assert!(has("tidegate-e2e", Kind::Test, "traffic"));
        assert!(has("tidegate", Kind::Bin, "tidegate"));
        assert!(has("xtask", Kind::Bin, "xtask"));
        assert!(!has("tidegate-bench", Kind::Bin, "tidegate-bench"));
    }
}

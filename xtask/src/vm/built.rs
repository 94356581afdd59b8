//! What is built for the virtual machines: the tests that every kernel is given, the binary, the first process.

use std::path::PathBuf;

use anyhow::Result;

use super::floors::{E2E, Floor};
use crate::programs::{self, Kind};
use crate::{build, cargo};

const KERNEL_TESTS: &str = "tidegate-kernel-tests";
const JOURNEYS: &str = "tidegate-journeys";
const END_TO_END: &str = "tidegate-e2e";
const INIT: &str = "tidegate-vm-init";

/// A program that goes into the machine.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) name: String,
    pub(super) path: PathBuf,
}

#[derive(Debug)]
pub(super) struct Built {
    pub(super) init: PathBuf,
    programs: Vec<Program>,
}

impl Program {
    /// Unit tests of libraries are no business of a kernel.
    fn inside_of(built: programs::Program) -> Option<Self> {
        let is_taken = match built.target.kind {
            Kind::Test => true,
            Kind::Bin => !built.is_test,
            Kind::Lib | Kind::Example => false,
        };
        is_taken.then_some(Self {
            name: built.target.name,
            path: built.path,
        })
    }

    /// Its path in the machine, without the leading slash.
    pub(super) fn inside(&self) -> String {
        format!("usr/bin/{}", self.name)
    }
}

impl Built {
    pub(super) fn programs(&self) -> &[Program] {
        &self.programs
    }
}

/// What these floors need.
pub(super) fn for_floors(floors: &[Floor]) -> Result<Built> {
    let has = |floor| floors.contains(&floor);
    let mut programs = Vec::new();
    if has(Floor::E2e) {
        // As for the e2e floor: another binary may be given.
        let given = std::env::var_os("TIDEGATE_BIN").map(PathBuf::from);
        programs.push(Program {
            name: "tidegate".to_owned(),
            path: given.map_or_else(build::run, Ok)?,
        });
    }
    let built = programs::build(|target| match target.package.as_str() {
        KERNEL_TESTS => has(Floor::Load) || has(Floor::Kernel),
        JOURNEYS => has(Floor::Journeys) && target.kind == Kind::Test,
        END_TO_END => has(Floor::E2e) && E2E.contains(&target.name.as_str()),
        _ => false,
    })?;
    programs.extend(built.into_iter().filter_map(Program::inside_of));
    Ok(Built {
        init: init()?,
        programs,
    })
}

/// Static, so that it can speak even where a library is missing.
fn init() -> Result<PathBuf> {
    let args = ["rustc", "--release", "--package", INIT, "--bin", INIT];
    let flags = ["--", "-C", "target-feature=+crt-static"];
    cargo::run(&[&args[..], &flags].concat())?;
    Ok(cargo::target_dir().join("release").join(INIT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs::Target;

    fn taken(kind: Kind, is_test: bool) -> Option<String> {
        let built = programs::Program {
            target: Target {
                package: KERNEL_TESTS.to_owned(),
                kind,
                name: "it".to_owned(),
                manifest: "/it/Cargo.toml".into(),
            },
            path: "/target/it-1234".into(),
            is_test,
        };
        Program::inside_of(built).map(|program| program.inside())
    }

    #[test]
    fn test_programs_and_what_they_call_are_taken() {
        assert_eq!(taken(Kind::Test, true).as_deref(), Some("usr/bin/it"));
        assert_eq!(taken(Kind::Bin, false).as_deref(), Some("usr/bin/it"));
        assert_eq!(taken(Kind::Bin, true), None);
        assert_eq!(taken(Kind::Lib, true), None);
    }
}

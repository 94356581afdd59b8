//! What is run in each machine, floor by floor.

use std::time::Duration;

use clap::ValueEnum;

use super::kernels::Kernel;
use super::skips;

/// The end-to-end tests that every kernel is given: the whole data path with real sockets, and the agent's life.
pub(super) const E2E: [&str; 4] = ["processes", "master_table", "traffic", "host_backend"];

/// Of the floor `kernel`, where every test loads all programs once or more: one of each kind, since an emulated
/// verifier takes most of a minute for it.
const KERNEL: [&str; 16] = [
    "adopt::maps_are_adopted",
    "again::a_device_made_anew",
    "again::another_mode_moves_xdp",
    "attach::each_role_and_mode",
    "cgroup::all_eight_hooks",
    "driver::",
    "filters::after_a_restart",
    "filters::each_role",
    "filters::filters_of_others",
    "filters::rule_5_1_11",
    "flows::a_new_flow",
    "lost::rule_5_1_11_a_program_that_somebody_detaches",
    "opening::rule_5_7_11",
    "pins::rule_5_1_11_pins_that_somebody_removes",
    "told::traffic_is_counted",
    "versions::the_next_version_takes",
];

/// Journeys that show nothing of a kernel: the host's half, what is said in words, and statistics, which an emulated
/// machine needs minutes for.
const HOST_ONLY: [&str; 4] = ["on_the_host", "words::", "properties::", "ten_thousand"];

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Floor {
    /// Every program through the verifier
    Load,
    /// Load, attach, pin and detach, one test of each kind
    Kernel,
    /// A flow's life, hop by hop, on the loaded programs
    Journeys,
    /// Real sockets through namespaces, with the real agent
    E2e,
}

/// One program that the machine runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Job {
    pub(super) floor: Floor,
    pub(super) name: String,
    within_s: u32,
    args: Vec<String>,
    /// Tests that the kernel cannot pass, and why.
    pub(super) skips: Vec<&'static skips::Skip>,
}

impl Floor {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Kernel => "kernel",
            Self::Journeys => "journeys",
            Self::E2e => "e2e",
        }
    }

    /// The programs of the floor.
    fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Load => &["verify"],
            Self::Kernel => &["kernel"],
            Self::Journeys => &["all"],
            Self::E2e => &E2E,
        }
    }

    fn within_s(self) -> u32 {
        match self {
            Self::Load => 600,
            Self::Journeys => 1200,
            // Each test, or each file of scenes, loads all programs at least once.
            Self::Kernel | Self::E2e => 2400,
        }
    }
}

impl Job {
    pub(super) fn within(&self) -> Duration {
        Duration::from_secs(self.within_s.into())
    }

    /// As the first process reads it.
    pub(super) fn line(&self) -> String {
        let Self {
            name,
            within_s,
            args,
            ..
        } = self;
        let mut fields = vec![
            name.clone(),
            within_s.to_string(),
            format!("/usr/bin/{name}"),
        ];
        fields.extend(args.iter().cloned());
        fields.join("\t") + "\n"
    }
}

/// What a kernel is to run.
pub(super) fn jobs(kernel: Kernel, floors: &[Floor], filter: &[String]) -> Vec<Job> {
    let of_floor = |floor: Floor| {
        floor
            .programs()
            .iter()
            .map(move |name| job(kernel, floor, name, filter))
    };
    floors.iter().copied().flat_map(of_floor).collect()
}

fn job(kernel: Kernel, floor: Floor, name: &str, filter: &[String]) -> Job {
    let skips = skips::of(kernel, name);
    let mut args = Vec::new();
    if floor == Floor::Kernel && filter.is_empty() {
        args.extend(KERNEL.map(str::to_owned));
    }
    if floor == Floor::Kernel {
        // Those for which a machine has devices that this one may not touch.
        args.push("--include-ignored".to_owned());
    }
    if floor != Floor::Load {
        args.extend(filter.iter().cloned());
        args.push("--test-threads=1".to_owned());
        args.extend(
            skips
                .iter()
                .flat_map(|skip| ["--skip".to_owned(), skip.test.to_owned()]),
        );
    }
    if floor == Floor::Journeys {
        let host = HOST_ONLY.iter().flat_map(|part| ["--skip", part]);
        args.extend(host.map(str::to_owned));
    }
    Job {
        floor,
        name: name.to_owned(),
        within_s: floor.within_s(),
        args,
        skips,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_one_line_of_fields_divided_by_tabs() {
        let filter = ["one".to_owned()];
        let jobs = jobs(Kernel::V6_12, &[Floor::Load, Floor::Journeys], &filter);
        let lines: Vec<_> = jobs.iter().map(Job::line).collect();
        assert_eq!(lines[0], "verify\t600\t/usr/bin/verify\n");
        assert!(
            lines[1].starts_with("all\t1200\t/usr/bin/all\tone\t--test-threads=1\t"),
            "{}",
            lines[1]
        );
        assert!(lines[1].contains("\t--skip\ton_the_host\t"), "{}", lines[1]);
    }
}

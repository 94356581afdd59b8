//! `vm`: tidegate on other kernels, each in a virtual machine of its own.
//!
//! Kernels come from Debian's archive, tests and programs from here; a machine needs neither disk nor network.
//! It needs no root: everything happens inside.

mod kernels;
mod archive;
mod fetch;
mod modules;
mod cpio;
mod programs;
mod built;
mod floors;
mod skips;
mod image;
mod run;
mod verdict;
mod matrix;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::ValueEnum as _;

use crate::test::Count;
use crate::{cargo, interrupt};
pub(crate) use floors::Floor;
pub(crate) use kernels::Kernel;
use matrix::{Matrix, Row};
use verdict::Verdict;

#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct Options {
    /// Only this kernel; may be given again for another
    #[arg(long)]
    pub(crate) kernel: Vec<Kernel>,
    /// Only this floor; may be given again for another
    #[arg(long)]
    pub(crate) floor: Vec<Floor>,
    /// Ask the archive for newer builds of the kernels
    #[arg(long)]
    fetch: bool,
    /// Only tests with one of these in their names
    pub(crate) filter: Vec<String>,
    /// A kernel that cannot be had is no failure
    #[arg(skip)]
    takes_what_there_is: bool,
}

/// From power-on to the first job, and from the last one to power-off, on a machine that has other things to do.
const BOOT: Duration = Duration::from_secs(300);

pub(crate) fn run(options: &Options) -> Result<()> {
    let matrix = try_kernels(options)?;
    println!("\n{matrix}");
    matrix.judge()
}

/// What `./x test` runs: one kernel, with what takes some minutes. Where it cannot be had, that is said, and no failure:
/// the archive is none of ours.
pub(crate) fn quick(filter: Option<&str>) -> Result<Count> {
    if let Some(missing) = run::missing_program() {
        println!("skipped: there is no {missing} here");
        return Ok(Count {
            skipped: 1,
            ..Count::default()
        });
    }
    let matrix = try_kernels(&Options {
        kernel: vec![Kernel::V6_12],
        floor: vec![Floor::Load, Floor::Journeys],
        filter: filter.map(str::to_owned).into_iter().collect(),
        takes_what_there_is: true,
        ..Options::default()
    })?;
    println!("\n{matrix}");
    Ok(matrix.sum())
}

/// Boots each kernel and says what came of it.
pub(crate) fn try_kernels(options: &Options) -> Result<Matrix> {
    interrupt::clean_up_when_interrupted()?;
    let all = |given: &[Kernel]| {
        if given.is_empty() {
            Kernel::value_variants().to_vec()
        } else {
            given.to_vec()
        }
    };
    let floors = if options.floor.is_empty() {
        Floor::value_variants().to_vec()
    } else {
        options.floor.clone()
    };
    let built = built::for_floors(&floors)?;
    let home = cargo::target_dir().join("vm");
    fs::create_dir_all(&home).with_context(|| home.display().to_string())?;
    let shared = image::shared(&built)?;
    let mut matrix = Matrix::new(&floors);
    for kernel in all(&options.kernel) {
        println!("\n== {} ==", kernel.name());
        let fetched = match fetch::kernel(kernel, &home, options.fetch) {
            Ok(fetched) => fetched,
            Err(error) => {
                let is_required = kernel.is_required() && !options.takes_what_there_is;
                matrix.push(Row::unfetched(kernel, is_required, &error));
                continue;
            }
        };
        let jobs = floors::jobs(kernel, &floors, &options.filter);
        matrix.push(boot(kernel, &fetched, &shared, &jobs, &floors, &home)?);
    }
    Ok(matrix)
}

fn boot(
    kernel: Kernel,
    fetched: &fetch::Fetched,
    shared: &[u8],
    jobs: &[floors::Job],
    floors: &[Floor],
    home: &std::path::Path,
) -> Result<Row> {
    let (modules, missing) = image::of_kernel(&fetched.modules)?;
    if !missing.is_empty() {
        println!(
            "Linux {} has no module {}",
            fetched.release,
            missing.join(", ")
        );
    }
    let initramfs = home.join(format!("{}.cpio", kernel.name()));
    fs::write(
        &initramfs,
        [&modules, shared, &image::of_jobs(jobs)].concat(),
    )
    .with_context(|| initramfs.display().to_string())?;
    let console: PathBuf = home.join(format!("{}.log", kernel.name()));
    let machine = run::Machine {
        kernel: &fetched.image,
        initramfs: &initramfs,
        console: &console,
        within: BOOT + jobs.iter().map(floors::Job::within).sum::<Duration>(),
    };
    let begin = Instant::now();
    let mut verdict = Verdict::new(jobs);
    let ended = run::run(&machine, |line| {
        println!("[{}] {line}", kernel.name());
        verdict.take_line(line);
    })?;
    fs::remove_file(&initramfs).with_context(|| initramfs.display().to_string())?;
    let mut complaints = run::complaints(&console)?;
    if !ended || !verdict.is_done() {
        println!(
            "[{}] the machine's last words:\n{}",
            kernel.name(),
            run::last_words(&console)
        );
        complaints.push("the machine did not do all its jobs".to_owned());
    }
    Ok(Row::new(
        kernel,
        &fetched.release,
        &verdict,
        floors,
        complaints,
        begin.elapsed(),
    ))
}

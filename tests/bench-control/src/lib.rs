//! How long the control path takes, and how much memory, at different numbers of Services.
//!
//! Two benches. [`inside`] is the control path in this process, on real maps of its own: objects that an API server
//! would send, through store, compiler, planner and loader. [`agent`] is the real agent, which follows a small API
//! server in this process: from an object put there to the entry in the kernel's map.
//!
//! Both have the same [`cluster`]: each Service has a clusterIP and one slice of five endpoints.

pub mod agent;
pub mod cluster;
pub mod inside;
pub mod measure;
pub mod report;

use anyhow::Result;

pub use report::{Report, Row};

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Numbers of Services.
    pub sizes: Vec<u32>,
    /// How many single changes are measured at each size.
    pub changes: u32,
    /// The control path in this process.
    pub is_inside: bool,
    /// The real agent.
    pub is_agent: bool,
    /// Each change compiles and plans everything, as agents did before they knew what a change touches.
    pub is_whole: bool,
}

/// Measures one size after the other.
pub fn run(options: &Options) -> Result<Report> {
    let mut report = Report::default();
    for size in &options.sizes {
        if options.is_inside {
            report.rows.push(apart(options, *size)?);
        }
        if options.is_agent {
            report.rows.push(agent::run(options, *size)?);
        }
    }
    Ok(report)
}

/// In a process of its own, so that no size inherits another one's memory.
fn apart(options: &Options, size: u32) -> Result<Row> {
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.args(["--one", "--size", &size.to_string()]);
    command.args(["--changes", &options.changes.to_string()]);
    if options.is_whole {
        command.arg("--whole");
    }
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    anyhow::ensure!(
        output.status.success(),
        "the bench of {size} Services failed"
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

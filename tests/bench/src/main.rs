//! `./x bench`: what a packet costs, with tidegate and without.

mod driver;
mod lane;
mod rules;
mod way;
mod forward;
mod tcp;
mod program;
mod report;
mod plot;

use anyhow::Result;
use clap::Parser;
use report::Report;

#[derive(Parser)]
struct Options {
    /// These sections only
    #[arg(long, value_delimiter = ',', default_value = "program,forward,tcp")]
    sections: Vec<String>,
    /// Where to write the results as JSON
    #[arg(long)]
    json: Option<std::path::PathBuf>,
    /// A directory for charts, as SVG
    #[arg(long)]
    svg: Option<std::path::PathBuf>,
    /// Fewer cases
    #[arg(long)]
    quick: bool,
    /// Repeats each case, for a profiler to look at
    #[arg(long, default_value_t = 1)]
    times: u32,
    /// Only cases with all of these words
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let mut report = Report::default();
    for section in &options.sections {
        match section.as_str() {
            "program" => program::run(&mut report, options.quick, options.times, &options.only)?,
            "forward" => forward::run(&mut report, options.quick, &options.only)?,
            "tcp" => tcp::run(&mut report, options.quick, &options.only)?,
            other => anyhow::bail!("no section {other}: there are program, forward and tcp"),
        }
    }
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)?;
    }
    if let Some(directory) = &options.svg {
        plot::write(&report.rows, directory)?;
    }
    Ok(())
}

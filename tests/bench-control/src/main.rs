//! Prints a table, and JSON if asked.

use anyhow::Result;
use clap::Parser;
use tidegate_bench_control::{Options, inside, run};

/// As the agent has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the control path.
#[derive(Parser)]
struct Arguments {
    /// Numbers of Services
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,50000")]
    size: Vec<u32>,
    /// Single changes at each size
    #[arg(long, default_value_t = 400)]
    changes: u32,
    /// Only the control path in this process
    #[arg(long)]
    inside: bool,
    /// Only the real agent
    #[arg(long)]
    agent: bool,
    /// Compile and plan everything at each change
    #[arg(long)]
    whole: bool,
    /// Also write the numbers to this file, as JSON
    #[arg(long)]
    json: Option<std::path::PathBuf>,
    /// One size, in this process; prints JSON only
    #[arg(long, hide = true)]
    one: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let options = Options {
        sizes: arguments.size,
        changes: arguments.changes,
        is_inside: !arguments.agent,
        is_agent: !arguments.inside && !arguments.whole,
        is_whole: arguments.whole,
    };
    if arguments.one {
        let size = options.sizes.first().copied().unwrap_or(1000);
        println!("{}", serde_json::to_string(&inside::run(&options, size)?)?);
        return Ok(());
    }
    let report = run(&options)?;
    println!("{}", report.table());
    if let Some(path) = arguments.json {
        std::fs::write(path, serde_json::to_string_pretty(&report)? + "\n")?;
    }
    Ok(())
}

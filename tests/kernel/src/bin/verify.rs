//! Loads every program on this kernel and prints how many instructions the verifier walked through.

use anyhow::{Context as _, Result, ensure};
use tidegate_kernel_tests::budget;
use tidegate_loader::{Options, verify_each};

/// The verifier gives up at this many.
const LIMIT: u32 = 1_000_000;

fn main() -> Result<()> {
    let pins = tidegate_rig::Pins::new().context("no bpffs")?;
    let options = Options {
        bpffs: pins.to_path_buf(),
        flows: 1024,
        traffic: 16,
        tcx: true,
    };
    let kernel = nix::sys::utsname::uname()?;
    println!("Linux {}", kernel.release().to_string_lossy());
    println!("{:<14} {:>12} {:>8}", "program", "instructions", "of limit");
    let mut bad = 0;
    verify_each(&options, |name, verified| match verified {
        Ok(None) => println!("{name:<14} {:>12} {:>8}", "loaded", "?%"),
        Ok(Some(count)) => {
            println!(
                "{name:<14} {count:>12} {:>7.1}%",
                f64::from(count) * 100.0 / f64::from(LIMIT)
            );
            let budget = budget::of(name).unwrap_or(0);
            if count > budget {
                println!("{name}: {count} instructions, its budget is {budget}");
                bad += 1;
            }
        }
        Err(error) => {
            println!("{name:<14} REFUSED {error}");
            bad += 1;
        }
    })?;
    ensure!(bad == 0, "{bad} programs were refused, or took too much");
    Ok(())
}

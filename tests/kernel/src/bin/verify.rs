//! Loads every program on this kernel and prints how many instructions the verifier walked through.

use anyhow::{Context as _, Result};
use tidegate_loader::{DataPath, Options, detach_all};

/// The verifier gives up at this many.
const LIMIT: u32 = 1_000_000;

fn main() -> Result<()> {
    let pins = tidegate_rig::Pins::new().context("no bpffs")?;
    let bpffs = pins.to_path_buf();
    let options = Options {
        bpffs: bpffs.clone(),
        flows: 1024,
        traffic: 16,
    };
    let counts = DataPath::load(&options).and_then(|loaded| loaded.verified_instructions());
    let _removed = detach_all(&bpffs)?;
    let kernel = nix::sys::utsname::uname()?;
    println!("Linux {}", kernel.release().to_string_lossy());
    println!("{:<14} {:>12} {:>8}", "program", "instructions", "of limit");
    for (name, count) in counts? {
        println!(
            "{name:<14} {count:>12} {:>7.1}%",
            f64::from(count) * 100.0 / f64::from(LIMIT)
        );
    }
    Ok(())
}

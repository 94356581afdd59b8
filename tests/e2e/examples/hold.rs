//! Builds the scene of the tests and holds it for a look with tcpdump, bpftool and the CLI.
//!
//! `cargo run -p tidegate-e2e --example hold -- auto 600`: ends by itself after so many seconds.

use anyhow::Result;
use tidegate_e2e::Setup;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let attach = args.next().unwrap_or_else(|| "auto".into());
    let seconds = args
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or(600);
    let setup = Setup::new(&attach, attach == "auto", &[])?;
    println!("client {}", setup.scene.client.name());
    println!("node A {}", setup.scene.a.ns.name());
    println!("{:?}", setup.spec.cli(["status"]));
    std::thread::sleep(std::time::Duration::from_secs(seconds));
    Ok(())
}

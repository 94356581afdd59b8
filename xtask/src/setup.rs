//! `setup`: says what is there. The starter `x` installs; it has run before this does.

use std::process::Command;

use anyhow::Result;
use tidegate_rig::output_of;

const TOOLS: [&[&str]; 6] = [
    &["rustc", "--version"],
    &["bpf-linker", "--version"],
    &["ip", "-V"],
    &["nft", "--version"],
    &["ethtool", "--version"],
    &["iperf3", "--version"],
];

pub(crate) fn run() -> Result<()> {
    for tool in TOOLS {
        let [program, args @ ..] = tool else {
            continue;
        };
        let printed = output_of(Command::new(program).args(args))?;
        println!("{}", printed.lines().next().unwrap_or(program));
    }
    println!("all is there");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::cargo::workspace;

    #[test]
    fn the_starter_finds_the_pinned_rust_where_rustup_does() {
        let pinned = fs::read_to_string(workspace().join("rust-toolchain.toml")).unwrap();
        // `x` reads this very line with sed.
        assert!(
            pinned
                .lines()
                .any(|line| line.starts_with("channel = \"1.")),
            "{pinned}"
        );
    }

    #[test]
    fn the_starter_installs_the_nightly_that_the_loader_asks_for() {
        let starter = fs::read_to_string(workspace().join("x")).unwrap();
        let script = fs::read_to_string(workspace().join("userspace/loader/build.rs")).unwrap();
        let (_, pinned) = starter.split_once("\nnightly=").unwrap();
        let pinned = pinned.split_whitespace().next().unwrap();
        assert!(
            script.contains(&format!("\"{pinned}\"")),
            "{pinned} is not in build.rs"
        );
    }
}

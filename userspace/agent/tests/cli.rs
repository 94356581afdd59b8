//! The command line from outside: exit codes, one-line complaints, and who wins over whom.
//!
//! Each run of the agent here ends before it touches the kernel.

use std::{
    fs,
    process::{Command, Output},
};

fn tidegate(args: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    for (name, _) in std::env::vars() {
        if name.starts_with("TIDEGATE_") {
            command.env_remove(name);
        }
    }
    command
        .args(args)
        .envs(environment.iter().copied())
        .output()
        .expect("cargo has built the binary")
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// NodePorts; masquerading with them is refused before anything else happens.
const CLASH: &str = "30000-30100";
const CLASHES: &str = "--masquerade-ports 30000-30100 overlaps --nodeport-range 30000-32767";

#[test]
fn the_environment_wins_over_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tidegate.toml");
    fs::write(&file, "masquerade-ports = '1000-1100'\n").unwrap();
    let args = ["run", "--config", file.to_str().unwrap()];
    let output = tidegate(&args, &[("TIDEGATE_MASQUERADE_PORTS", CLASH)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaint(&output).contains(CLASHES),
        "{}",
        complaint(&output)
    );
}

#[test]
fn a_flag_wins_over_the_environment() {
    let args = ["run", "--masquerade-ports", CLASH];
    let output = tidegate(&args, &[("TIDEGATE_MASQUERADE_PORTS", "1000-1100")]);
    assert!(
        complaint(&output).contains(CLASHES),
        "{}",
        complaint(&output)
    );
}

#[test]
fn the_environment_may_name_the_file_and_the_file_wins_over_the_default() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tidegate.toml");
    fs::write(&file, format!("masquerade-ports = '{CLASH}'\n")).unwrap();
    let output = tidegate(&["run"], &[("TIDEGATE_CONFIG", file.to_str().unwrap())]);
    assert!(
        complaint(&output).contains(CLASHES),
        "{}",
        complaint(&output)
    );
}

#[test]
fn a_complaint_is_one_line() {
    let output = tidegate(&["run", "--masquerade-ports", CLASH], &[]);
    assert_eq!(
        complaint(&output).lines().count(),
        1,
        "{}",
        complaint(&output)
    );
}

#[test]
fn bad_usage_has_exit_code_2() {
    for args in [
        &["run", "--masquerade-ports", "high"][..],
        &["run", "--attach", "xpd"],
        &["run", "--config", "/nonexistent.toml"],
        &["get", "pods"],
        &["frobnicate"],
        &[],
    ] {
        let output = tidegate(args, &[]);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{args:?}: {}",
            complaint(&output)
        );
    }
}

#[test]
fn a_bad_value_in_the_environment_is_bad_usage_too() {
    let output = tidegate(&["run"], &[("TIDEGATE_FLOWS", "many")]);
    assert_eq!(output.status.code(), Some(2), "{}", complaint(&output));
}

#[test]
fn without_an_agent_at_the_socket_the_exit_code_is_3() {
    for args in [
        &["get", "services"][..],
        &["get", "flows", "-o", "json"],
        &["status"],
    ] {
        let output = tidegate(args, &[("TIDEGATE_API", "/nonexistent/api.sock")]);
        assert_eq!(
            output.status.code(),
            Some(3),
            "{args:?}: {}",
            complaint(&output)
        );
        assert!(complaint(&output).contains("no agent at /nonexistent/api.sock"));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn masquerade_ports_that_local_sockets_use_are_refused() {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let first = range.split_whitespace().next().unwrap();
    let args = [
        "run",
        "--masquerade-ports",
        &format!("{first}-{first}"),
        "--nodeport-range",
        "1-2",
    ];
    let output = tidegate(&args, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaint(&output).contains("net.ipv4.ip_local_port_range"),
        "{}",
        complaint(&output)
    );
}

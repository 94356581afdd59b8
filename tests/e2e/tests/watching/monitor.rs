//! Live events: what is told, what filters leave, and how it ends.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;
use tidegate_e2e::{Proto, ask};

use crate::{follow::Monitor, stage::Stage};

impl Stage {
    fn monitor(&self, args: &[&str]) -> Result<Monitor> {
        let args = ["monitor"].iter().chain(args).copied();
        Monitor::start(self.world.spec.cli(args))
    }
}

#[test]
fn new_flows_rejects_and_drops_are_told_in_one_line_each() -> Result<()> {
    let stage = Stage::new()?;
    let monitor = stage.monitor(&[])?;
    stage.open()?;
    let line = monitor.until("new_flow")?.pop().context("no line")?;
    let door = stage.door(&stage.web);
    let client = stage.world.client_address(false);
    for part in [
        format!(" new    new_flow            TCP {client}:"),
        format!(" -> {door} -> 10.244."),
        ":8080 ".to_owned(),
        " default/web:tcp at eth0".to_owned(),
    ] {
        ensure!(line.contains(&part), "no {part:?} in {line}");
    }
    stage.be_rejected()?;
    let line = monitor.until("no_endpoints")?.pop().context("no line")?;
    ensure!(line.contains(" reject no_endpoints "), "{line}");
    ensure!(line.ends_with(" default/empty:tcp at eth0"), "{line}");
    stage.be_dropped()?;
    let line = monitor
        .until("no_local_endpoint")?
        .pop()
        .context("no line")?;
    ensure!(line.contains(" drop   no_local_endpoint "), "{line}");
    ensure!(line.ends_with(" default/afar:udp at eth0"), "{line}");
    Ok(())
}

#[test]
fn a_flow_to_another_node_tells_with_which_source_it_is_seen() -> Result<()> {
    let stage = Stage::new()?;
    let mut command = stage
        .world
        .spec
        .cli(["monitor", "-o", "json", "--kind", "new", "--count", "8"]);
    let output = std::thread::scope(|scope| -> Result<_> {
        let running = scope.spawn(move || command.output());
        // Nobody says when it listens.
        while !running.is_finished() {
            stage.open()?;
        }
        Ok(running.join().ok().context("a panic")??)
    })?;
    ensure!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    let text = String::from_utf8(output.stdout)?;
    let rows: Vec<Value> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    ensure!(rows.len() == 8, "{text}");
    let node = stage.world.node_address(false).to_string();
    for row in rows {
        ensure!(
            row["kind"] == "new" && row["service"] == "web" && row["port"] == 80,
            "{row}"
        );
        ensure!(
            row["device"] == "eth0" && row["bytes"].as_u64() > Some(40),
            "{row}"
        );
        let backend: SocketAddr = row["backend"].as_str().context("no backend")?.parse()?;
        let is_afar = backend.ip() == stage.world.b(1).addresses()[0];
        match row["seenAs"].as_str() {
            None => ensure!(!is_afar, "{row}"),
            Some(source) => {
                ensure!(is_afar && source.starts_with(&format!("{node}:")), "{row}");
            }
        }
    }
    Ok(())
}

#[test]
fn filters_leave_what_was_asked_for() -> Result<()> {
    let stage = Stage::new()?;
    let client = stage.world.client_address(false).to_string();
    let filters: [(&[&str], &str); 5] = [
        (&["--kind", "drop"], "no_local_endpoint"),
        (
            &["--kind", "reject,drop", "--service", "default/empty"],
            "no_endpoints",
        ),
        (&["--service", "afar"], "no_local_endpoint"),
        (
            &["--reason", "no_endpoints", "--address", &client],
            "no_endpoints",
        ),
        (
            &["--service", "default/empty", "--address", "192.168.1.0/24"],
            "no_endpoints",
        ),
    ];
    let monitors: Vec<_> = filters
        .iter()
        .map(|(args, wanted)| Ok((stage.monitor(args)?, *wanted)))
        .collect::<Result<_>>()?;
    let far = stage.monitor(&["--address", "203.0.113.0/24", "--seconds", "5"])?;
    for _ in 0..3 {
        stage.open()?;
        stage.be_rejected()?;
        stage.be_dropped()?;
    }
    for (monitor, wanted) in &monitors {
        for _ in 0..3 {
            let line = monitor.line()?;
            ensure!(line.contains(wanted), "{line} is no {wanted}");
        }
    }
    // Nothing, and then the end.
    ensure!(far.line().is_err(), "of an address that nobody has");
    Ok(())
}

#[test]
fn a_process_of_the_host_is_told_as_a_socket() -> Result<()> {
    let stage = Stage::new()?;
    let monitor = stage.monitor(&["--service", "web"])?;
    let to = stage.web.cluster(false);
    stage.world.scene.a.ns.run(|| ask(Proto::Tcp, to))?;
    let line = monitor
        .until("socket_translated")?
        .pop()
        .context("no line")?;
    ensure!(line.contains(&format!("-> {to} -> 10.244.")), "{line}");
    ensure!(line.ends_with(" default/web:tcp at a socket"), "{line}");
    Ok(())
}

#[test]
fn it_ends_by_count_by_time_and_by_signals_with_success() -> Result<()> {
    let stage = Stage::new()?;
    let mut counted = stage.monitor(&["--count", "2", "--kind", "reject"])?;
    let mut timed = stage.monitor(&["--seconds", "1"])?;
    let mut interrupted = stage.monitor(&[])?;
    let mut terminated = stage.monitor(&[])?;
    for _ in 0..4 {
        stage.be_rejected()?;
    }
    for _ in 0..2 {
        counted.line()?;
    }
    ensure!(counted.end()?.code() == Some(0), "--count");
    ensure!(counted.line().is_err(), "more than was asked for");
    ensure!(timed.end()?.code() == Some(0), "--seconds");
    interrupted.signal(Signal::SIGINT)?;
    ensure!(interrupted.end()?.code() == Some(0), "Ctrl-C");
    terminated.signal(Signal::SIGTERM)?;
    ensure!(terminated.end()?.code() == Some(0), "SIGTERM");
    Ok(())
}

#[test]
fn an_agent_that_ends_is_told() -> Result<()> {
    let mut stage = Stage::new()?;
    let mut monitor = stage.monitor(&[])?;
    stage.world.kill_agent()?;
    ensure!(monitor.end()?.code() == Some(1), "exit code");
    let told = monitor.complaint()?;
    ensure!(told.starts_with("tidegate: the agent"), "{told}");
    let output = stage.world.spec.cli(["monitor"]).output()?;
    ensure!(output.status.code() == Some(3), "{output:?}");
    Ok(())
}

#[test]
fn what_is_asked_wrongly_is_refused_with_what_would_be_right() -> Result<()> {
    let stage = Stage::new()?;
    for (args, code, told) in [
        (["--reason", "no_luck"], 2, "source_range"),
        (["--kind", "pass"], 2, "reject"),
        (["--address", "10.0.0"], 2, "neither an address nor a block"),
        (["--sample", "0"], 2, "0 is not in 1..="),
        (["--count", "0"], 2, "0 is not in 1.."),
        (["--service", "a/b/c"], 2, "is not a name"),
        (
            ["--service", "default/nobody"],
            1,
            "no Service default/nobody is served here",
        ),
    ] {
        let args = ["monitor"].into_iter().chain(args);
        let output = stage.world.spec.cli(args.clone()).output()?;
        let text = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(code),
            "{:?}: {output:?}",
            args.collect::<Vec<_>>()
        );
        ensure!(text.contains(told), "{text}");
    }
    Ok(())
}

#[test]
fn a_sample_is_told_in_powers_of_two_and_is_fewer() -> Result<()> {
    let stage = Stage::new()?;
    let mut command = stage
        .world
        .spec
        .cli(["monitor", "--sample", "1000", "--seconds", "1"]);
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(text.contains("one event in 1024"), "{text}");
    let all = stage.monitor(&["--kind", "drop"])?;
    let some = stage.monitor(&["--kind", "drop", "--sample", "4"])?;
    for _ in 0..400 {
        stage.be_dropped()?;
    }
    for _ in 0..400 {
        all.line()?;
    }
    // While somebody hears everything, every fourth; else the kernel takes a fourth at random.
    for _ in 0..100 {
        some.line()?;
    }
    some.signal(Signal::SIGINT)?;
    ensure!(some.line().is_err(), "more than a fourth");
    Ok(())
}

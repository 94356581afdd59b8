//! Taking everything away: at exit, or with `tidegate detach`.

use std::{
    fs,
    net::SocketAddr,
    process::{Command, Output},
};

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Proto, Setup, ask};
use tidegate_rig::{Netns, binary};

use crate::{refused::complaint, wait::soon};

/// What is dialled, and from where: through the uplink, through a socket hook, through a pod's device.
fn callers(setup: &Setup) -> [(Netns, SocketAddr); 3] {
    let scene = &setup.scene;
    [
        (scene.client.clone(), Setup::LOCAL.node_port(setup, false)),
        (scene.a.ns.clone(), Setup::REMOTE.cluster(false)),
        (scene.a.pods[2].ns.clone(), Setup::REMOTE.cluster(true)),
    ]
}

/// No pin, no program on the uplink, and nobody is served any more.
fn nothing_is_left(
    setup_pins: &std::path::Path,
    callers: &[(Netns, SocketAddr)],
    node: &Netns,
) -> Result<()> {
    ensure!(!setup_pins.exists(), "{} stays", setup_pins.display());
    soon(|| {
        let shown = node.sh("ip -d link show eth0")?;
        ensure!(!shown.contains("xdp"), "XDP stays: {shown}");
        Ok(())
    })?;
    for (from, to) in callers {
        soon(|| {
            let answer = from.run(|| ask(Proto::Tcp, *to));
            ensure!(answer.is_err(), "{} is served: {answer:?}", from.name());
            Ok(())
        })?;
    }
    Ok(())
}

fn detach(node: &Netns, pins: &std::path::Path) -> Result<Output> {
    let mut command: Command = node.command(binary()?);
    let output = command.arg("detach").arg("--bpffs").arg(pins).output();
    output.context("cannot run tidegate detach")
}

#[test]
fn with_detach_on_exit_nothing_stays() -> Result<()> {
    for attach in ["auto", "xdp"] {
        let setup = Setup::new(attach, attach == "auto", &["--detach-on-exit"])?;
        let callers = callers(&setup);
        for (from, to) in &callers {
            let _answer = from.run(|| ask(Proto::Tcp, *to))?;
        }
        ensure!(fs::read_dir(setup.spec.pins.join("v1/links"))?.count() > 8);
        ensure!(setup.agent.stop()?.code() == Some(0));
        nothing_is_left(&setup.spec.pins, &callers, &setup.scene.a.ns).context(attach)?;
    }
    Ok(())
}

#[test]
fn detach_needs_no_agent_takes_everything_away_and_says_what() -> Result<()> {
    let setup = Setup::new("xdp", false, &[])?;
    let callers = callers(&setup);
    let (node, pins) = (&setup.scene.a.ns, &setup.spec.pins);
    let links = fs::read_dir(pins.join("v1/links"))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>>>()?;
    setup.agent.kill()?;
    for (from, to) in &callers {
        let _answer = from.run(|| ask(Proto::Tcp, *to))?;
    }
    let output = detach(node, pins)?;
    let said = String::from_utf8(output.stdout)?;
    ensure!(output.status.success(), "{}: {said}", output.status);
    for link in links {
        let line = format!("link {link}");
        ensure!(said.lines().any(|it| it == line), "no `{line}`: {said}");
    }
    ensure!(said.lines().any(|line| line == "map frontends4"), "{said}");
    nothing_is_left(pins, &callers, node)?;

    let again = detach(node, pins)?;
    let said = String::from_utf8(again.stdout)?;
    ensure!(
        again.status.success() && said.starts_with("nothing of tidegate is pinned at "),
        "{}: {said}",
        again.status
    );
    Ok(())
}

#[test]
fn detach_is_refused_while_an_agent_runs() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    let output = detach(&setup.scene.a.ns, &setup.spec.pins)?;
    ensure!(output.status.code() == Some(1), "{}", output.status);
    let said = complaint(&output)?;
    ensure!(said.contains("another tidegate uses "), "{said}");
    for (from, to) in callers(&setup) {
        let _answer = from.run(|| ask(Proto::Tcp, to))?;
    }
    Ok(())
}

//! Killed and started again under traffic, and two at a time.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::JoinHandle,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use tidegate_e2e::{Proto, Setup, ask};
use tidegate_rig::Netns;

use crate::{
    lifecycle::{established, goes_on},
    refused::{complaint, run_with},
    wait::soon,
};

/// Somebody who dials again and again; the first failure ends it.
struct Dialler {
    asked: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
}

impl Dialler {
    fn start(client: &Netns, to: SocketAddr) -> Self {
        let (asked, stop) = (
            Arc::new(AtomicU32::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (count, end) = (Arc::clone(&asked), Arc::clone(&stop));
        let thread = client.spawn(move || {
            while !end.load(Ordering::Relaxed) {
                let nth = count.load(Ordering::Relaxed);
                let answer = ask(Proto::Tcp, to);
                let _answer = answer.with_context(|| format!("dial {nth} to {to}"))?;
                count.store(nth + 1, Ordering::Relaxed);
            }
            Ok(())
        });
        Self {
            asked,
            stop,
            thread,
        }
    }

    /// Waits until it has dialled as often again.
    fn more(&self, count: u32) -> Result<()> {
        let enough = self.asked.load(Ordering::Relaxed) + count;
        soon(|| {
            let asked = self.asked.load(Ordering::Relaxed);
            // One that failed is told about at the end.
            ensure!(
                asked >= enough || self.thread.is_finished(),
                "{asked} of {enough} dials"
            );
            Ok(())
        })
    }

    fn finish(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.join();
        ended.map_err(|_panic| anyhow!("the dialler panicked"))?
    }
}

#[test]
fn rule_5_1_8_killed_and_restarted_under_traffic_it_loses_no_connection_and_no_dial() -> Result<()>
{
    for attach in ["auto", "xdp"] {
        let setup = Setup::new(attach, attach == "auto", &[])?;
        let client = &setup.scene.client;
        let to = [
            Setup::REMOTE.node_port(&setup, false),
            Setup::SPREAD.node_port(&setup, true),
        ];
        let mut old = to
            .iter()
            .map(|to| established(client, *to))
            .collect::<Result<Vec<_>>>()?;
        let diallers = to.map(|to| Dialler::start(client, to));
        let all_dial = || diallers.iter().try_for_each(|dialler| dialler.more(50));
        all_dial()?;
        setup.agent.kill()?;
        all_dial()?;
        old.iter_mut().try_for_each(goes_on)?;
        let again = setup.spec.start()?;
        all_dial()?;
        old.iter_mut().try_for_each(goes_on)?;
        let status = setup.spec.status()?;
        ensure!(
            status["adopted"] == true && status["synced"] == true,
            "{status}"
        );
        // And once more, the friendly way.
        ensure!(again.stop()?.success());
        all_dial()?;
        let _third = setup.spec.start()?;
        all_dial()?;
        for dialler in diallers {
            dialler.finish().context(attach)?;
        }
        old.iter_mut().try_for_each(goes_on)?;
    }
    Ok(())
}

#[test]
fn what_changed_while_no_agent_ran_is_made_true_at_the_next_start() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    let client = &setup.scene.client;
    let [local, remote] = [Setup::LOCAL, Setup::REMOTE].map(|it| it.node_port(&setup, false));
    let other = &setup.scene.b.pods[1];
    let _answer = client.run(|| ask(Proto::Tcp, local))?;
    setup.set_endpoints(Setup::REMOTE, &[other])?;
    setup.agent.kill()?;
    setup.spec.manifests.remove("local.json")?;
    let _again = setup.spec.start()?;
    // `ready` means that the maps match the manifests: no waiting here.
    let answer = client.run(|| ask(Proto::Tcp, remote))?;
    ensure!(answer.backend == other.name, "{answer:?}");
    let refused = client.run(|| ask(Proto::Tcp, local));
    ensure!(refused.is_err(), "still served: {refused:?}");
    Ok(())
}

#[test]
fn a_second_agent_is_refused_with_one_line_and_the_first_serves_on() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    let other = |what: &str| -> Result<String> {
        let dir = setup.scene.dir("other")?.join(what);
        Ok(dir.display().to_string())
    };
    let (state, api) = (other("state")?, other("api.sock")?);
    let bpffs = format!("{}-other", setup.spec.pins.display());
    for (changes, expected) in [
        (vec![], "another tidegate uses "),
        (
            vec![("--state-dir", &state), ("--api", &api)],
            "another tidegate uses ",
        ),
        (
            vec![("--state-dir", &state), ("--bpffs", &bpffs)],
            "another agent answers at ",
        ),
    ] {
        let output = run_with(&setup.scene.a.ns, &setup.spec, &changes)?;
        ensure!(output.status.code() == Some(1), "{}", output.status);
        let said = complaint(&output)?;
        ensure!(said.contains(expected), "{changes:?}: {said}");
    }
    ensure!(!std::path::Path::new(&bpffs).exists(), "{bpffs} was made");
    ensure!(setup.spec.status()?["synced"] == true);
    let to = Setup::REMOTE.node_port(&setup, false);
    let _answer = setup.scene.client.run(|| ask(Proto::Tcp, to))?;
    Ok(())
}

#[test]
fn what_is_switched_off_at_a_restart_is_gone() -> Result<()> {
    let setup = Setup::new("xdp", false, &[])?;
    setup.agent.kill()?;
    let spec = setup.spec.attach("xdp-generic").args(["--cgroup", "off"]);
    let _again = spec.start()?;
    let status = spec.status()?;
    ensure!(status["cgroup"] == "off", "{status}");
    let links = std::fs::read_dir(spec.pins.join("v1/links"))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>>>()?;
    ensure!(
        !links.iter().any(|link| link.starts_with("cgroup-")),
        "{links:?}"
    );
    let shown = setup.scene.a.ns.sh("ip -d link show eth0")?;
    ensure!(shown.contains(" xdpgeneric"), "{shown}");
    Ok(())
}

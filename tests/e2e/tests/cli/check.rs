//! `check`: a preflight without an agent.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tidegate_rig::binary;

use crate::{
    ran::{Ran, finish},
    world,
};

fn check(world: &tidegate_e2e::World, args: &[&str]) -> Result<Ran> {
    let mut command = world.scene.a.ns.command(binary()?);
    command.arg("check").args(args);
    finish(command, "")
}

fn item<'a>(report: &'a Value, name: &str) -> Result<&'a Value> {
    let items = report["items"].as_array().context("no items")?;
    let found = items.iter().find(|it| it["name"] == name);
    found.with_context(|| format!("no {name}: {report}"))
}

#[test]
fn on_a_kernel_that_can_run_the_agent_nothing_that_is_needed_is_missing() -> Result<()> {
    let world = world()?;
    // With an agent that runs: nothing of it is disturbed.
    let before = world.frontends()?;
    let report = check(&world, &["--uplink", "eth0", "-o", "json"])?
        .ok()?
        .json()?;
    ensure!(report["ok"] == true, "{report}");
    for item in report["items"].as_array().context("no items")? {
        let fields = ["name", "needed", "state", "found", "costs", "remedy"];
        ensure!(fields.iter().all(|field| !item[field].is_null()), "{item}");
        ensure!(item["needed"] == false || item["state"] == "ok", "{item}");
    }
    for name in [
        "rights",
        "bpf(2)",
        "ring buffer",
        "tidegate's programs",
        "tcx",
        "no rules of kube-proxy",
    ] {
        ensure!(item(&report, name)?["state"] == "ok", "{report}");
    }
    let uplink = item(&report, "uplink")?;
    ensure!(
        uplink["found"]
            .as_str()
            .is_some_and(|it| it.starts_with("eth0")),
        "{uplink}"
    );
    let xdp = item(&report, "XDP at eth0")?;
    ensure!(xdp["state"] == "missing" && xdp["needed"] == false, "{xdp}");
    ensure!(world.frontends()? == before);
    let text = check(&world, &["--uplink", "eth0"])?.ok()?.out;
    ensure!(
        text.ends_with("everything that tidegate needs is there\n"),
        "{text}"
    );
    Ok(())
}

#[test]
fn something_needed_that_is_missing_is_code_1_and_named_in_one_line() -> Result<()> {
    let world = world()?;
    let ran = check(&world, &["--bpffs", "/tmp/no/bpffs/here", "-o", "json"])?;
    let ran = ran.fails(1, "needed and missing: bpffs")?;
    let report = ran.json()?;
    ensure!(
        report["ok"] == false && item(&report, "bpffs")?["state"] == "missing",
        "{report}"
    );
    Ok(())
}

#[test]
fn what_kube_proxy_has_left_behind_is_found() -> Result<()> {
    let world = world()?;
    let ns = &world.scene.b.ns;
    let look = || -> Result<Value> {
        let mut command = ns.command(binary()?);
        command.args(["check", "-o", "json"]);
        let report = finish(command, "")?.json()?;
        Ok(item(&report, "no rules of kube-proxy")?.clone())
    };
    ensure!(look()?["state"] == "ok", "{}", look()?);
    ns.sh("nft 'add table ip kube-proxy; add chain ip kube-proxy services; add table ip nat; add chain ip nat KUBE-SERVICES; add chain ip nat KUBE-KUBELET-CANARY'")?;
    let found = look();
    ns.sh("nft 'delete table ip kube-proxy; delete table ip nat'")?;
    let found = found?;
    ensure!(
        found["state"] == "missing"
            && found["found"]
                == "1 chains in table kube-proxy of nftables; 1 chains in table nat of nftables",
        "{found}"
    );
    Ok(())
}

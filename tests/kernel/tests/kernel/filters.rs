//! Filters on clsact qdiscs: what there is before Linux 6.6, and with `--tcx=false`.

use std::{io::Read as _, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use tidegate_abi::Ip4;
use tidegate_frames::Roles;
use tidegate_loader::{Abi, Attach, DataPath, Options, Role, detach_all};

use crate::{
    flows::{open, records, serve},
    stage::{DEVICE, Stage},
};

fn options(stage: &Stage) -> Options {
    Options {
        tcx: false,
        ..stage.options()
    }
}

fn load(stage: &Stage) -> Result<DataPath> {
    stage.load_with(&options(stage))
}

fn attach(stage: &Stage, data_path: &mut DataPath, role: Role) -> Result<()> {
    let attached = stage.attach(data_path, role, Attach::Tc)?;
    ensure!(attached.hooks == "clsact", "{attached:?}");
    Ok(())
}

/// The lines of `tc filter show` that name a program of ours, at one side of the device.
fn shown(stage: &Stage, side: &str) -> Result<Vec<String>> {
    let text = stage
        .node
        .sh(&format!("tc filter show dev {DEVICE} {side}"))?;
    let lines = text.lines().filter(|line| line.contains(" tc_"));
    Ok(lines.map(|line| line.trim().to_owned()).collect())
}

/// The only one at ingress.
fn only(stage: &Stage) -> Result<String> {
    let mut all = shown(stage, "ingress")?;
    ensure!(all.len() == 1, "{all:?}");
    Ok(all.remove(0))
}

/// What `tc monitor` hears meanwhile.
fn overheard(stage: &Stage, what: impl FnOnce() -> Result<()>) -> Result<String> {
    let mut command = stage.node.command("tc");
    let mut monitor = command.arg("monitor").stdout(Stdio::piped()).spawn()?;
    let mut heard = monitor.stdout.take().context("tc without output")?;
    // Its first word is of a qdisc that is made when it listens.
    let mut bytes = Vec::new();
    let mut listens = || -> Result<()> {
        while bytes.is_empty() {
            stage.node.sh("tc qdisc replace dev lo clsact")?;
            stage.node.sh("tc qdisc del dev lo clsact")?;
            let mut some = [0; 256];
            let count = heard.read(&mut some)?;
            bytes.extend_from_slice(&some[..count]);
        }
        Ok(())
    };
    let done = listens().and_then(|()| what());
    std::thread::sleep(std::time::Duration::from_millis(100));
    monitor.kill()?;
    monitor.wait()?;
    heard.read_to_end(&mut bytes)?;
    done?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[test]
fn each_role_has_its_filter_and_detach_takes_it_away() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = load(&stage)?;
    data_path.set_host_backends(true)?;
    for (role, name) in [
        (Role::Uplink, "tc_uplink"),
        (Role::Pod, "tc_pod"),
        (Role::Overlay, "tc_overlay"),
    ] {
        attach(&stage, &mut data_path, role)?;
        let line = only(&stage)?;
        ensure!(line.contains(&format!(" {name} direct-action")), "{line}");
        let out = shown(&stage, "egress")?;
        ensure!(out.len() == 1 && out[0].contains(" tc_host "), "{out:?}");
    }
    stage.node.run(|| data_path.detach_device(DEVICE))?;
    ensure!(shown(&stage, "ingress")?.is_empty() && shown(&stage, "egress")?.is_empty());
    attach(&stage, &mut data_path, Role::Pod)?;
    let removed = stage.node.run(|| detach_all(&stage.pins))?;
    let expected = format!("filter tc_pod on {DEVICE}");
    ensure!(removed.contains(&expected), "{removed:?}");
    ensure!(shown(&stage, "ingress")?.is_empty() && shown(&stage, "egress")?.is_empty());
    Ok(())
}

#[test]
fn after_a_restart_the_new_program_is_exchanged_for_the_old_one_without_a_gap() -> Result<()> {
    let stage = Stage::new()?;
    let mut first = load(&stage)?;
    attach(&stage, &mut first, Role::Uplink)?;
    drop(first);
    let before = only(&stage).context("the filter stays when the agent goes")?;
    let mut second = load(&stage)?;
    let heard = overheard(&stage, || attach(&stage, &mut second, Role::Uplink))?;
    let after = only(&stage)?;
    let handle = |line: &str| line.split(" tc_uplink ").next().map(str::to_owned);
    ensure!(handle(&before) == handle(&after), "{before}, then {after}");
    ensure!(before != after, "the old program: {after}");
    ensure!(heard.contains(" tc_uplink "), "nothing was heard: {heard}");
    let deleted = heard
        .lines()
        .find(|line| line.contains("deleted filter") && line.contains(DEVICE));
    ensure!(deleted.is_none(), "{heard}");
    Ok(())
}

#[test]
fn rule_5_1_11_a_filter_that_somebody_takes_away_is_noticed_and_put_back() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = load(&stage)?;
    attach(&stage, &mut data_path, Role::Uplink)?;
    let lost = |data_path: &DataPath| stage.node.run(|| data_path.lost_devices());
    ensure!(lost(&data_path).is_empty(), "all is there");
    for deed in [
        format!("tc filter del dev {DEVICE} ingress"),
        format!("tc qdisc del dev {DEVICE} clsact"),
    ] {
        stage.node.sh(&deed)?;
        ensure!(lost(&data_path) == [DEVICE], "{deed}");
        attach(&stage, &mut data_path, Role::Uplink)?;
        ensure!(lost(&data_path).is_empty(), "{deed}");
        only(&stage)?;
    }
    Ok(())
}

#[test]
fn filters_of_others_stay_whatever_place_they_have() -> Result<()> {
    let stage = Stage::new()?;
    stage
        .node
        .sh(&format!("tc qdisc add dev {DEVICE} clsact"))?;
    // Programs that return 0, "no match"; one of them in the place that many choose.
    for place in ["prio 1 handle 1", "prio 7 handle 3"] {
        stage.node.sh(&format!(
            "tc filter add dev {DEVICE} ingress {place} bpf bytecode '1,6 0 0 0,'"
        ))?;
    }
    let theirs = || {
        stage
            .node
            .sh(&format!("tc filter show dev {DEVICE} ingress"))
    };
    let before = theirs()?;
    let mut data_path = load(&stage)?;
    attach(&stage, &mut data_path, Role::Uplink)?;
    only(&stage)?;
    stage.node.run(|| data_path.detach_device(DEVICE))?;
    ensure!(theirs()? == before, "{before}, then {}", theirs()?);
    Ok(())
}

#[test]
fn a_device_that_a_later_run_does_not_want_loses_its_filter() -> Result<()> {
    let stage = Stage::new()?;
    let mut first = load(&stage)?;
    attach(&stage, &mut first, Role::Pod)?;
    drop(first);
    let mut second = load(&stage)?;
    let index = stage.index()?;
    stage.node.run(|| second.forget_links_except(&[index]))?;
    only(&stage).context("it is wanted")?;
    // Nor is it another tidegate's to take.
    let pins = tidegate_rig::Pins::new()?;
    let mut other = stage.load_with(&Options {
        bpffs: pins.to_path_buf(),
        ..options(&stage)
    })?;
    stage.node.run(|| other.forget_links_except(&[]))?;
    only(&stage).context("it is not its own")?;
    stage.node.run(|| second.forget_links_except(&[]))?;
    ensure!(shown(&stage, "ingress")?.is_empty());
    Ok(())
}

#[test]
fn the_next_version_takes_filters_over_and_knows_their_flows() -> Result<()> {
    let stage = Stage::new()?;
    let mut old = load(&stage)?;
    serve(&stage, &mut old)?;
    attach(&stage, &mut old, Role::Uplink)?;
    open(&stage, &old, Roles::v4())?;
    let flows = records::<Ip4>(&old)?;
    drop(old);
    let before = only(&stage)?;
    let abi = Abi::pretended(2, &["settings", "slots"]);
    let mut next = stage
        .node
        .run(|| DataPath::load_as(&options(&stage), &abi))?;
    ensure!(only(&stage)? == before, "loading alone changes nothing");
    ensure!(records::<Ip4>(&next)? == flows, "the flows are not shared");
    serve(&stage, &mut next)?;
    let heard = overheard(&stage, || attach(&stage, &mut next, Role::Uplink))?;
    ensure!(
        !heard.contains(&format!("deleted filter dev {DEVICE}")),
        "{heard}"
    );
    next.retire_others()?;
    ensure!(only(&stage)? != before, "the old program");
    Ok(())
}

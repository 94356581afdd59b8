//! What is attached for each role and mode: what the loader says, and what the kernel says.

use anyhow::{Context as _, Result, ensure};
use tidegate_loader::{Attach, Role};

use crate::{
    says::{self, TCX_EGRESS, TCX_INGRESS},
    stage::{DEVICE, Stage},
};

/// A role and a mode; the tc program, what is said of the hooks, and XDP's mode as the kernel counts.
type Case = (Role, Attach, &'static str, &'static str, Option<u64>);

/// XDP's modes as the kernel counts them.
pub(crate) const NATIVE: u64 = 1;
pub(crate) const GENERIC: u64 = 2;

const CASES: [Case; 7] = [
    (Role::Uplink, Attach::Tc, "tc_uplink", "tcx", None),
    // A veth has no driver of its own.
    (Role::Uplink, Attach::Auto, "tc_uplink", "tcx", None),
    (
        Role::Uplink,
        Attach::Xdp,
        "tc_uplink",
        "xdp (native) + tcx",
        Some(NATIVE),
    ),
    (
        Role::Uplink,
        Attach::XdpGeneric,
        "tc_uplink",
        "xdp (generic) + tcx",
        Some(GENERIC),
    ),
    (Role::Pod, Attach::Auto, "tc_pod", "tcx", None),
    // Pods and tunnels never get XDP.
    (Role::Pod, Attach::Xdp, "tc_pod", "tcx", None),
    (Role::Overlay, Attach::XdpGeneric, "tc_overlay", "tcx", None),
];

#[test]
fn each_role_and_mode_gets_its_hooks_and_detach_takes_them_away() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    for case in CASES {
        let (role, mode, ..) = case;
        let attached = stage.attach(&mut data_path, role, mode)?;
        check(&stage, case, &attached.hooks, &attached.why).with_context(|| format!("{case:?}"))?;
        stage.node.run(|| data_path.detach_device(DEVICE))?;
        says::soon(|| is_bare(&stage)).with_context(|| format!("{case:?}, detached"))?;
    }
    Ok(())
}

fn check(stage: &Stage, case: Case, hooks: &str, why: &str) -> Result<()> {
    let (_, _, program, expected, mode) = case;
    let index = stage.index()?;
    ensure!(hooks == expected, "said to be {hooks}");
    ensure!(!why.is_empty() && !why.contains('\n'), "why: {why:?}");
    let here = programs(stage, TCX_INGRESS)?;
    ensure!(here.len() == 1, "at tcx ingress: {here:?}");
    ensure!(
        says::program_name(here[0])? == program,
        "at tcx ingress: {}",
        says::program_name(here[0])?
    );
    let link = stage.link("tcx")?;
    ensure!(
        (link.program, link.device) == (here[0], Some(index)),
        "{link:?}"
    );
    let (found, id) = xdp(stage)?;
    ensure!(found == mode, "XDP in mode {found:?}, not {mode:?}");
    if mode.is_some() {
        let link = stage.link("xdp")?;
        ensure!(
            (Some(u64::from(link.program)), link.device) == (id, Some(index)),
            "{link:?}, and on the device is {id:?}"
        );
    }
    let pins = 1 + usize::from(mode.is_some());
    ensure!(stage.links()?.len() == pins, "{:?}", stage.links()?);
    Ok(())
}

fn is_bare(stage: &Stage) -> Result<()> {
    let here = [programs(stage, TCX_INGRESS)?, programs(stage, TCX_EGRESS)?].concat();
    ensure!(here.is_empty(), "at tcx: {here:?}");
    ensure!(xdp(stage)? == (None, None), "XDP: {:?}", xdp(stage)?);
    ensure!(stage.links()?.is_empty(), "pinned: {:?}", stage.links()?);
    Ok(())
}

fn programs(stage: &Stage, hook: u32) -> Result<Vec<u32>> {
    let index = stage.index()?;
    stage.node.run(|| says::programs_at(index, hook))
}

/// Mode and program id of the XDP program, as `ip` tells them.
pub(crate) fn xdp(stage: &Stage) -> Result<(Option<u64>, Option<u64>)> {
    let text = stage.node.sh(&format!("ip -j -d link show dev {DEVICE}"))?;
    let shown: serde_json::Value = serde_json::from_str(&text)?;
    let xdp = &shown[0]["xdp"];
    Ok((xdp["mode"].as_u64(), xdp["prog"]["id"].as_u64()))
}

#[test]
fn only_while_this_host_has_backends_there_is_a_program_at_egress() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    stage.attach(&mut data_path, Role::Uplink, Attach::Tc)?;
    for wanted in [true, true, false, false, true] {
        stage.node.run(|| data_path.set_host_backends(wanted))?;
        says::soon(|| {
            let here = programs(&stage, TCX_EGRESS)?;
            let count = usize::from(wanted);
            ensure!(here.len() == count, "{wanted}: at egress {here:?}");
            Ok(())
        })?;
    }
    let host = programs(&stage, TCX_EGRESS)?[0];
    ensure!(says::program_name(host)? == "tc_host");
    // It goes with the rest.
    stage.node.run(|| data_path.detach_device(DEVICE))?;
    says::soon(|| is_bare(&stage))
}

#[test]
fn a_device_that_does_not_exist_is_an_error_that_names_it() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    let attached = stage
        .node
        .run(|| data_path.attach_device("nosuch0", Role::Pod, Attach::Auto));
    let error = attached.err().context("attached to nothing")?.to_string();
    ensure!(
        error.contains("nosuch0") && error.lines().count() == 1,
        "{error}"
    );
    ensure!(stage.links()?.is_empty(), "{:?}", stage.links()?);
    // A device that was never attached is no error, since it may be gone.
    Ok(stage.node.run(|| data_path.detach_device("nosuch0"))?)
}

#[test]
fn after_a_restart_an_egress_program_that_nobody_needs_any_more_goes() -> Result<()> {
    let stage = Stage::new()?;
    let mut earlier = stage.load()?;
    stage.attach(&mut earlier, Role::Uplink, Attach::Tc)?;
    stage.node.run(|| earlier.set_host_backends(true))?;
    ensure!(programs(&stage, TCX_EGRESS)?.len() == 1);
    drop(earlier);

    let mut later = stage.load()?;
    stage.attach(&mut later, Role::Uplink, Attach::Tc)?;
    // So long its connections have it.
    ensure!(programs(&stage, TCX_EGRESS)?.len() == 1);
    stage.node.run(|| later.set_host_backends(false))?;
    says::soon(|| {
        let here = programs(&stage, TCX_EGRESS)?;
        ensure!(here.is_empty(), "at egress {here:?}");
        Ok(())
    })
}

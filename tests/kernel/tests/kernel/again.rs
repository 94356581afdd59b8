//! Attaching again: to the same device, after a restart, and to one of the same name.

use anyhow::{Context as _, Result, ensure};
use tidegate_loader::{Attach, Role};

use crate::{
    attach::{GENERIC, NATIVE, xdp},
    says::{self, Link, TCX_INGRESS},
    stage::{DEVICE, Stage},
};

/// Both links of the device.
fn links(stage: &Stage) -> Result<[Link; 2]> {
    Ok([stage.link("tcx")?, stage.link("xdp")?])
}

#[test]
fn a_second_attach_keeps_the_links() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    stage.attach(&mut data_path, Role::Uplink, Attach::Xdp)?;
    let before = links(&stage)?;
    stage.attach(&mut data_path, Role::Uplink, Attach::Xdp)?;
    ensure!(
        links(&stage)? == before,
        "{before:?}, then {:?}",
        links(&stage)?
    );
    Ok(())
}

#[test]
fn after_a_restart_the_new_programs_take_the_old_ones_place_in_the_same_links() -> Result<()> {
    let stage = Stage::new()?;
    let mut first = stage.load()?;
    stage.attach(&mut first, Role::Uplink, Attach::Xdp)?;
    drop(first);
    let before = links(&stage).context("the links stay when the agent goes")?;
    let mut second = stage.load()?;
    ensure!(
        links(&stage)? == before,
        "loading alone changes nothing: {:?}",
        links(&stage)?
    );
    stage.attach(&mut second, Role::Uplink, Attach::Xdp)?;
    for (old, new) in before.iter().zip(links(&stage)?) {
        ensure!(old.id == new.id, "another link: {old:?}, {new:?}");
        ensure!(old.program != new.program, "the old program: {new:?}");
    }
    let index = stage.index()?;
    let here = stage.node.run(|| says::programs_at(index, TCX_INGRESS))?;
    ensure!(here.len() == 1, "one beside the other: {here:?}");
    Ok(())
}

#[test]
fn another_role_is_another_program_in_the_same_link() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    stage.attach(&mut data_path, Role::Uplink, Attach::Xdp)?;
    let [tc, xdp] = links(&stage)?;
    stage.attach(&mut data_path, Role::Pod, Attach::Xdp)?;
    let now = stage.link("tcx")?;
    ensure!(now.id == tc.id, "{tc:?}, {now:?}");
    ensure!(says::program_name(now.program)? == "tc_pod");
    // Pods have no XDP.
    says::link_goes(xdp.id)
}

#[test]
fn without_xdp_in_the_mode_the_xdp_link_goes_and_tc_stays() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    for (mode, expected) in [(Attach::Xdp, NATIVE), (Attach::XdpGeneric, GENERIC)] {
        stage.attach(&mut data_path, Role::Uplink, mode)?;
        ensure!(xdp(&stage)?.0 == Some(expected), "{mode:?}");
        let [tc, _] = links(&stage)?;
        stage.attach(&mut data_path, Role::Uplink, Attach::Tc)?;
        says::soon(|| {
            ensure!(xdp(&stage)?.0.is_none(), "after {mode:?} XDP stays");
            Ok(())
        })?;
        ensure!(stage.link("tcx")? == tc, "another tc link");
    }
    Ok(())
}

#[test]
fn a_device_made_anew_under_the_old_name_can_be_attached() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    stage.attach(&mut data_path, Role::Uplink, Attach::Xdp)?;
    let old = stage.index()?;
    stage.unplug()?;
    stage.plug()?;
    let new = stage.index()?;
    ensure!(new != old, "the kernel gave the same index again");
    stage.attach(&mut data_path, Role::Uplink, Attach::Xdp)?;
    // The links of the device that is gone hang on nothing; the agent asks for their removal.
    data_path.forget_links_except(&[new])?;
    for link in links(&stage)? {
        ensure!(link.device == Some(new), "{link:?}");
    }
    Ok(())
}

#[test]
fn a_device_that_is_gone_can_be_detached() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    stage.attach(&mut data_path, Role::Uplink, Attach::Xdp)?;
    let ids = links(&stage)?.map(|link| link.id);
    stage.unplug()?;
    stage.node.run(|| data_path.detach_device(DEVICE))?;
    ensure!(stage.links()?.is_empty(), "{:?}", stage.links()?);
    ids.into_iter().try_for_each(says::link_goes)
}

#[test]
fn another_mode_moves_xdp_and_never_leaves_both() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    for (mode, expected) in [
        (Attach::Xdp, Some(NATIVE)),
        (Attach::XdpGeneric, Some(GENERIC)),
        (Attach::Xdp, Some(NATIVE)),
        (Attach::Tc, None),
        (Attach::XdpGeneric, Some(GENERIC)),
    ] {
        stage.attach(&mut data_path, Role::Uplink, mode)?;
        let (found, _) = xdp(&stage)?;
        ensure!(found == expected, "{mode:?}: XDP in mode {found:?}");
        let pins = 1 + usize::from(expected.is_some());
        ensure!(stage.links()?.len() == pins, "{:?}", stage.links()?);
    }
    Ok(())
}

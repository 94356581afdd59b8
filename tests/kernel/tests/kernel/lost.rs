//! Programs that somebody else takes away are noticed and put back (rule 5.1.11).

use anyhow::{Context as _, Result, ensure};
use tidegate_loader::{Attach, Role};
use tidegate_rig::{XdpPass, bpf};

use crate::{
    says::{self, TCX_INGRESS},
    stage::{DEVICE, Stage},
};

#[test]
fn rule_5_1_11_a_program_that_somebody_detaches_is_noticed_and_attached_again() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    stage.attach(&mut data_path, Role::Uplink, Attach::Xdp)?;
    ensure!(data_path.lost_devices().is_empty(), "all is there");
    let index = stage.index()?;
    for link in [format!("tc-{index}"), format!("xdp-{index}")] {
        bpf::detach(&stage.link_pin(&link))?;
        ensure!(data_path.lost_devices() == [DEVICE], "{link}");
        let _restored = data_path.restore_pins()?;
        ensure!(
            data_path.lost_devices() == [DEVICE],
            "{link} has a pin only"
        );
        stage.attach(&mut data_path, Role::Uplink, Attach::Xdp)?;
        ensure!(data_path.lost_devices().is_empty(), "{link} is back");
        ensure!(stage.links()?.contains(&link), "{:?}", stage.links()?);
    }
    let here = stage.node.run(|| says::programs_at(index, TCX_INGRESS))?;
    ensure!(here.len() == 1, "{here:?}");
    Ok(())
}

#[test]
fn rule_5_1_11_a_program_that_somebody_puts_into_our_link_is_noticed_and_replaced() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    stage.attach(&mut data_path, Role::Uplink, Attach::Xdp)?;
    let ours = stage.link("xdp")?.program;
    // Somebody else's program of the same kind: another load of ours.
    let elsewhere = Stage::new()?;
    let mut other = elsewhere.load()?;
    elsewhere.attach(&mut other, Role::Uplink, Attach::Xdp)?;
    let theirs = elsewhere.link("xdp")?.program;
    let index = stage.index()?;
    says::replace(&stage.link_pin(&format!("xdp-{index}")), theirs)?;
    ensure!(stage.link("xdp")?.program == theirs, "it did not work");
    ensure!(data_path.lost_devices() == [DEVICE], "not noticed");
    stage.attach(&mut data_path, Role::Uplink, Attach::Xdp)?;
    ensure!(
        stage.link("xdp")?.program == ours,
        "{:?}",
        stage.link("xdp")?
    );
    ensure!(data_path.lost_devices().is_empty(), "not put back");
    Ok(())
}

#[test]
fn rule_5_1_11_a_device_whose_xdp_place_somebody_has_taken_is_served_by_tc() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    stage.attach(&mut data_path, Role::Uplink, Attach::Xdp)?;
    let index = stage.index()?;
    bpf::detach(&stage.link_pin(&format!("xdp-{index}")))?;
    let _theirs = XdpPass::attach(&stage.node, DEVICE)?;
    ensure!(data_path.lost_devices() == [DEVICE], "not noticed");
    let refused = stage.attach(&mut data_path, Role::Uplink, Attach::Xdp);
    let error = refused.err().context("two XDP programs")?.to_string();
    ensure!(
        error.contains(DEVICE) && error.lines().count() == 1,
        "{error}"
    );
    let here = stage.node.run(|| says::programs_at(index, TCX_INGRESS))?;
    ensure!(here.len() == 1, "tc is not there: {here:?}");
    Ok(())
}

#[test]
fn rule_5_1_11_a_device_that_was_detached_on_purpose_is_not_missed() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    stage.attach(&mut data_path, Role::Uplink, Attach::Xdp)?;
    stage.attach(&mut data_path, Role::Uplink, Attach::Tc)?;
    ensure!(data_path.lost_devices().is_empty(), "XDP was given up");
    stage.node.run(|| data_path.detach_device(DEVICE))?;
    ensure!(data_path.lost_devices().is_empty(), "so was the device");
    Ok(())
}

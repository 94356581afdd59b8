//! Programs that somebody else takes away are noticed and put back (rule 5.1.11).

use std::{
    fs,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use tidegate_loader::{Attach, DataPath, Role};

use crate::{
    says::{self, TCX_INGRESS},
    stage::{DEVICE, Stage},
};

/// Removes a pin; nobody else holds the link, so the kernel detaches it.
fn take_away(stage: &Stage, link: &str) -> Result<()> {
    Ok(fs::remove_file(stage.pins.join("v1/links").join(link))?)
}

/// The kernel frees a link a moment after its last user has gone, and refuses the same program until then.
fn attach_again(stage: &Stage, data_path: &mut DataPath) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match stage.attach(data_path, Role::Uplink, Attach::Xdp) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => sleep(Duration::from_millis(20)),
        }
    }
}

#[test]
fn rule_5_1_11_a_program_whose_link_is_gone_is_noticed_and_attached_again() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    stage.attach(&mut data_path, Role::Uplink, Attach::Xdp)?;
    ensure!(data_path.lost_devices().is_empty(), "all is there");
    let index = stage.index()?;
    for link in [format!("tc-{index}"), format!("xdp-{index}")] {
        take_away(&stage, &link)?;
        ensure!(data_path.lost_devices() == [DEVICE], "{link}");
        attach_again(&stage, &mut data_path)?;
        ensure!(data_path.lost_devices().is_empty(), "{link} is back");
        ensure!(stage.links()?.contains(&link), "{:?}", stage.links()?);
    }
    let here = stage.node.run(|| says::programs_at(index, TCX_INGRESS))?;
    ensure!(here.len() == 1, "{here:?}");
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

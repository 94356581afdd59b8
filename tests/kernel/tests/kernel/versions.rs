//! An agent of another `ABI_VERSION` follows one that still serves.

use anyhow::{Result, ensure};
use tidegate_abi::{Ip4, Ip6, Reason};
use tidegate_frames::Roles;
use tidegate_loader::{Abi, Attach, DataPath, Role};

use crate::{
    flows::{open, records, serve},
    says::{self, Link, TCX_INGRESS},
    stage::Stage,
};

/// The first version, which has served a flow of each family.
fn first(stage: &Stage) -> Result<DataPath> {
    let mut data_path = stage.load()?;
    serve(stage, &mut data_path)?;
    stage.attach(&mut data_path, Role::Uplink, Attach::Xdp)?;
    open(stage, &data_path, Roles::v4())?;
    open(stage, &data_path, Roles::v6())?;
    Ok(data_path)
}

fn load(stage: &Stage, abi: &Abi) -> Result<DataPath> {
    Ok(stage
        .node
        .run(|| DataPath::load_as(&stage.options(), abi))?)
}

fn links(stage: &Stage, version: u32) -> Result<Vec<Link>> {
    let index = stage.index()?;
    ["tc", "xdp"]
        .iter()
        .map(|kind| says::link_at(&stage.pins.join(format!("v{version}/links/{kind}-{index}"))))
        .collect()
}

#[test]
fn the_next_version_takes_links_and_unchanged_maps_over_without_a_gap() -> Result<()> {
    let stage = Stage::new()?;
    let old = first(&stage)?;
    let flows = (records::<Ip4>(&old)?, records::<Ip6>(&old)?);
    let before = links(&stage, 1)?;
    drop(old);

    let mut next = load(&stage, &Abi::pretended(2, &["settings", "slots"]))?;
    ensure!(next.predecessor() == Some(1), "{:?}", next.predecessor());
    ensure!(next.adopted() && next.replaced_maps().is_empty());
    ensure!(links(&stage, 1)? == before, "loading alone changes nothing");
    let now = (records::<Ip4>(&next)?, records::<Ip6>(&next)?);
    ensure!(now == flows, "{flows:?}, then {now:?}");
    // What has changed is new, and told again.
    ensure!(next.slots(1)?[0].0 == 0, "the old slots");
    // So is what leads to it: the old programs must not read it before they have gone.
    ensure!(next.frontends::<Ip4>()?.is_empty(), "the old frontends");
    let left = next.backends::<Ip4>()?;
    ensure!(
        left.len() == 2 && left[1].generation == 2 && left[1].flags == 0,
        "flows of the old backend would be taken for those of a new one: {left:?}"
    );
    serve(&stage, &mut next)?;

    stage.attach(&mut next, Role::Uplink, Attach::Xdp)?;
    let after = links(&stage, 2)?;
    for (old, new) in before.iter().zip(&after) {
        ensure!(
            old.id == new.id && old.program != new.program && old.device == new.device,
            "{old:?}, then {new:?}"
        );
    }
    next.retire_others()?;
    ensure!(!stage.pins.join("v1").exists(), "the old pins stay");
    let index = stage.index()?;
    let here = stage.node.run(|| says::programs_at(index, TCX_INGRESS))?;
    ensure!(here == [after[0].program], "{here:?}");
    open(&stage, &next, Roles::v4())?;
    ensure!(next.counters()?[Reason::KnownFlow as usize].packets == 1);
    ensure!(next.predecessor().is_none());
    Ok(())
}

#[test]
fn what_another_version_means_by_its_maps_is_not_read_and_the_loss_is_named() -> Result<()> {
    let stage = Stage::new()?;
    drop(first(&stage)?);
    let next = load(&stage, &Abi::pretended(3, &["flows4", "opening_flows4"]))?;
    let lost = next.replaced_maps();
    ensure!(
        lost.len() == 2
            && lost[0].starts_with("flows4 (version 1 ")
            && lost[1].starts_with("opening_flows4 (version 1 "),
        "{lost:?}"
    );
    ensure!(next.flows::<Ip4>()?.is_empty() && next.flows::<Ip6>()?.len() == 2);
    Ok(())
}

#[test]
fn an_older_version_does_not_trust_the_maps_of_a_newer_one_and_takes_its_links() -> Result<()> {
    let stage = Stage::new()?;
    let mut newer = load(&stage, &Abi::pretended(2, &[]))?;
    serve(&stage, &mut newer)?;
    stage.attach(&mut newer, Role::Uplink, Attach::Xdp)?;
    open(&stage, &newer, Roles::v4())?;
    let before = links(&stage, 2)?;
    drop(newer);

    let mut older = stage.load()?;
    ensure!(older.predecessor() == Some(2) && !older.adopted());
    let lost = older.replaced_maps().join(", ");
    for map in ["flows4", "flows6", "affinity4", "sockets6", "counters"] {
        ensure!(lost.contains(map), "{map} is not in {lost}");
    }
    serve(&stage, &mut older)?;
    stage.attach(&mut older, Role::Uplink, Attach::Xdp)?;
    older.retire_others()?;
    let after = links(&stage, 1)?;
    ensure!(after[0].id == before[0].id && after[0].program != before[0].program);
    ensure!(!stage.pins.join("v2").exists());
    Ok(())
}

#[test]
fn a_take_over_that_was_cut_short_is_finished_by_the_next_start() -> Result<()> {
    let stage = Stage::new()?;
    drop(first(&stage)?);
    let abi = Abi::pretended(2, &[]);
    // Only one link came over, then the agent died.
    let mut cut = load(&stage, &abi)?;
    stage.attach(&mut cut, Role::Uplink, Attach::Tc)?;
    drop(cut);
    ensure!(stage.pins.join("v1/links").read_dir()?.count() == 1);
    let mut next = load(&stage, &abi)?;
    ensure!(next.predecessor() == Some(1));
    stage.attach(&mut next, Role::Uplink, Attach::Xdp)?;
    next.retire_others()?;
    ensure!(links(&stage, 2)?.len() == 2 && !stage.pins.join("v1").exists());
    Ok(())
}

#[test]
fn links_that_the_new_version_does_not_want_go_with_the_rest_of_the_old_one() -> Result<()> {
    let stage = Stage::new()?;
    drop(first(&stage)?);
    let mut next = load(&stage, &Abi::pretended(2, &[]))?;
    stage.attach(&mut next, Role::Uplink, Attach::Tc)?;
    next.retire_others()?;
    let shown = stage.node.sh("ip -d link show up0")?;
    ensure!(!shown.contains("xdp"), "the old XDP program stays: {shown}");
    ensure!(stage.pins.join("v2/links").read_dir()?.count() == 1);
    Ok(())
}

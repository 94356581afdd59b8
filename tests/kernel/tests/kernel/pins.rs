//! Pins that somebody else removes: nothing stops, and they come back (rule 5.1.11).

use std::fs;

use anyhow::{Result, ensure};
use tidegate_abi::{Ip4, Reason};
use tidegate_frames::Roles;
use tidegate_loader::{Attach, DataPath, Role};

use crate::{
    flows::{open, records, serve},
    says::{self, TCX_INGRESS},
    stage::Stage,
};

/// A data path that has served a flow, attached by tc and XDP.
fn serving(stage: &Stage) -> Result<DataPath> {
    let mut data_path = stage.load()?;
    serve(stage, &mut data_path)?;
    stage.attach(&mut data_path, Role::Uplink, Attach::Xdp)?;
    open(stage, &data_path, Roles::v4())?;
    Ok(data_path)
}

/// Names and ids of all that is pinned.
fn pinned(stage: &Stage) -> Result<Vec<(String, u32)>> {
    let mut found = Vec::new();
    for (directory, is_map) in [("v1/maps", true), ("v1/links", false)] {
        for entry in fs::read_dir(stage.pins.join(directory))? {
            let path = entry?.path();
            let id = if is_map {
                says::map_at(&path)?
            } else {
                says::link_at(&path)?.id
            };
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            found.push((name.into_owned(), id));
        }
    }
    found.sort();
    Ok(found)
}

#[test]
fn rule_5_1_11_pins_that_somebody_removes_come_back_and_nothing_is_detached_meanwhile() -> Result<()>
{
    let stage = Stage::new()?;
    let mut data_path = serving(&stage)?;
    let before = pinned(&stage)?;
    ensure!(before.len() == 28, "{before:?}");
    let index = stage.index()?;
    for what in [
        "v1/maps/flows4",
        "v1/maps/asides",
        "v1/maps",
        "v1/links",
        "v1",
        "",
    ] {
        let path = stage.pins.join(what);
        if path.is_dir() {
            fs::remove_dir_all(&path)?;
        } else {
            fs::remove_file(&path)?;
        }
        let here = stage.node.run(|| says::programs_at(index, TCX_INGRESS))?;
        ensure!(here.len() == 1, "without {what:?} tc is detached");
        ensure!(data_path.lost_devices().is_empty(), "{what:?}");
        let restored = data_path.restore_pins()?;
        ensure!(!restored.is_empty(), "{what:?}: nothing was restored");
        ensure!(pinned(&stage)? == before, "{what:?}: other objects");
        let again = data_path.restore_pins()?;
        ensure!(again.is_empty(), "{what:?}: {again:?}");
    }
    let flows = records::<Ip4>(&data_path)?;
    drop(data_path);
    let next = stage.load()?;
    ensure!(next.adopted() && records::<Ip4>(&next)? == flows);
    open(&stage, &next, Roles::v4())?;
    ensure!(next.counters()?[Reason::KnownFlow as usize].packets == 1);
    Ok(())
}

#[test]
fn rule_5_1_11_another_object_in_the_place_of_a_pin_makes_way() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = serving(&stage)?;
    let before = pinned(&stage)?;
    let maps = stage.pins.join("v1/maps");
    fs::remove_file(maps.join("frontends4"))?;
    fs::rename(maps.join("frontends6"), maps.join("frontends4"))?;
    let restored = data_path.restore_pins()?;
    ensure!(
        restored == ["map frontends4", "map frontends6"],
        "{restored:?}"
    );
    ensure!(pinned(&stage)? == before);
    Ok(())
}

#[test]
fn rule_5_1_11_programs_for_rare_packets_that_somebody_takes_out_of_their_map_come_back()
-> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = serving(&stage)?;
    let pin = stage.pins.join("v1/maps/asides");
    let before = says::programs_in(&pin)?;
    ensure!(before.iter().all(Option::is_some), "{before:?}");
    says::clear(&pin, 0)?;
    ensure!(says::programs_in(&pin)?[0].is_none());
    let restored = data_path.restore_pins()?;
    ensure!(restored == ["programs for rare packets"], "{restored:?}");
    ensure!(says::programs_in(&pin)? == before);
    Ok(())
}

#[test]
fn the_directory_that_is_made_again_is_held_like_the_first_one() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = serving(&stage)?;
    let _held = tidegate_loader::lock(&stage.pins)?;
    fs::remove_dir_all(&*stage.pins)?;
    data_path.restore_pins()?;
    ensure!(
        tidegate_loader::lock(&stage.pins).is_err(),
        "free for others"
    );
    drop(data_path);
    ensure!(tidegate_loader::lock(&stage.pins).is_ok(), "held for ever");
    Ok(())
}

#[test]
fn pins_of_maps_that_somebody_removes_while_no_agent_runs_are_found_through_the_programs()
-> Result<()> {
    let stage = Stage::new()?;
    let data_path = serving(&stage)?;
    let (flows, frontends) = (records::<Ip4>(&data_path)?, data_path.frontends::<Ip4>()?);
    ensure!(!flows.is_empty() && !frontends.is_empty());
    let before = pinned(&stage)?;
    drop(data_path);
    fs::remove_dir_all(stage.pins.join("v1/maps"))?;

    let next = stage.load()?;
    ensure!(next.adopted(), "began with empty maps");
    ensure!(records::<Ip4>(&next)? == flows);
    ensure!(next.frontends::<Ip4>()? == frontends);
    // Whose names the kernel cuts, which no attached program uses, and the array that it emptied, are new.
    let now = pinned(&stage)?;
    let is_other = |(name, id): &&(String, u32)| !now.contains(&(name.clone(), *id));
    let others: Vec<&String> = before
        .iter()
        .filter(is_other)
        .map(|(name, _)| name)
        .collect();
    let may_be_new = |name: &&&String| {
        ["backend_traffic", "sockets", "asides"]
            .iter()
            .any(|it| name.starts_with(it))
    };
    ensure!(others.iter().all(|name| may_be_new(&name)), "{others:?}");
    open(&stage, &next, Roles::v4())?;
    ensure!(next.counters()?[Reason::KnownFlow as usize].packets == 1);
    Ok(())
}

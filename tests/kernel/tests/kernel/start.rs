//! The beginning and the end: what is refused, and that nothing stays.

use anyhow::{Context as _, Result, ensure};
use tidegate_loader::{Attach, DataPath, Options, Role, detach_all, lock};
use tidegate_rig::Scene;

use crate::{says, stage::Stage};

#[test]
fn without_a_bpffs_nothing_is_loaded_and_the_sentence_says_how_to_mount_one() -> Result<()> {
    let scene = Scene::new()?;
    let bpffs = scene.dir("plain")?.join("tidegate");
    let options = Options {
        bpffs: bpffs.clone(),
        flows: 1024,
        traffic: 64,
        tcx: true,
    };
    let error = DataPath::load(&options).err();
    let error = error.context("loaded without a bpffs")?.to_string();
    ensure!(
        error.contains("mount -t bpf bpf /sys/fs/bpf") && error.lines().count() == 1,
        "{error}"
    );
    ensure!(!bpffs.exists(), "it made {}", bpffs.display());
    Ok(())
}

#[test]
fn a_directory_is_held_by_one_only_until_it_lets_go() -> Result<()> {
    let stage = Stage::new()?;
    let held = lock(&stage.pins)?;
    let error = lock(&stage.pins).err().context("held twice")?.to_string();
    let expected = format!("another tidegate uses {}", stage.pins.display());
    ensure!(
        error.starts_with(&expected) && error.contains("--bpffs") && error.lines().count() == 1,
        "{error}"
    );
    drop(held);
    drop(lock(&stage.pins).context("after the first let go")?);
    Ok(())
}

#[test]
fn detach_all_takes_links_and_maps_away_and_the_directory_with_them() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    stage.attach(&mut data_path, Role::Uplink, Attach::Xdp)?;
    let (names, links) = (stage.links()?, [stage.link("tcx")?, stage.link("xdp")?]);
    drop(data_path);

    let removed = detach_all(&stage.pins)?;
    for name in names {
        ensure!(removed.contains(&format!("link {name}")), "{removed:?}");
    }
    for map in ["frontends4", "flows6", "counters", "events"] {
        ensure!(removed.contains(&format!("map {map}")), "{removed:?}");
    }
    for link in links {
        says::link_goes(link.id)?;
    }
    ensure!(!stage.pins.exists(), "{} stays", stage.pins.display());
    // There is nothing left to take away, which is no error.
    let again = detach_all(&stage.pins)?;
    ensure!(again.is_empty(), "{again:?}");
    // Whoever comes next begins with empty maps.
    ensure!(!stage.load()?.adopted(), "adopted what was detached");
    Ok(())
}

#[test]
fn detach_all_leaves_what_others_put_into_the_directory() -> Result<()> {
    let stage = Stage::new()?;
    drop(stage.load()?);
    std::fs::create_dir(stage.pins.join("other"))?;
    detach_all(&stage.pins)?;
    ensure!(stage.pins.join("other").exists(), "somebody else's is gone");
    ensure!(!stage.pins.join("v1").exists(), "ours is still there");
    Ok(())
}

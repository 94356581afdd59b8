//! What one run leaves in its maps, the next one finds.

use anyhow::{Result, ensure};
use tidegate_abi::{Ip4, Ip6, Reason};
use tidegate_frames::Roles;
use tidegate_loader::{DataPath, Options};

use crate::{
    flows::{accept, open, records, serve},
    stage::{FLOWS, Stage},
};

/// A run that served a flow of each family, and is over.
fn earlier_run(stage: &Stage) -> Result<DataPath> {
    let mut data_path = stage.load()?;
    ensure!(!data_path.adopted(), "adopted from nobody");
    ensure!(data_path.replaced_maps().is_empty());
    serve(stage, &mut data_path)?;
    for roles in [Roles::v4(), Roles::v6()] {
        open(stage, &data_path, roles)?;
        accept(stage, &data_path, roles)?;
    }
    Ok(data_path)
}

#[test]
fn maps_are_adopted_with_all_that_is_in_them() -> Result<()> {
    let stage = Stage::new()?;
    let first = earlier_run(&stage)?;
    let before = (
        first.frontends::<Ip4>()?,
        first.frontends::<Ip6>()?,
        first.backends::<Ip4>()?,
        first.backends::<Ip6>()?,
        first.slots(4)?,
        first.known_devices()?,
        first.counters()?,
    );
    let flows = (records::<Ip4>(&first)?, records::<Ip6>(&first)?);
    ensure!(!before.0.is_empty() && !before.1.is_empty(), "{before:?}");
    ensure!(flows.0.len() == 2 && flows.1.len() == 2, "{flows:?}");
    drop(first);

    let second = stage.load()?;
    ensure!(second.adopted(), "not adopted");
    ensure!(
        second.replaced_maps().is_empty(),
        "{:?}",
        second.replaced_maps()
    );
    let after = (
        second.frontends::<Ip4>()?,
        second.frontends::<Ip6>()?,
        second.backends::<Ip4>()?,
        second.backends::<Ip6>()?,
        second.slots(4)?,
        second.known_devices()?,
        second.counters()?,
    );
    ensure!(after == before, "{before:?}, then {after:?}");
    let now = (records::<Ip4>(&second)?, records::<Ip6>(&second)?);
    ensure!(now == flows, "{flows:?}, then {now:?}");
    // The programs of the second run use them, too.
    open(&stage, &second, Roles::v4())?;
    let known = second.counters()?[Reason::KnownFlow as usize].packets;
    ensure!(
        known == 1,
        "the flow was not known: {:?}",
        second.counters()?
    );
    Ok(())
}

/// So many more that there is room for more flows that are not settled, too.
const MORE: u32 = 16 * FLOWS;
const FLOW_MAPS: [&str; 4] = ["flows4", "flows6", "opening_flows4", "opening_flows6"];

#[test]
fn with_another_number_of_flows_only_the_flow_maps_are_made_anew_and_named() -> Result<()> {
    let stage = Stage::new()?;
    let first = earlier_run(&stage)?;
    let frontends = first.frontends::<Ip4>()?;
    drop(first);
    let second = stage.load_with(&Options {
        flows: MORE,
        ..stage.options()
    })?;
    ensure!(second.adopted(), "the other maps are adopted");
    let mut replaced = second.replaced_maps().to_vec();
    replaced.sort();
    ensure!(
        replaced.len() == FLOW_MAPS.len()
            && replaced
                .iter()
                .zip(FLOW_MAPS)
                .all(|(line, map)| line.starts_with(&format!("{map} ("))),
        "{replaced:?}"
    );
    ensure!(second.flows::<Ip4>()?.is_empty() && second.flows::<Ip6>()?.is_empty());
    ensure!(second.frontends::<Ip4>()? == frontends);
    for (name, _, capacity) in second.map_use()? {
        let expected = match name.as_str() {
            "flows4" | "flows6" => MORE,
            "opening_flows4" | "opening_flows6" => MORE / 4,
            _ => continue,
        };
        ensure!(capacity == expected, "{name}: {capacity}");
    }
    drop(second);
    // The new ones are pinned like the old ones were.
    let third = stage.load_with(&Options {
        flows: MORE,
        ..stage.options()
    })?;
    ensure!(
        third.replaced_maps().is_empty(),
        "{:?}",
        third.replaced_maps()
    );
    Ok(())
}

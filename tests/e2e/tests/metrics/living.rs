//! Living flows, which the agent counts every ten seconds.

use anyhow::{Result, ensure};
use tidegate_e2e::{Ep, Svc, dial, soon};

use crate::{scrape::scrape, world};

#[test]
fn open_connections_show_and_closed_ones_do_not() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("living", 31);
    world.put(&svc, &[Ep::of(world.a(1))])?;
    let node = &world.scene.a.ns;
    let [of, backend] = [
        (
            "tidegate_service_flows_active",
            [("service", "living"), ("protocol", "TCP")],
        ),
        (
            "tidegate_backend_flows_active",
            [("service", "living"), ("protocol", "TCP")],
        ),
    ];
    let shows = |count: f64| {
        soon(|| {
            let page = scrape(node)?;
            for (metric, labels) in [of, backend] {
                let found = page.sum(metric, &labels)?;
                ensure!(found == count, "{metric}: {found}, not {count}");
            }
            let entries = page.sum("tidegate_map_entries", &[("map", "flows4")])?;
            let records = 2.0 * count;
            ensure!(
                entries >= records,
                "{entries} records, at least {records} expected"
            );
            Ok(())
        })
    };
    shows(0.0)?;
    let to = svc.node_port(world.node_address(false));
    let open = world
        .scene
        .client
        .run(|| (0..7).map(|_| dial(0, to)).collect::<Result<Vec<_>>>())?;
    shows(7.0)?;
    drop(open);
    shows(0.0)
}

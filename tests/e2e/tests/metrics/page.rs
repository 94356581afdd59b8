//! The port's three paths.

use anyhow::{Result, ensure};
use tidegate_e2e::{Ep, Svc};

use crate::{
    scrape::{DEFAULT, get, scrape},
    world,
};

const OPEN_METRICS: &str =
    "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2";

#[test]
fn rule_3_10_7_metrics_health_and_mode_are_answered_on_the_loopback_only() -> Result<()> {
    let world = world()?;
    let node = &world.scene.a.ns;
    for (path, body) in [("/proxyMode", "tidegate"), ("/healthz", "ok")] {
        let answer = get(node, DEFAULT, path, "*/*")?;
        ensure!(
            answer.status == 200 && answer.body == body,
            "{path}: {answer:?}"
        );
        ensure!(
            answer
                .head
                .contains("content-type: text/plain; charset=utf-8"),
            "{answer:?}"
        );
        ensure!(
            answer.head.contains("x-content-type-options: nosniff"),
            "{answer:?}"
        );
    }
    ensure!(get(node, DEFAULT, "/", "*/*")?.status == 404);
    // As the e2e test of Kubernetes: the health port too.
    ensure!(get(node, ([127, 0, 0, 1], 10256), "/healthz", "*/*")?.status == 200);
    let outside = get(
        &world.scene.client,
        (world.node_address(false), DEFAULT.1),
        "/metrics",
        "*/*",
    );
    ensure!(outside.is_err(), "{outside:?}");
    Ok(())
}

#[test]
fn a_scraper_gets_the_format_that_it_asks_for() -> Result<()> {
    let world = world()?;
    let node = &world.scene.a.ns;
    let new = get(node, DEFAULT, "/metrics", OPEN_METRICS)?;
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    ensure!(new.status == 200 && new.head.contains(kind), "{}", new.head);
    ensure!(
        new.body.ends_with("# EOF\n") && new.body.contains("# TYPE tidegate_packets counter\n")
    );
    let old = get(node, DEFAULT, "/metrics", "*/*")?;
    let kind = "content-type: text/plain; version=0.0.4; charset=utf-8";
    ensure!(old.status == 200 && old.head.contains(kind), "{}", old.head);
    ensure!(
        !old.body.contains("# EOF") && old.body.contains("# TYPE tidegate_packets_total counter\n")
    );
    Ok(())
}

#[test]
fn devices_maps_probes_and_requests_show() -> Result<()> {
    let world = world()?;
    let node = &world.scene.a.ns;
    world.put(&Svc::new("shows", 41), &[Ep::of(world.a(1))])?;
    let before = scrape(node)?;
    for _ in 0..3 {
        ensure!(
            get(
                &world.scene.client,
                (world.node_address(false), 10256),
                "/livez",
                "*/*"
            )?
            .status
                == 200
        );
    }
    let _status = world.spec.status()?;
    let page = scrape(node)?;
    ensure!(page.sum("tidegate_devices", &[("role", "pod"), ("attached", "true")])? == 3.0);
    ensure!(
        page.sum(
            "tidegate_devices",
            &[("role", "uplink"), ("attached", "true")]
        )? == 1.0
    );
    ensure!(page.sum("tidegate_synced", &[])? == 1.0 && page.sum("tidegate_problems", &[])? == 0.0);
    ensure!(page.sum("tidegate_map_capacity", &[("map", "flows6")])? == 262_144.0);
    let probes = "kubeproxy_proxy_livez_total";
    let of = [("code", "200")];
    ensure!(page.sum(probes, &of)? - before.sum(probes, &of)? == 3.0);
    ensure!(page.sum(probes, &[("code", "503")])? == 0.0);
    let requests = "tidegate_api_requests_total";
    let of = [("method", "GET"), ("code", "200")];
    ensure!(page.sum(requests, &of)? - before.sum(requests, &of)? >= 1.0);
    ensure!(page.sum("process_open_fds", &[])? > 10.0);
    Ok(())
}

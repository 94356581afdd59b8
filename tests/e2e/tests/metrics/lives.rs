//! Counters through restarts of the agent, and through the lives of Services and backends.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tidegate_e2e::{Ep, Proto, Svc, World, ask_many, soon};

use crate::scrape::{Counts, scrape};

#[test]
fn counters_go_on_where_they_were_after_a_restart_of_the_agent() -> Result<()> {
    let mut world = World::builder().build()?;
    let svc = Svc::new("stays", 11);
    world.put(&svc, &[Ep::of(world.a(1)), Ep::of(world.b(1))])?;
    let to = svc.node_port(world.node_address(false));
    let ask = |world: &World| {
        world
            .scene
            .client
            .run(|| ask_many(Proto::Udp, to, 20).map(drop))
    };
    ask(&world)?;
    let read = |world: &World| -> Result<(Counts, f64)> {
        let page = scrape(&world.scene.a.ns)?;
        let backends = page.sum("tidegate_backend_packets_total", &[("service", "stays")])?;
        Ok((page.of("stays", "UDP", "IPv4")?, backends))
    };
    let before = read(&world)?;
    ensure!(before.0.opened == 20.0, "{before:?}");
    world.replace_agent()?;
    world.settle()?;
    ensure!(
        read(&world)? == before,
        "{before:?}, then {:?}",
        read(&world)?
    );
    ask(&world)?;
    let after = read(&world)?;
    ensure!(after.0.packets == 2.0 * before.0.packets, "{after:?}");
    ensure!(after.1 == 2.0 * before.1, "{after:?}");
    Ok(())
}

/// The backend ids that serve, with their addresses.
fn serving(world: &World) -> Result<Vec<(u64, String)>> {
    let list = world.spec.get("backends")?;
    let rows = list["items"].as_array().context("no items")?;
    let serving = rows.iter().filter(|row| row["state"] == "serving");
    let pair = |row: &Value| Some((row["id"].as_u64()?, row["address"].as_str()?.to_owned()));
    Ok(serving.filter_map(pair).collect())
}

#[test]
fn who_gets_the_id_of_another_begins_at_zero() -> Result<()> {
    let mut world = World::builder().pods(3, 0).build()?;
    let svc = Svc::new("reuse", 12);
    world.put(&svc, &[Ep::of(world.a(1))])?;
    let to = svc.node_port(world.node_address(false));
    let _answers = world.scene.client.run(|| ask_many(Proto::Udp, to, 30))?;
    let old: Vec<u64> = serving(&world)?.into_iter().map(|(id, _)| id).collect();
    ensure!(!old.is_empty());
    let page = scrape(&world.scene.a.ns)?;
    let forward = [("service", "reuse"), ("direction", "forward")];
    ensure!(page.sum("tidegate_backend_packets_total", &forward)? == 30.0);
    // Ids rest for a few plans before they are given out again; this pod was never asked.
    let taken = soon(|| {
        world.put(&svc, &[Ep::of(world.a(2))])?;
        world.put(&svc, &[Ep::of(world.a(3))])?;
        let taken = serving(&world)?
            .into_iter()
            .find(|(id, _)| old.contains(id));
        taken.context("no id was given out again")
    })?;
    let zero = |world: &World| -> Result<()> {
        let page = scrape(&world.scene.a.ns)?;
        for metric in ["packets_total", "bytes_total", "flows_opened_total"] {
            let found = page.sum(
                &format!("tidegate_backend_{metric}"),
                &[("service", "reuse")],
            )?;
            ensure!(found == 0.0, "{metric} of {taken:?}: {found}");
        }
        // The service port is the same, and so are its counters.
        ensure!(page.of("reuse", "UDP", "IPv4")?.packets == 30.0);
        Ok(())
    };
    zero(&world)?;
    world.replace_agent()?;
    world.settle()?;
    zero(&world)?;
    // A Service of the same name is another Service.
    world.remove(&svc)?;
    world.put(&svc, &[Ep::of(world.a(3))])?;
    let counts = scrape(&world.scene.a.ns)?.of("reuse", "UDP", "IPv4")?;
    ensure!(counts == Counts::default(), "{counts:?}");
    Ok(())
}

#[test]
fn rule_2_4_14_policy_local_with_everybody_elsewhere_shows() -> Result<()> {
    let world = World::builder().build()?;
    let svc = Svc::new("elsewhere", 13)
        .external_policy("Local")
        .internal_policy("Local");
    let shows = |endpoints: &[Ep], expected: f64| -> Result<()> {
        world.put(&svc, endpoints)?;
        let page = scrape(&world.scene.a.ns)?;
        for policy in ["internal", "external"] {
            for family in ["IPv4", "IPv6"] {
                let labels = [("traffic_policy", policy), ("ip_family", family)];
                let metric = "kubeproxy_sync_proxy_rules_no_local_endpoints_total";
                let found = page.sum(metric, &labels)?;
                ensure!(found == expected, "{labels:?}: {found}, not {expected}");
            }
        }
        Ok(())
    };
    let there = Ep::of(world.b(1));
    // Two ports: TCP and UDP.
    shows(std::slice::from_ref(&there), 2.0)?;
    shows(&[there.clone(), Ep::of(world.a(1))], 0.0)?;
    // Here is one that only terminates, which is used when there is no other.
    shows(&[there.clone(), Ep::of(world.a(1)).terminating()], 0.0)?;
    shows(&[there.unready()], 0.0)?;
    shows(&[], 0.0)
}

#[test]
fn rule_3_10_8_changes_and_the_time_that_they_take_are_counted() -> Result<()> {
    let world = World::builder().pods(1, 0).build()?;
    let svc = Svc::new("changes", 14);
    world.put(&svc, &[])?;
    let read = |name: &str| scrape(&world.scene.a.ns)?.sum(&format!("kubeproxy_{name}"), &[]);
    let names = [
        "sync_proxy_rules_service_changes_total",
        "sync_proxy_rules_endpoint_changes_total",
        "sync_proxy_rules_duration_seconds_count",
        "sync_proxy_rules_last_timestamp_seconds",
        "sync_proxy_rules_last_queued_timestamp_seconds",
        "network_programming_duration_seconds_count",
    ];
    let all = || {
        names
            .iter()
            .map(|name| read(name))
            .collect::<Result<Vec<_>>>()
    };
    let before = all()?;
    let now = time_of(&world)?;
    let mut objects = svc.objects(&[Ep::of(world.a(1))]);
    for slice in objects.iter_mut().skip(1) {
        slice["metadata"]["annotations"] =
            json!({ "endpoints.kubernetes.io/last-change-trigger-time": now });
    }
    world.put_objects("changes", &objects)?;
    let after = all()?;
    let grown: Vec<f64> = after
        .iter()
        .zip(&before)
        .map(|(after, before)| after - before)
        .collect();
    // Of ours the slices only; the mark that says "arrived" is a Service, and the same one each time but for its port.
    ensure!(grown[0] == 1.0 && grown[1] == 2.0, "{grown:?}");
    ensure!(
        grown[2] >= 1.0 && grown[3] > 0.0 && grown[4] > 0.0,
        "{grown:?}"
    );
    ensure!(grown[5] == 2.0, "{grown:?}");
    ensure!(read("sync_proxy_rules_endpoint_changes_pending")? == 0.0);
    ensure!(read("sync_proxy_rules_service_changes_pending")? == 0.0);
    // The same triggers again, with other endpoints, are not measured twice.
    objects[1]["endpoints"] = json!([]);
    world.put_objects("changes", &objects)?;
    ensure!(read("network_programming_duration_seconds_count")? == after[5]);
    Ok(())
}

/// The time as EndpointSlices write it.
fn time_of(world: &World) -> Result<String> {
    let time = world.scene.a.ns.sh("date -u +%Y-%m-%dT%H:%M:%S.%NZ")?;
    Ok(time.trim().to_owned())
}

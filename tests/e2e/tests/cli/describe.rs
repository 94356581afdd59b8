//! `describe service`: one Service from all sides.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tidegate_e2e::{Ep, Proto, Svc, World, ask_many, soon};
use tidegate_rig::Pod;

use crate::{ran::run, world};

fn port<'a>(described: &'a Value, name: &str, family: &str) -> Result<&'a Value> {
    let ports = described["ports"].as_array().context("no ports")?;
    let found = ports
        .iter()
        .find(|port| port["name"] == name && port["family"] == family);
    found.with_context(|| format!("no {name} {family}: {described}"))
}

/// A Service with every frontend, and an endpoint of each kind: here, elsewhere, not ready.
fn told(world: &World) -> Result<(Svc, Value)> {
    let svc = Svc::new("told", 31)
        .with_vip()
        .with_external_ip()
        .affinity(600)
        .external_policy("Local")
        .spec("loadBalancerSourceRanges", json!(["192.168.1.0/24"]));
    let unready = Ep::of(world.a(2)).unready();
    world.put(&svc, &[Ep::of(world.a(1)), Ep::of(world.b(1)), unready])?;
    let args = ["describe", "service", "default/told", "-o", "json"];
    Ok((svc, run(world, &args)?.ok()?.json()?))
}

#[test]
fn what_a_service_says_of_itself_is_told() -> Result<()> {
    let world = world()?;
    let (svc, described) = told(&world)?;
    let args = ["describe", "svc", "told", "-n", "default", "-o", "json"];
    let same = run(&world, &args)?.ok()?.json()?;
    ensure!(described["name"] == same["name"], "{same}");
    let expected = json!({
        "type": "LoadBalancer", "namespace": "default", "name": "told",
        "clusterIps": ["10.96.0.31", "fd00:96::1f"],
        "loadBalancerIps": ["198.51.100.31", "2001:db8:51::1f"],
        "externalIps": ["203.0.113.31", "2001:db8:cb::1f"],
        "externalTrafficPolicy": "Local", "internalTrafficPolicy": "Cluster",
        "affinitySeconds": 600, "sourceRanges": ["192.168.1.0/24"],
        "notServed": null, "problems": [],
    });
    for (field, value) in expected.as_object().context("no object")? {
        ensure!(
            described[field] == *value,
            "{field}: {} is not {value}",
            described[field]
        );
    }
    let source = described["source"].as_str().unwrap_or_default();
    ensure!(source.contains("told.json"), "{described}");
    world.remove(&svc)
}

#[test]
fn every_frontend_has_its_kind_ranges_policy_and_affinity() -> Result<()> {
    let world = world()?;
    let (svc, described) = told(&world)?;
    let tcp = port(&described, "tcp", "IPv4")?;
    ensure!(
        tcp["port"] == 80 && tcp["nodePort"] == 30_031 && tcp["serviceId"].is_u64(),
        "{tcp}"
    );
    let frontends = tcp["frontends"].as_array().context("no frontends")?;
    let guarded = json!(["192.168.1.0/24"]);
    for (kind, address, ranges, local_only) in [
        ("ClusterIP", "10.96.0.31", json!([]), false),
        ("NodePort", "192.168.1.2", json!([]), true),
        ("LoadBalancer", "198.51.100.31", guarded, true),
        ("ExternalIP", "203.0.113.31", json!([]), true),
    ] {
        let row = frontends
            .iter()
            .find(|row| row["kind"] == kind && row["address"] == address);
        let row = row.with_context(|| format!("no {kind} {address}: {frontends:?}"))?;
        ensure!(
            row["sourceRanges"] == ranges
                && row["localOnly"] == local_only
                && row["affinitySeconds"] == 600,
            "{row}"
        );
    }
    world.remove(&svc)
}

#[test]
fn each_endpoint_says_whether_it_is_used_why_and_who_names_it() -> Result<()> {
    let world = world()?;
    let (svc, described) = told(&world)?;
    let tcp = port(&described, "tcp", "IPv4")?;
    let rows = tcp["endpoints"].as_array().context("no endpoints")?;
    let row = |pod: &Pod| {
        let address = json!(pod.addresses()[0]);
        let mut found = rows.iter().filter(|row| row["address"] == address);
        found.next().context("no such endpoint")
    };
    let (here, there, unready) = (row(world.a(1))?, row(world.b(1))?, row(world.a(2))?);
    ensure!(
        here["usedLocal"] == true && here["local"] == true && here["backendId"].is_u64(),
        "{here}"
    );
    ensure!(
        here["sources"] == json!(["EndpointSlice default/told-all-ipv4"]),
        "{here}"
    );
    ensure!(
        there["usedCluster"] == true && there["usedLocal"] == false,
        "{there}"
    );
    ensure!(
        unready["usedCluster"] == false && unready["backendId"].is_null(),
        "{unready}"
    );
    let why = unready["why"].as_str().unwrap_or_default();
    ensure!(why.contains("not ready"), "{unready}");
    world.remove(&svc)
}

#[test]
fn a_person_reads_the_same_in_words() -> Result<()> {
    let world = world()?;
    let (svc, _) = told(&world)?;
    let text = run(&world, &["describe", "service", "default/told"])?
        .ok()?
        .out;
    for words in [
        "Name:",
        "External Traffic Policy:  Local",
        "Session Affinity:         ClientIP, 600 s",
        "Port tcp 80/TCP IPv4",
        "Frontends:",
        "Endpoints:",
        "nodea (here)",
        "nodeb",
        "not ready",
        "Problems\n  none",
    ] {
        ensure!(text.contains(words), "no {words:?}: {text}");
    }
    world.remove(&svc)
}

#[test]
fn traffic_is_counted_for_each_port_and_endpoint() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("busy", 32);
    world.put(&svc, &[Ep::of(world.a(1))])?;
    let to = svc.node_port(world.node_address(false));
    let _answers = world.scene.client.run(|| ask_many(Proto::Udp, to, 5))?;
    soon(|| {
        let described = run(&world, &["describe", "service", "busy", "-o", "json"])?
            .ok()?
            .json()?;
        let udp = port(&described, "udp", "IPv4")?;
        let endpoint = &udp["endpoints"][0];
        for counted in [&udp["traffic"], &endpoint["traffic"]] {
            ensure!(
                counted["opened"] == 5 && counted["packets"] == 5 && counted["replyPackets"] == 5,
                "{udp}"
            );
        }
        let tcp = port(&described, "tcp", "IPv4")?;
        ensure!(tcp["traffic"]["packets"] == 0, "{tcp}");
        Ok(())
    })?;
    world.remove(&svc)
}

#[test]
fn a_service_that_is_not_served_says_why_and_its_problems_are_its_own() -> Result<()> {
    let world = world()?;
    let headless = Svc::internal("headless", 33)
        .spec("clusterIP", json!("None"))
        .spec("clusterIPs", json!(["None"]));
    world.put(&headless, &[])?;
    let described = run(&world, &["describe", "service", "headless", "-o", "json"])?
        .ok()?
        .json()?;
    ensure!(
        described["notServed"]
            .as_str()
            .is_some_and(|it| it.contains("headless")),
        "{described}"
    );
    ensure!(described["ports"] == json!([]), "{described}");
    // The second Service that wants a clusterIP is told, the first is not.
    let (first, second) = (Svc::internal("first", 34), Svc::internal("first-2", 34));
    world.put(&first, &[])?;
    world.put(&second, &[])?;
    let problems = |name: &str| -> Result<usize> {
        let described = run(&world, &["describe", "service", name, "-o", "json"])?
            .ok()?
            .json()?;
        Ok(described["problems"]
            .as_array()
            .context("no problems")?
            .len())
    };
    ensure!(problems("first-2")? > 0);
    for svc in [&headless, &first, &second] {
        world.remove(svc)?;
    }
    Ok(())
}

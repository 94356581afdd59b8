//! `get ... -o json`: every list parses, has its fields, and says what is true in the scene.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tidegate_e2e::{Setup, Udp, dial};
use tidegate_rig::EchoServer;

use crate::wait::soon;

/// The fields of each list's rows: scripts read them, so none goes or comes unnoticed.
const FIELDS: [(&str, &str); 6] = [
    (
        "services",
        "namespace name portName port proto family clusterIp nodePort externalIps \
         loadBalancerIps internalLocal externalLocal affinitySeconds endpointsReady \
         endpointsTotal source",
    ),
    (
        "endpoints",
        "namespace service portName proto address port nodeName local ready serving \
         terminating usedCluster usedLocal why",
    ),
    (
        "frontends",
        "address port proto kind namespace service portName backends localBackends localOnly \
         affinitySeconds serviceId",
    ),
    (
        "backends",
        "id address port namespace service portName nodeLocal generation state",
    ),
    (
        "flows",
        "proto client frontend backend sourceAsSeen masqueraded state idleSeconds ageSeconds \
         namespace service backendId",
    ),
    ("devices", "declared hooks index name role why"),
];

fn rows(setup: &Setup, what: &str) -> Result<Vec<Value>> {
    let list = setup.spec.get(what)?;
    let items = list["items"].as_array();
    Ok(items.with_context(|| format!("{what}: no items"))?.clone())
}

/// The one row that has all of these fields.
fn the_row(setup: &Setup, what: &str, has: &Value) -> Result<Value> {
    let has = has.as_object().context("not an object")?;
    let fits = |row: &Value| has.iter().all(|(name, value)| row[name] == *value);
    let rows = rows(setup, what)?;
    let found: Vec<&Value> = rows.iter().filter(|row| fits(row)).collect();
    ensure!(
        found.len() == 1,
        "{what}: {} rows are {has:?} of {rows:?}",
        found.len()
    );
    Ok(found[0].clone())
}

#[test]
fn every_list_has_rows_with_exactly_the_documented_fields() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    let to = Setup::LOCAL.node_port(&setup, false);
    let _kept = setup.scene.client.run(|| dial(0, to))?;
    for (what, fields) in FIELDS {
        let expected: BTreeSet<&str> = fields.split_whitespace().collect();
        let rows = rows(&setup, what)?;
        ensure!(!rows.is_empty(), "{what}: no rows");
        for row in rows {
            let names = row.as_object().context("a row that is no object")?.keys();
            let names: BTreeSet<&str> = names.map(String::as_str).collect();
            ensure!(names == expected, "{what}: {row}");
        }
        // Every other format says something about the same rows, too.
        for format in ["table", "wide", "yaml"] {
            let output = setup.spec.cli(["get", what, "-o", format]).output()?;
            ensure!(output.status.success(), "{what} -o {format}");
            let lines = String::from_utf8(output.stdout)?.lines().count();
            ensure!(lines > 1, "{what} -o {format}: {lines} lines");
        }
    }
    let output = setup
        .spec
        .cli(["get", "services", "-n", "nosuch", "-o", "json"])
        .output()?;
    let list: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(list["items"] == json!([]), "{list}");
    Ok(())
}

#[test]
fn services_and_their_frontends_are_those_of_the_manifests() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    for (name, proto, family, cluster, endpoints) in [
        ("local", "TCP", "IPv4", "10.96.0.11", 1),
        ("remote", "UDP", "IPv6", "fd00:96::c", 1),
        ("spread", "TCP", "IPv6", "fd00:96::d", 4),
        ("empty", "UDP", "IPv4", "10.96.0.14", 0),
    ] {
        let has = json!({ "name": name, "proto": proto, "family": family });
        let row = the_row(&setup, "services", &has)?;
        ensure!(
            row["clusterIp"] == cluster
                && row["port"] == 80
                && row["endpointsReady"] == endpoints
                && row["endpointsTotal"] == endpoints,
            "{row}"
        );
        let source = row["source"].as_str().unwrap_or_default();
        ensure!(source.contains(&format!("{name}.json")), "{row}");
        let has = json!({ "address": cluster, "port": 80, "proto": proto });
        let row = the_row(&setup, "frontends", &has)?;
        ensure!(
            row["kind"] == "ClusterIP" && row["service"] == name && row["backends"] == endpoints,
            "{row}"
        );
    }
    Ok(())
}

#[test]
fn local_and_remote_endpoints_are_told_apart_everywhere() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    let has = json!({ "service": "remote", "proto": "TCP", "address": "10.244.1.2" });
    let row = the_row(&setup, "endpoints", &has)?;
    ensure!(
        row["port"] == 8080
            && row["nodeName"] == "nodeb"
            && row["local"] == false
            && row["ready"] == true
            && row["usedCluster"] == true
            && row["usedLocal"] == false,
        "{row}"
    );
    let has = json!({ "address": "192.168.1.2", "port": 30011, "proto": "TCP" });
    let row = the_row(&setup, "frontends", &has)?;
    ensure!(
        row["kind"] == "NodePort" && row["backends"] == 1 && row["localBackends"] == 1,
        "{row}"
    );
    // The address itself, so that ports which no Service defines are refused.
    let row = the_row(
        &setup,
        "frontends",
        &json!({ "address": "10.96.0.11", "port": 0 }),
    )?;
    ensure!(row["kind"] == "ClusterIP-address", "{row}");
    let backends = rows(&setup, "backends")?;
    for (address, local) in [("10.244.0.2", true), ("fd00:244:1::2", false)] {
        let of_pod = backends.iter().filter(|row| row["address"] == address);
        let of_pod: Vec<&Value> = of_pod.collect();
        ensure!(!of_pod.is_empty(), "{address}: {backends:?}");
        for row in of_pod {
            ensure!(
                row["port"] == 8080 && row["nodeLocal"] == local && row["state"] == "serving",
                "{row}"
            );
        }
    }
    Ok(())
}

#[test]
fn flows_name_client_frontend_backend_and_what_the_backend_saw() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    let client = &setup.scene.client;
    for v6 in [false, true] {
        for (service, pod, masqueraded) in [
            (Setup::LOCAL, &setup.scene.a.pods[0], false),
            (Setup::REMOTE, &setup.scene.b.pods[0], true),
        ] {
            let to = service.node_port(&setup, v6);
            let backend = SocketAddr::new(pod.addresses()[usize::from(v6)], 8080);
            let stream = client.run(|| dial(0, to))?;
            let local = stream.local_addr()?;
            let mut line = String::new();
            let _bytes = BufReader::new(&stream).read_line(&mut line)?;
            let (_, seen_as) = EchoServer::parse(&line)?;
            let has = json!({ "proto": "TCP", "client": local, "frontend": to });
            let row = the_row(&setup, "flows", &has)?;
            let expected = json!({
                "backend": backend, "sourceAsSeen": seen_as, "masqueraded": masqueraded,
                "state": "open", "service": service.name, "namespace": "default",
            });
            for (name, value) in expected.as_object().context("not an object")? {
                ensure!(row[name] == *value, "{name} is not {value}: {row}");
            }
            drop(stream);
            // The pod closes when the client does, and the record knows.
            soon(|| {
                let row = the_row(&setup, "flows", &has)?;
                ensure!(row["state"] != "open", "{row}");
                Ok(())
            })?;

            let socket = client.run(|| Udp::bind(0, to))?;
            let answer = client.run(|| socket.ask(to))?;
            let has = json!({
                "proto": "UDP", "frontend": to, "backend": backend,
                "sourceAsSeen": answer.seen_as, "state": "",
            });
            let row = the_row(&setup, "flows", &has)?;
            let port = answer.local.port();
            let shown: SocketAddr = row["client"].as_str().context("no client")?.parse()?;
            ensure!(shown == SocketAddr::new(local.ip(), port), "{row}");
        }
    }
    let output = setup
        .spec
        .cli(["get", "flows", "--limit", "3", "-o", "json"])
        .output()?;
    let list: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(list["items"].as_array().map(Vec::len) == Some(3), "{list}");
    Ok(())
}

//! What the maps must hold, worked out from the server's objects by nobody but this file.

use std::{collections::BTreeSet, net::SocketAddr};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tidegate_apiserver::Kind;

use crate::{cluster::Cluster, maps};

/// A frontend: what it is, where it is dialled, whose it is, how many answer. Or an endpoint.
type Row = String;

/// Compares the agent's lists, and the maps themselves, with the server's objects.
pub(crate) fn compare(cluster: &Cluster) -> Result<()> {
    let services = cluster.server.objects(Kind::Service);
    let slices = cluster.server.objects(Kind::EndpointSlice);
    let node = [false, true].map(|v6| cluster.world.node_address(v6).to_string());
    let mut frontends = BTreeSet::new();
    let mut endpoints = BTreeSet::new();
    let mut tables = BTreeSet::new();
    for service in &services {
        for (port, address, ready) in ports(service, &slices) {
            let name = text(&service["metadata"]["name"]);
            let proto = text(&port["protocol"]);
            let of =
                |ip: &str, number: &Value| format!("{ip} {number} {proto} {name} {}", ready.len());
            let table = |ip: &str, number: &Value| table(ip, number, &proto, &ready);
            frontends.insert(of(&address, &port["port"]));
            tables.insert(table(&address, &port["port"])?);
            if port["nodePort"].is_number() {
                let family = usize::from(address.contains(':'));
                frontends.insert(of(&node[family], &port["nodePort"]));
                tables.insert(table(&node[family], &port["nodePort"])?);
            }
            endpoints.extend(ready.iter().map(|it| format!("{name} {proto} {it}")));
        }
    }
    same("endpoints", &listed_endpoints(cluster)?, &endpoints)?;
    same("frontends", &listed_frontends(cluster)?, &frontends)?;
    same("tables", &maps::tables(&cluster.world.spec.pins)?, &tables)
}

/// A frontend, and the backends that its table in the kernel must name, each once.
fn table(ip: &str, number: &Value, proto: &str, ready: &BTreeSet<String>) -> Result<Row> {
    let place = |text: &str| -> Result<SocketAddr> {
        let (ip, port) = text.split_once(' ').context("no port")?;
        Ok((ip.parse::<std::net::IpAddr>()?, port.parse()?).into())
    };
    let mut backends = ready
        .iter()
        .map(|it| place(it))
        .collect::<Result<Vec<_>>>()?;
    backends.sort();
    Ok(maps::row(
        place(&format!("{ip} {number}"))?,
        proto,
        &backends,
    ))
}

/// Each port in each family: the clusterIP, and who is ready, as `address port`.
fn ports<'a>(
    service: &'a Value,
    slices: &'a [Value],
) -> Vec<(&'a Value, String, BTreeSet<String>)> {
    let name = text(&service["metadata"]["name"]);
    let own: Vec<&Value> = slices
        .iter()
        .filter(|it| it["metadata"]["labels"]["kubernetes.io/service-name"] == name)
        .collect();
    let mut all = Vec::new();
    for ip in list(&service["spec"]["clusterIPs"]) {
        let ip = text(ip);
        let family = if ip.contains(':') { "IPv6" } else { "IPv4" };
        for port in list(&service["spec"]["ports"]) {
            let mut ready = BTreeSet::new();
            for slice in own.iter().filter(|it| it["addressType"] == family) {
                let same =
                    |it: &&Value| it["name"] == port["name"] && it["protocol"] == port["protocol"];
                for target in list(&slice["ports"]).filter(same) {
                    let endpoints = list(&slice["endpoints"]);
                    let usable = endpoints.filter(|it| it["conditions"]["ready"] == true);
                    ready.extend(
                        usable
                            .map(|it| format!("{} {}", text(&it["addresses"][0]), target["port"])),
                    );
                }
            }
            all.push((port, ip.clone(), ready));
        }
    }
    all
}

fn listed_endpoints(cluster: &Cluster) -> Result<BTreeSet<Row>> {
    let used = |row: &&Value| row["usedCluster"] == true;
    let row = |row: &Value| {
        let of = |field: &str| text(&row[field]);
        format!(
            "{} {} {} {}",
            of("service"),
            of("proto"),
            of("address"),
            row["port"]
        )
    };
    let rows = rows(cluster, "endpoints")?;
    Ok(rows.iter().filter(used).map(row).collect())
}

/// Frontends that can be dialled from outside of the agent's own host: not those that stand for a
/// whole clusterIP or for the loopback.
fn listed_frontends(cluster: &Cluster) -> Result<BTreeSet<Row>> {
    let is_one = |row: &&Value| {
        row["port"] != 0
            && !["0.0.0.0", "::", "127.0.0.1", "::1"].contains(&&*text(&row["address"]))
    };
    let row = |row: &Value| {
        let of = |field: &str| text(&row[field]);
        let (address, proto, service) = (of("address"), of("proto"), of("service"));
        format!(
            "{address} {} {proto} {service} {}",
            row["port"], row["backends"]
        )
    };
    let rows = rows(cluster, "frontends")?;
    Ok(rows.iter().filter(is_one).map(row).collect())
}

fn rows(cluster: &Cluster, what: &str) -> Result<Vec<Value>> {
    let list = cluster.world.spec.get(what)?;
    list["items"].as_array().cloned().context("no items")
}

fn same(what: &str, listed: &BTreeSet<Row>, expected: &BTreeSet<Row>) -> Result<()> {
    let missing: Vec<_> = expected.difference(listed).take(5).collect();
    let extra: Vec<_> = listed.difference(expected).take(5).collect();
    ensure!(
        listed == expected,
        "{what}: {} listed, {} expected; missing {missing:?}, extra {extra:?}",
        listed.len(),
        expected.len()
    );
    Ok(())
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

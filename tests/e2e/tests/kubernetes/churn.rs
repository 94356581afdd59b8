//! 2,000 Services appear, change and go while the watches are cut again and again.

use std::{thread, time::Duration};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tidegate_apiserver::{ApiServer, Cut, Kind, On};
use tidegate_e2e::{Ep, Svc};

use crate::{
    cluster::{Cluster, eventually},
    dialler::Dialler,
    expected::compare,
    random::Random,
};

const SERVICES: usize = 2_000;
const CUTS: usize = 20;
/// Changes between two cuts.
const CHANGES: usize = 300;

#[test]
fn rule_5_1_1_and_5_1_9_and_5_1_10_two_thousand_services_change_while_the_watch_is_cut_twenty_times()
-> Result<()> {
    let cluster = Cluster::new()?;
    let stable = [Svc::new("stable-1", 1), Svc::new("stable-2", 2)];
    cluster.put(
        &stable[0],
        &[Ep::of(cluster.world.a(1)), Ep::of(cluster.world.b(1))],
    );
    cluster.put(&stable[1], &[Ep::of(cluster.world.b(2))]);
    eventually(|| compare(&cluster))?;
    let dialler = Dialler::start(&cluster.world, &stable);
    let mut random = Random::new();
    let server = &cluster.server;
    let (mut cut, mut compactions) = (0, 0);
    for round in 0..CUTS {
        // All of them come in the first half, and are there once.
        for number in (0..SERVICES).filter(|it| it % (CUTS / 2) == round) {
            put(server, &mut random, number);
        }
        for _ in 0..CHANGES {
            change(server, &mut random);
        }
        // Services and slices are followed again since the last cut.
        eventually(|| {
            ensure!(server.watches() >= 2, "the watches are not opened again");
            Ok(())
        })?;
        thread::sleep(Duration::from_millis(u64::try_from(random.below(300))?));
        if random.below(4) == 0 {
            // What happened since the last event they saw can no longer be asked for.
            server.expires_by_event(random.below(2) == 0);
            server.compact();
            compactions += 1;
        }
        cut += server.cut(*random.one_of(&[Cut::Clean, Cut::Abrupt, Cut::HalfLine]));
    }
    eventually(|| compare(&cluster))?;
    cluster.until_watched()?;
    dialler.some_more(100)?;
    let count = dialler.finish()?;
    let services = server.objects(Kind::Service).len();
    eprintln!(
        "{services} Services at the end, {cut} watches cut, {count} connections, none failed"
    );
    ensure!(services > SERVICES / 2, "too few are left to say anything");
    ensure!(
        cut >= CUTS,
        "only {cut} watches were open when they were cut"
    );
    // Lists are for the start and for versions that have expired.
    let lists = server
        .asked()
        .iter()
        .filter(|it| it.on == On::List(Kind::EndpointSlice))
        .count();
    let pages = lists_of(compactions);
    ensure!(
        lists <= pages,
        "{lists} pages of lists, {compactions} compactions"
    );
    // A watch that was cut off is well again when it has lasted for some seconds.
    eventually(|| {
        ensure!(cluster.problems()?.is_empty(), "{:?}", cluster.problems()?);
        Ok(())
    })
}

/// The first list, and up to five pages after each expiry, of which each may be met twice.
fn lists_of(compactions: usize) -> usize {
    1 + 10 * compactions
}

fn change(server: &ApiServer, random: &mut Random) {
    let number = random.below(SERVICES);
    let (service, slice) = (name(number), format!("{}-1", name(number)));
    match random.below(8) {
        0 => {
            server.delete(Kind::Service, "default", &service);
            server.delete(Kind::EndpointSlice, "default", &slice);
        }
        // Not both: endpoints without a Service, and a Service without endpoints.
        1 => server.delete(Kind::Service, "default", &service),
        2 => server.delete(Kind::EndpointSlice, "default", &slice),
        3..=5 => server.put(slice_of(random, number)),
        _ => put(server, random, number),
    }
}

fn put(server: &ApiServer, random: &mut Random, number: usize) {
    server.put(service_of(random, number));
    server.put(slice_of(random, number));
}

fn name(number: usize) -> String {
    format!("churn-{number}")
}

/// Its address is its own for ever, its ports are not.
fn service_of(random: &mut Random, number: usize) -> Value {
    let ip = format!("10.97.{}.{}", number / 250, number % 250 + 1);
    let ports = [("a", "TCP", 80), ("b", "UDP", 53), ("c", "TCP", 443)];
    let ports = ports[..=random.below(3)]
        .iter()
        .map(|(name, proto, port)| json!({"name": name, "protocol": proto, "port": port}));
    let mut ports: Vec<Value> = ports.collect();
    let mut kind = "ClusterIP";
    // A tenth of them can have one: numbers are given once.
    if number.is_multiple_of(10) && random.below(2) == 0 {
        kind = "NodePort";
        ports[0]["nodePort"] = json!(31_000 + number / 10);
    }
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name(number), "namespace": "default"},
        "spec": {"type": kind, "clusterIP": ip, "clusterIPs": [ip], "ports": ports},
    })
}

fn slice_of(random: &mut Random, number: usize) -> Value {
    let endpoints: Vec<Value> = (0..random.below(5))
        .map(|nth| {
            let address = format!("10.244.{}.{}", random.below(250), nth * 50 + random.below(50) + 1);
            json!({"addresses": [address], "nodeName": "elsewhere",
                   "conditions": {"ready": random.below(4) > 0, "serving": false, "terminating": false}})
        })
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": format!("{}-1", name(number)), "namespace": "default",
                     "labels": {"kubernetes.io/service-name": name(number)}},
        "addressType": "IPv4", "endpoints": endpoints,
        "ports": [{"name": "a", "protocol": "TCP", "port": 8080},
                  {"name": "b", "protocol": "UDP", "port": 8053},
                  {"name": "c", "protocol": "TCP", "port": 8443}],
    })
}

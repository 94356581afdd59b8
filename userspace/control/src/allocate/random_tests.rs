//! Any sequence of changes and restarts: nobody shares, nobody is renumbered, nothing is forgotten.

use std::{collections::HashMap, net::IpAddr};

use proptest::prelude::*;

use super::testing::Cluster;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

#[derive(Clone, Debug)]
enum Step {
    Put {
        name: usize,
        spec: String,
    },
    Remove {
        name: usize,
    },
    /// Another agent reads the manifests in another order, and knows what the first remembered.
    Restart,
}

/// What a Service has, and which of it the manifest itself names.
#[derive(Clone, Debug, PartialEq)]
struct Has {
    spec: String,
    cluster_ips: Vec<IpAddr>,
    node_ports: Vec<u16>,
    health: Option<u16>,
    vips: Vec<String>,
}

/// Few numbers, so that wishes meet.
fn spec() -> impl Strategy<Value = String> {
    let kind = prop::sample::select(&["ClusterIP", "NodePort", "LoadBalancer"][..]);
    let ip = prop::option::weighted(0.3, 2..14_u8);
    let number = prop::option::weighted(0.3, 30_000..30_024_u16);
    let (is_local, is_dual, is_shared) = (any::<bool>(), any::<bool>(), any::<bool>());
    (kind, ip, number, is_local, is_dual, is_shared).prop_map(|(kind, ip, number, is_local, is_dual, is_shared)| {
        let mut spec = format!("type: {kind}, ");
        if let Some(ip) = ip {
            spec += &format!("clusterIP: 10.0.0.{ip}, ");
        }
        if is_local && kind == "LoadBalancer" {
            spec += "externalTrafficPolicy: Local, ";
        }
        if is_dual {
            spec += "ipFamilyPolicy: PreferDualStack, ";
        }
        let number = number.filter(|_| kind != "ClusterIP");
        let number = number.map_or(String::new(), |number| format!(", nodePort: {number}"));
        let second = if is_shared { 80 } else { 81 };
        format!(
            "{spec}ports: [{{port: 80, name: a{number}}}, {{port: {second}, name: b, protocol: UDP}}]"
        )
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..NAMES.len(), spec()).prop_map(|(name, spec)| Step::Put { name, spec }),
        2 => (0..NAMES.len()).prop_map(|name| Step::Remove { name }),
        1 => Just(Step::Restart),
    ]
}

fn cluster() -> Cluster {
    let mut cluster = Cluster::with(30_000..=30_023, &["10.0.0.0/27", "fd00::/124"]);
    cluster.ranges.pools.truncate(1);
    cluster
}

fn has(cluster: &Cluster, name: &str, spec: &str) -> Has {
    Has {
        spec: spec.to_owned(),
        cluster_ips: cluster.cluster_ips(name),
        node_ports: cluster.node_ports(name),
        health: cluster.health(name),
        vips: cluster.vips(name),
    }
}

fn nobody_shares(all: &HashMap<&str, Has>) {
    let mut owners: HashMap<String, (&str, &Has)> = HashMap::new();
    for (name, has) in all {
        let ips = has
            .cluster_ips
            .iter()
            .map(IpAddr::to_string)
            .chain(has.vips.iter().cloned());
        let numbers = has.node_ports.iter().copied().chain(has.health);
        let numbers = numbers
            .filter(|&it| it != 0)
            .map(|number| number.to_string());
        for what in ips.chain(numbers) {
            let Some((other, theirs)) = owners.insert(what.clone(), (name, has)) else {
                continue;
            };
            // Two manifests that name it are the model's business; both must name it.
            let both = has.spec.contains(&what) && theirs.spec.contains(&what);
            assert!(
                other == *name || both,
                "{what} belongs to {name} and {other}: {all:#?}"
            );
        }
        assert!(
            has.health
                .is_none_or(|health| !has.node_ports.contains(&health)),
            "{has:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn rule_7_1_11_no_two_services_share_a_number_and_a_restart_keeps_everything(
        steps in prop::collection::vec(step(), 1..40)
    ) {
        walk(&steps, cluster);
    }

    #[test]
    fn asking_those_only_that_a_change_touches_comes_to_the_same_as_asking_all(
        steps in prop::collection::vec(step(), 1..40)
    ) {
        walk(&steps, || cluster().gradual());
    }
}

fn walk(steps: &[Step], cluster: impl Fn() -> Cluster) {
    let mut now = cluster();
    let mut specs: HashMap<&str, String> = HashMap::new();
    let mut before: HashMap<&str, Has> = HashMap::new();
    for step in steps {
        let mut touched = None;
        match step {
            Step::Put { name, spec } => {
                now.put(NAMES[*name], spec);
                specs.insert(NAMES[*name], spec.clone());
                touched = Some(NAMES[*name]);
            }
            Step::Remove { name } => {
                now.remove(NAMES[*name]);
                specs.remove(NAMES[*name]);
                touched = Some(NAMES[*name]);
            }
            Step::Restart => {
                let mut next = cluster();
                next.before = std::mem::take(&mut now.before);
                for (name, spec) in &specs {
                    next.put(name, spec);
                }
                now = next;
            }
        }
        now.run();
        let all: HashMap<&str, Has> = specs
            .iter()
            .map(|(name, spec)| (*name, has(&now, name, spec)))
            .collect();
        nobody_shares(&all);
        for (name, had) in &before {
            let Some(has) = all.get(name).filter(|_| touched != Some(*name)) else {
                continue;
            };
            keeps(name, had, has);
        }
        before = all;
    }
}

/// Who was not touched loses nothing; it may gain what it named and others have let go.
fn keeps(name: &str, had: &Has, has: &Has) {
    let is_named = |what: &dyn ToString| has.spec.contains(&what.to_string());
    let ips = had.cluster_ips.iter().zip(&has.cluster_ips);
    let ips = had.cluster_ips.len() <= has.cluster_ips.len()
        && ips
            .into_iter()
            .all(|(had, has)| had == has || is_named(has));
    let ports = had.node_ports.iter().zip(&has.node_ports);
    let ports = ports
        .into_iter()
        .all(|(had, has)| had == has || *had == 0 || is_named(has));
    let health = had.health.is_none() || had.health == has.health;
    let vips = had.vips.iter().all(|ip| has.vips.contains(ip));
    assert!(
        ips && ports && health && vips,
        "{name}: {had:?}, then {has:?}"
    );
}

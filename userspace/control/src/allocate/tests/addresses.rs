//! ClusterIPs and the blocks that they come from.

use std::{collections::HashSet, net::IpAddr};

use super::*;

#[test]
fn rule_1_6_3_the_static_band_is_a_part_of_the_block_within_bounds() {
    for (text, fixed, usable) in [
        ("10.0.0.0/24", 16, 254),
        ("10.0.0.0/23", 32, 510),
        ("10.0.0.0/20", 256, 4094),
        ("10.96.0.0/12", 256, (1 << 20) - 2),
        ("10.0.0.0/27", 16, 30),
        ("10.0.0.0/28", 0, 14),
        ("10.0.0.0/30", 0, 2),
        ("10.0.0.0/31", 0, 0),
        ("10.0.0.0/32", 0, 0),
        ("fd00::/112", 256, (1 << 16) - 1),
        ("fd00::/64", 256, (1 << 64) - 1),
        ("fd00::/124", 0, 15),
        ("fd00::/128", 0, 0),
    ] {
        let [first, second] = block(text).bands();
        assert_eq!((first, second), (0..fixed, fixed..usable), "{text}");
    }
}

/// Fills a block, one Service after the other; returns the last octets in the order in which they were given.
fn fill(blocks: &[&str]) -> (Vec<u8>, String) {
    let mut cluster = Cluster::with(30_000..=32_767, blocks);
    let mut given = Vec::new();
    loop {
        let name = format!("s{}", given.len());
        let problems = cluster.put(&name, PLAIN).run();
        if let Some(problem) = problems.into_iter().next() {
            assert!(cluster.cluster_ips(&name).is_empty());
            return (given, problem);
        }
        given.push(match cluster.cluster_ip(&name) {
            IpAddr::V4(ip) => ip.octets()[3],
            IpAddr::V6(ip) => ip.octets()[15],
        });
    }
}

#[test]
fn rule_1_6_3_the_dynamic_band_is_used_up_before_the_static_one() {
    let (given, problem) = fill(&["10.0.0.0/26"]);
    let (dynamic, fixed) = given.split_at(46);
    let set = |octets: &[u8]| octets.iter().copied().collect::<HashSet<u8>>();
    assert_eq!(set(dynamic), (17..=62).collect());
    // Rule 1.6.5: 1 and 10 are for others.
    assert_eq!(set(fixed), (2..=9).chain(11..=16).collect());
    assert_eq!(
        problem,
        "s60.yaml: document 1: Service default/s60: spec.clusterIP: no address is left in \
         --service-cidr (10.0.0.0/26): add a block, or delete Services"
    );
}

#[test]
fn rule_1_6_4_and_1_6_5_network_broadcast_and_the_first_addresses_are_never_given() {
    let set = |blocks: &[&str]| fill(blocks).0.into_iter().collect::<HashSet<u8>>();
    assert_eq!(set(&["10.0.0.0/29"]), (2..=6).collect());
    assert_eq!(set(&["10.0.0.0/28"]), (2..=9).chain(11..=14).collect());
    // IPv6 has no broadcast address.
    assert_eq!(set(&["fd00::/125"]), (2..=7).collect());
    assert_eq!(set(&["10.0.0.0/31"]), HashSet::new());
}

#[test]
fn rule_1_6_5_the_first_address_is_the_api_servers() {
    let mut cluster = Cluster::new();
    cluster
        .put(
            "kubernetes",
            &format!("ipFamilyPolicy: PreferDualStack, {PLAIN}"),
        )
        .settle();
    let ips: Vec<String> = cluster
        .cluster_ips("kubernetes")
        .iter()
        .map(IpAddr::to_string)
        .collect();
    assert_eq!(ips, ["10.96.0.1", "fd00:96::1"]);
    // Another namespace's is a Service like any other.
    let text = format!("metadata: {{name: kubernetes, namespace: other}}\nspec: {{{PLAIN}}}\n");
    let mut cluster = Cluster::new();
    cluster.put_text("other", &text).settle();
    assert_ne!(
        cluster.cluster_ip("kubernetes"),
        IpAddr::from([10, 96, 0, 1])
    );
}

#[test]
fn rule_1_6_6_an_address_of_either_band_may_be_asked_for_and_no_other() {
    let mut cluster = Cluster::with(30_000..=32_767, &["10.0.0.0/24", "10.9.0.0/24"]);
    let ask = |ip: &str| format!("clusterIP: {ip}, {PLAIN}");
    for (name, ip) in [
        ("a", "10.0.0.5"),
        ("b", "10.0.0.200"),
        ("c", "10.9.0.1"),
        ("d", "10.0.0.10"),
    ] {
        cluster.put(name, &ask(ip)).settle();
        assert_eq!(cluster.cluster_ip(name).to_string(), ip);
    }
    for ip in ["10.0.0.0", "10.0.0.255", "10.0.1.1", "192.168.0.1"] {
        let problems = cluster.put("wrong", &ask(ip)).run();
        assert_eq!(
            problems,
            [format!(
                "wrong.yaml: document 1: Service default/wrong: spec.clusterIP: {ip} is not one that \
                 a Service may have of --service-cidr (10.0.0.0/24, 10.9.0.0/24): choose another, or \
                 add its block"
            )]
        );
        assert!(cluster.cluster_ips("wrong").is_empty());
    }
    // Where no block of the family is known, the manifest knows best.
    cluster
        .remove("wrong")
        .put("six", &ask("'fd00::1'"))
        .settle();
    assert_eq!(cluster.cluster_ip("six").to_string(), "fd00::1");
}

#[test]
fn rule_1_6_6_and_7_1_12_an_address_that_was_given_is_refused_to_who_asks_later() {
    let mut cluster = Cluster::new();
    cluster.put("first", PLAIN).settle();
    let ip = cluster.cluster_ip("first");
    let problems = cluster
        .put(
            "second",
            &format!("type: NodePort, clusterIP: {ip}, ports: [{{port: 80}}]"),
        )
        .run();
    assert_eq!(
        problems,
        [format!(
            "second.yaml: document 1: Service default/second: spec.clusterIP: {ip} was given to \
             Service default/first (first.yaml: document 1); choose another address, or none to be \
             given one"
        )]
    );
    assert_eq!(cluster.cluster_ip("first"), ip);
    // Rejected, and not renumbered: nothing of it is there, and no number is kept for it.
    assert!(cluster.cluster_ips("second").is_empty());
    assert_eq!(cluster.before.len(), 1);
    // Once the first is gone, the wish is granted.
    cluster.remove("first").settle();
    assert_eq!(cluster.cluster_ip("second"), ip);
}

#[test]
fn rule_1_6_11_every_block_can_serve_and_the_second_helps_the_first() {
    let (given, _) = fill(&["10.0.0.0/29", "10.0.1.16/29"]);
    let (first, second) = given.split_at(5);
    assert_eq!(
        first.iter().copied().collect::<HashSet<u8>>(),
        (2..=6).collect()
    );
    assert_eq!(
        second.iter().copied().collect::<HashSet<u8>>(),
        (17..=22).collect()
    );
}

#[test]
fn a_huge_block_costs_nothing() {
    let mut cluster = Cluster::with(30_000..=32_767, &["fd00::/64", "10.0.0.0/8"]);
    for service in 0..200 {
        cluster.put(
            &format!("s{service}"),
            &format!("ipFamilyPolicy: PreferDualStack, {PLAIN}"),
        );
    }
    cluster.settle();
    let ips: HashSet<IpAddr> = (0..200)
        .flat_map(|it| cluster.cluster_ips(&format!("s{it}")))
        .collect();
    assert_eq!(ips.len(), 400);
}

#[test]
fn headless_and_external_names_are_given_nothing() {
    let mut cluster = Cluster::new();
    cluster.put("headless", "clusterIP: None, ports: [{port: 80}]");
    cluster.put("name", "type: ExternalName, externalName: example.org");
    cluster.settle();
    assert!(cluster.before.is_empty());
    assert_eq!(cluster.spec("headless").cluster_ip.as_deref(), Some("None"));
    assert_eq!(cluster.spec("name").cluster_ip, None);
}

#[test]
fn addresses_that_manifests_use_otherwise_are_not_given() {
    let mut cluster = Cluster::with(30_000..=32_767, &["10.0.0.0/30"]);
    cluster.put(
        "web",
        "clusterIP: 10.0.0.1, externalIPs: [10.0.0.2], ports: [{port: 80}]",
    );
    let problems = cluster.put("other", PLAIN).run();
    assert!(problems[0].contains("no address is left"), "{problems:?}");
}

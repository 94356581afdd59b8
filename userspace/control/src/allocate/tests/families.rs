//! Address families.

use super::*;
use crate::{address, allocate::FamilyPolicy};

const V4: &str = "10.96.0.0/16";
const V6: &str = "fd00:96::/112";

/// The families of a new Service, or the problem; on a cluster with these blocks.
fn families(blocks: &[&str], spec: &str) -> Result<String, String> {
    let mut cluster = Cluster::with(30_000..=32_767, blocks);
    let problems = cluster.put("web", spec).run();
    match problems.into_iter().next() {
        Some(problem) => {
            assert!(cluster.cluster_ips("web").is_empty(), "{problem}");
            Err(problem.split_once("default/web: ").unwrap().1.to_owned())
        }
        None => Ok(shown(&cluster)),
    }
}

/// Families by addresses, and that the fields say the same.
fn shown(cluster: &Cluster) -> String {
    let names: Vec<&str> = cluster
        .cluster_ips("web")
        .into_iter()
        .map(|ip| address::family_name(address::family(ip)))
        .collect();
    let spec = cluster.spec("web");
    if let Some(said) = &spec.ip_families {
        assert_eq!(*said, names);
    }
    assert_eq!(
        spec.cluster_ip,
        spec.cluster_ips
            .as_ref()
            .and_then(|ips| ips.first().cloned())
    );
    names.join(" ")
}

#[test]
fn rule_1_7_5_the_policy_decides_how_many_families_there_are() {
    for (blocks, spec, expected) in [
        (&[V4, V6][..], "", "IPv4"),
        (&[V6, V4], "", "IPv6"),
        (&[V4, V6], "ipFamilyPolicy: SingleStack, ", "IPv4"),
        (&[V4, V6], "ipFamilies: [IPv6], ", "IPv6"),
        (&[V4, V6], "ipFamilyPolicy: PreferDualStack, ", "IPv4 IPv6"),
        (&[V6, V4], "ipFamilyPolicy: PreferDualStack, ", "IPv6 IPv4"),
        (&[V4], "ipFamilyPolicy: PreferDualStack, ", "IPv4"),
        (&[V4, V6], "ipFamilyPolicy: RequireDualStack, ", "IPv4 IPv6"),
        (
            &[V4, V6],
            "ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6], ",
            "IPv6 IPv4",
        ),
        (
            &[V4, V6],
            "ipFamilyPolicy: PreferDualStack, ipFamilies: [IPv6, IPv4], ",
            "IPv6 IPv4",
        ),
        (&[V4, V6], "ipFamilies: [IPv6, IPv4], ", "IPv6 IPv4"),
        (
            &[V4, V6],
            "ipFamilyPolicy: PreferDualStack, clusterIP: 'fd00:96::7', ",
            "IPv6 IPv4",
        ),
        (
            &[V4, V6],
            "ipFamilyPolicy: RequireDualStack, clusterIP: 10.96.0.7, ",
            "IPv4 IPv6",
        ),
        (
            &[V4, V6],
            "clusterIPs: ['fd00:96::7', 10.96.0.7], clusterIP: 'fd00:96::7', ",
            "IPv6 IPv4",
        ),
    ] {
        assert_eq!(
            families(blocks, &format!("{spec}{PLAIN}")).as_deref(),
            Ok(expected),
            "{spec}"
        );
    }
}

#[test]
fn rule_1_7_5_what_the_cluster_does_not_have_is_refused() {
    for (blocks, spec, expected) in [
        (
            &[V4][..],
            "ipFamilyPolicy: RequireDualStack, ",
            "spec.ipFamilyPolicy: RequireDualStack needs a block of each family in --service-cidr: \
             add one, or say PreferDualStack",
        ),
        (
            &[V4],
            "ipFamilies: [IPv6], ",
            "spec.ipFamilies[0]: there is no IPv6 block in --service-cidr: add one",
        ),
        (
            &[V4, V6],
            "ipFamilyPolicy: SingleStack, ipFamilies: [IPv4, IPv6], ",
            "spec.ipFamilyPolicy: must be PreferDualStack or RequireDualStack for two families or \
             two clusterIPs",
        ),
        (
            &[V4, V6],
            "ipFamilyPolicy: SingleStack, clusterIPs: [10.96.0.7, 'fd00:96::7'], ",
            "spec.ipFamilyPolicy: must be PreferDualStack or RequireDualStack for two families or \
             two clusterIPs",
        ),
    ] {
        assert_eq!(
            families(blocks, &format!("{spec}{PLAIN}")),
            Err(expected.to_owned()),
            "{spec}"
        );
    }
}

#[test]
fn rule_1_7_5_headless_without_selector_has_both_families_even_where_there_is_one() {
    for (spec, expected) in [
        ("", &["IPv4", "IPv6"][..]),
        ("ipFamilies: [IPv6], ", &["IPv6", "IPv4"]),
        ("ipFamilyPolicy: SingleStack, ", &["IPv4"]),
        ("selector: {app: web}, ", &["IPv4"]),
    ] {
        let mut cluster = Cluster::with(30_000..=32_767, &[V4]);
        cluster
            .put("web", &format!("clusterIP: None, {spec}{PLAIN}"))
            .settle();
        assert_eq!(
            cluster.spec("web").ip_families.as_deref().unwrap(),
            expected,
            "{spec}"
        );
    }
}

#[test]
fn rule_1_7_6_the_second_address_comes_and_goes_and_the_first_stays() {
    let mut cluster = Cluster::new();
    cluster.put("web", PLAIN).settle();
    let first = cluster.cluster_ip("web");
    for policy in ["PreferDualStack", "RequireDualStack"] {
        cluster
            .put("web", &format!("ipFamilyPolicy: {policy}, {PLAIN}"))
            .settle();
        assert_eq!(shown(&cluster), "IPv4 IPv6");
        assert_eq!(cluster.cluster_ip("web"), first);
    }
    let both = cluster.cluster_ips("web");
    // Only SingleStack takes it away: neither silence nor a shorter list does.
    for spec in [
        "",
        "ipFamilyPolicy: PreferDualStack, ipFamilies: [IPv4], ",
        "ipFamilies: [IPv4], ",
    ] {
        cluster.put("web", &format!("{spec}{PLAIN}")).settle();
        assert_eq!(cluster.cluster_ips("web"), both, "{spec}");
    }
    cluster
        .put("web", &format!("ipFamilyPolicy: SingleStack, {PLAIN}"))
        .settle();
    assert_eq!(cluster.cluster_ips("web"), [first]);
    assert_eq!(cluster.before.values().next().unwrap().cluster_ips, [first]);
}

#[test]
fn rule_1_7_6_the_primary_family_cannot_change() {
    let mut cluster = Cluster::new();
    cluster.put("web", PLAIN).settle();
    let first = cluster.cluster_ips("web");
    for spec in ["ipFamilies: [IPv6], ", "ipFamilies: [IPv6, IPv4], "] {
        let problems = cluster.put("web", &format!("{spec}{PLAIN}")).run();
        assert_eq!(
            problems,
            [
                "web.yaml: document 1: Service default/web: spec.ipFamilies[0]: the primary family \
              cannot change from IPv4 to IPv6: delete the Service, then create it anew"
            ],
        );
        assert_eq!(
            cluster.cluster_ips("web"),
            first,
            "the last good state stays"
        );
    }
    cluster.remove("web").settle();
    cluster
        .put("web", &format!("ipFamilies: [IPv6], {PLAIN}"))
        .settle();
    assert_eq!(shown(&cluster), "IPv6");
}

#[test]
fn rule_1_7_6_a_cluster_that_changes_does_not_change_who_prefers_two() {
    let preferred = format!("ipFamilyPolicy: PreferDualStack, {PLAIN}");
    for spec in [
        preferred.clone(),
        format!("clusterIP: 10.96.0.7, {preferred}"),
    ] {
        let mut cluster = Cluster::with(30_000..=32_767, &[V4]);
        cluster.put("web", &spec).settle();
        let before = cluster.cluster_ips("web");
        assert_eq!(before.len(), 1);
        assert_eq!(
            cluster.before.values().next().unwrap().policy,
            FamilyPolicy::PreferDualStack
        );
        cluster.ranges.service_blocks.push(block(V6));
        cluster.settle();
        assert_eq!(cluster.cluster_ips("web"), before);
        // Its own word does.
        cluster
            .put("web", &spec.replace("Prefer", "Require"))
            .settle();
        assert_eq!(shown(&cluster), "IPv4 IPv6");
    }
    // And back: two stay two.
    let mut cluster = Cluster::new();
    cluster.put("web", &preferred).settle();
    let before = cluster.cluster_ips("web");
    cluster.ranges.service_blocks.pop();
    let problems = cluster.run();
    assert!(
        problems.len() == 1 && problems[0].contains("it is kept"),
        "{problems:?}"
    );
    assert_eq!(cluster.cluster_ips("web"), before);
}

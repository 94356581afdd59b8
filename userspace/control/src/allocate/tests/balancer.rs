//! Load-balancer addresses.

use super::*;

const DUAL: &str = "ipFamilyPolicy: RequireDualStack, type: LoadBalancer, ports: [{port: 80}]";

#[test]
fn rule_7_2_1_and_7_2_9_only_balancers_without_a_class_are_given_an_address_and_all_have_the_rest()
{
    let mut cluster = Cluster::new();
    cluster.put("ours", BALANCER);
    cluster.put(
        "theirs",
        &format!("loadBalancerClass: example.org/lb, {BALANCER}"),
    );
    cluster.put("port", NODE_PORT);
    cluster.settle();
    assert_eq!(cluster.vips("ours"), ["192.0.2.1"]);
    for pending in ["theirs", "port"] {
        assert!(cluster.vips(pending).is_empty() && cluster.service(pending).status.is_none());
        assert_eq!(cluster.cluster_ips(pending).len(), 1);
        assert_ne!(cluster.node_ports(pending), [0]);
    }
    // Without a pool, nobody.
    let mut cluster = Cluster::new();
    cluster.ranges.pools.clear();
    cluster
        .put("ours", &format!("loadBalancerIP: 192.0.2.1, {BALANCER}"))
        .settle();
    assert!(cluster.vips("ours").is_empty());
}

#[test]
fn rule_7_2_5_the_address_is_written_into_the_status_with_its_mode() {
    let mut cluster = Cluster::new();
    cluster.put("web", BALANCER).settle();
    let status = cluster.service("web").status.clone().unwrap();
    let ingress = status.load_balancer.unwrap().ingress.unwrap();
    assert_eq!(ingress.len(), 1);
    assert_eq!(ingress[0].ip.as_deref(), Some("192.0.2.1"));
    assert_eq!(ingress[0].ip_mode.as_deref(), Some("VIP"));
}

#[test]
fn a_status_in_the_manifest_wins() {
    let mut cluster = Cluster::new();
    cluster.put("web", BALANCER).settle();
    for status in ["{ip: 192.0.2.77}", "{hostname: example.org}"] {
        let text = format!(
            "metadata: {{name: web}}\nspec: {{{BALANCER}}}\n\
             status: {{loadBalancer: {{ingress: [{status}]}}}}\n"
        );
        cluster.put_text("web", &text).settle();
        let expected: &[&str] = if status.starts_with("{ip") {
            &["192.0.2.77"]
        } else {
            &[]
        };
        assert_eq!(cluster.vips("web"), expected);
        assert!(
            cluster
                .before
                .values()
                .next()
                .unwrap()
                .load_balancer_ips
                .is_empty()
        );
    }
    // An address that a status names is not given to others.
    let text = format!(
        "metadata: {{name: web}}\nspec: {{{BALANCER}}}\n\
         status: {{loadBalancer: {{ingress: [{{ip: 192.0.2.1}}]}}}}\n"
    );
    cluster
        .put_text("web", &text)
        .put("other", BALANCER)
        .settle();
    assert_eq!(cluster.vips("other"), ["192.0.2.2"]);
}

#[test]
fn rule_7_3_1_one_address_for_each_family_from_the_first_pool_that_has_one() {
    let mut cluster = Cluster::new();
    cluster.ranges.pools = vec![
        pool("198.51.100.8", "198.51.100.9"),
        pool("192.0.2.1", "192.0.2.9"),
        pool("2001:db8::5", "2001:db8::5"),
    ];
    cluster
        .put("a", DUAL)
        .put("b", BALANCER)
        .put("c", BALANCER)
        .settle();
    assert_eq!(cluster.vips("a"), ["198.51.100.8", "2001:db8::5"]);
    assert_eq!(cluster.vips("b"), ["198.51.100.9"]);
    assert_eq!(cluster.vips("c"), ["192.0.2.1"]);
    // What is left is given; what is missing is told, and comes when somebody goes.
    let problems = cluster.put("d", DUAL).run();
    assert_eq!(
        problems,
        [
            "d.yaml: document 1: Service default/d: status.loadBalancer: no address is left in \
          --lb-pool (2001:db8::5-2001:db8::5): widen it, or delete Services"
        ]
    );
    assert_eq!(cluster.vips("d"), ["192.0.2.2"]);
    cluster.remove("a").settle();
    assert_eq!(cluster.vips("d"), ["192.0.2.2", "2001:db8::5"]);
}

#[test]
fn rule_7_3_1_a_family_without_a_pool_is_missed_only_by_who_requires_it() {
    let mut cluster = Cluster::new();
    cluster.ranges.pools.truncate(1);
    cluster
        .put("content", &DUAL.replace("Require", "Prefer"))
        .settle();
    assert_eq!(cluster.vips("content"), ["192.0.2.1"]);
    for (name, spec) in [
        ("both", DUAL.to_owned()),
        ("six", format!("ipFamilies: [IPv6], {BALANCER}")),
    ] {
        let problems = cluster.put(name, &spec).run();
        let expected = format!(
            "{name}.yaml: document 1: Service default/{name}: status.loadBalancer: --lb-pool has no \
             IPv6 addresses for this Service: add some"
        );
        assert_eq!(problems, [expected]);
        cluster.remove(name);
    }
}

#[test]
fn rule_7_2_8_and_7_3_2_a_request_is_honoured_or_refused_and_tried_again() {
    let mut cluster = Cluster::new();
    let ask = |ip: &str| format!("loadBalancerIP: {ip}, {BALANCER}");
    cluster
        .put("first", BALANCER)
        .put("asked", &ask("192.0.2.5"))
        .settle();
    assert_eq!(cluster.vips("asked"), ["192.0.2.5"]);
    for (ip, expected) in [
        (
            "192.0.2.1",
            "192.0.2.1 belongs to Service default/first (first.yaml: document 1); choose another address",
        ),
        (
            "192.0.2.5",
            "192.0.2.5 belongs to Service default/asked (asked.yaml: document 1); choose another address",
        ),
        (
            "192.0.2.77",
            "192.0.2.77 is not in --lb-pool (192.0.2.1-192.0.2.9); choose another, or widen it",
        ),
        (
            "here",
            "\"here\" is not an address that a load balancer may have",
        ),
        (
            "127.0.0.1",
            "\"127.0.0.1\" is not an address that a load balancer may have",
        ),
    ] {
        let problems = cluster.put("late", &ask(ip)).run();
        let expected =
            format!("late.yaml: document 1: Service default/late: spec.loadBalancerIP: {expected}");
        assert_eq!(problems, [expected]);
        // Rule 7.2.9: pending, and everything else works.
        assert!(cluster.vips("late").is_empty() && cluster.service("late").status.is_none());
        assert_ne!(cluster.node_ports("late"), [0]);
    }
    cluster
        .put("late", &ask("192.0.2.1"))
        .remove("first")
        .settle();
    assert_eq!(cluster.vips("late"), ["192.0.2.1"]);
}

#[test]
fn rule_7_2_8_a_request_moves_a_service_that_was_given_another_address() {
    let mut cluster = Cluster::new();
    cluster.put("web", BALANCER).settle();
    cluster
        .put("web", &format!("loadBalancerIP: 192.0.2.7, {BALANCER}"))
        .settle();
    assert_eq!(cluster.vips("web"), ["192.0.2.7"]);
    cluster.put("other", BALANCER).settle();
    assert_eq!(
        cluster.vips("other"),
        ["192.0.2.1"],
        "the first one is free again"
    );
    // A wish that cannot be granted leaves the Service with what it was given.
    let problems = cluster
        .put("other", &format!("loadBalancerIP: 192.0.2.7, {BALANCER}"))
        .run();
    assert_eq!(problems.len(), 1);
    assert_eq!(cluster.vips("other"), ["192.0.2.1"]);
}

#[test]
fn rule_7_3_4_requests_name_one_address_of_each_family_in_one_place() {
    let annotated = |list: &str, spec: &str| {
        format!(
            "metadata: {{name: web, annotations: {{tidegate.io/load-balancer-ips: '{list}'}}}}\n\
             spec: {{{spec}}}\n"
        )
    };
    let mut cluster = Cluster::new();
    cluster
        .put_text("web", &annotated("2001:db8::7, 192.0.2.7", DUAL))
        .settle();
    assert_eq!(cluster.vips("web"), ["192.0.2.7", "2001:db8::7"]);
    for (list, spec) in [
        ("192.0.2.7", DUAL.to_owned()),
        ("192.0.2.7,192.0.2.8", DUAL.to_owned()),
        ("192.0.2.7,2001:db8::7", BALANCER.to_owned()),
        (
            "192.0.2.7",
            format!("loadBalancerIP: 192.0.2.7, {BALANCER}"),
        ),
    ] {
        let mut cluster = Cluster::new();
        let problems = cluster.put_text("web", &annotated(list, &spec)).run();
        assert_eq!(problems.len(), 1, "{list} {spec}: {problems:?}");
        assert!(cluster.vips("web").is_empty());
    }
}

#[test]
fn rule_7_3_3_no_two_services_share_an_address() {
    let mut cluster = Cluster::new();
    let ask = |port: u16| {
        format!("type: LoadBalancer, loadBalancerIP: 192.0.2.3, ports: [{{port: {port}}}]")
    };
    cluster.put("a", &ask(80)).put("b", &ask(81));
    let problems = cluster.run();
    assert!(
        problems.len() == 1 && problems[0].starts_with("b.yaml"),
        "{problems:?}"
    );
    assert!(cluster.vips("b").is_empty());
}

#[test]
fn rule_7_3_6_and_7_2_4_another_type_frees_the_address_and_clears_the_status() {
    for spec in [
        NODE_PORT,
        PLAIN,
        "type: ExternalName, externalName: example.org",
    ] {
        let mut cluster = Cluster::new();
        cluster.put("web", BALANCER).settle();
        cluster.put("web", spec).put("next", BALANCER).settle();
        assert!(cluster.service("web").status.is_none());
        assert_eq!(cluster.vips("next"), ["192.0.2.1"]);
    }
}

#[test]
fn the_nodes_own_addresses_are_not_given() {
    let mut cluster = Cluster::new();
    cluster.avoid.ips.insert("192.0.2.1".parse().unwrap());
    cluster.put("web", BALANCER).settle();
    assert_eq!(cluster.vips("web"), ["192.0.2.2"]);
}

#[test]
fn an_address_whose_pool_is_gone_is_kept_for_its_return_and_one_of_another_pool_is_given() {
    let mut cluster = Cluster::new();
    cluster.put("first", BALANCER).put("web", BALANCER).settle();
    cluster.remove("first");
    let pools = std::mem::take(&mut cluster.ranges.pools);
    cluster.settle();
    assert!(cluster.vips("web").is_empty());
    cluster.ranges.pools = pools;
    cluster.settle();
    assert_eq!(cluster.vips("web"), ["192.0.2.2"]);
    cluster.ranges.pools = vec![pool("198.51.100.1", "198.51.100.9")];
    cluster.settle();
    assert_eq!(cluster.vips("web"), ["198.51.100.1"]);
}

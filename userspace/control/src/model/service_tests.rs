//! What a Service gives to its service ports (rules 1.1.x, 1.2.x, 1.5.x and 1.7.x).

use std::net::IpAddr;

use super::tests::{model, service, web};
use super::{Model, ServicePort};
use crate::{Store, manifest, node::NodeFacts, problem::Severity};

/// The model after each version of one file.
fn versions<const N: usize>(texts: [&str; N]) -> [Model; N] {
    let mut store = Store::new(NodeFacts::default().node_port_range);
    texts.map(|text| {
        let problems = store.replace_file("a", manifest::parse("a", text));
        assert!(
            problems.iter().all(|it| it.severity < Severity::Error),
            "{problems:?}"
        );
        super::build(&store, &NodeFacts::default())
    })
}

fn balancer(rest: &str) -> ServicePort {
    let spec = format!("type: LoadBalancer, {rest}, ports: [{{port: 80}}]");
    model(&service("web", &spec)).ports.swap_remove(0)
}

fn ranges(port: &ServicePort) -> Vec<String> {
    port.source_ranges.iter().map(ToString::to_string).collect()
}

const IP: &str = "clusterIP: 10.96.0.1";

#[test]
fn rule_1_1_1_every_field_that_counts_is_in_the_model() {
    let text = service(
        "web, namespace: prod, annotations: {tidegate.io/ping: 'false', \
         tidegate.io/source-ranges: all}",
        "type: LoadBalancer, clusterIP: 10.96.0.1, sessionAffinity: ClientIP, \
         sessionAffinityConfig: {clientIP: {timeoutSeconds: 7}}, externalTrafficPolicy: Local, \
         internalTrafficPolicy: Local, externalIPs: [192.0.2.1], \
         loadBalancerSourceRanges: [10.0.0.0/8], healthCheckNodePort: 30100, \
         ports: [{name: p, port: 80, protocol: UDP, nodePort: 30080}]",
    ) + "status: {loadBalancer: {ingress: [{ip: 192.0.2.9}]}}\n";
    let model = model(&text);
    let port = &model.ports[0];
    assert_eq!(port.key.to_string(), "prod/web:p UDP IPv4");
    assert_eq!((port.port, port.node_port), (80, Some(30080)));
    assert_eq!(port.cluster_ip, "10.96.0.1".parse().ok());
    let ip = |text: &str| vec![text.parse::<IpAddr>().unwrap()];
    assert_eq!(
        (&port.external_ips, &port.lb_ips),
        (&ip("192.0.2.1"), &ip("192.0.2.9"))
    );
    assert_eq!(ranges(port), ["10.0.0.0/8"]);
    assert_eq!((port.ranges_guard_all, port.ping), (true, false));
    assert_eq!((port.internal_local, port.external_local), (true, true));
    assert_eq!(
        (port.affinity_seconds, port.health_check_node_port),
        (7, Some(30100))
    );
}

#[test]
fn rule_1_1_2_and_1_1_14_and_1_5_9_fields_of_others_change_nothing() {
    let plain = web();
    let spec = format!(
        "{IP}, selector: {{a: b}}, publishNotReadyAddresses: true, externalName: a.b, \
         trafficDistribution: PreferClose, loadBalancerIP: 192.0.2.7, \
         ports: [{{port: 80, targetPort: http, appProtocol: kubernetes.io/h2c}}]"
    );
    let other = service("web, annotations: {a: b}", &spec)
        + "status: {loadBalancer: {ingress: [{hostname: a.b}]}}\n";
    let [before, after] = versions([&plain, &other]);
    assert_eq!(before.ports, after.ports);
}

#[test]
fn rule_1_1_6_a_service_that_becomes_a_name_or_headless_goes_and_comes_back() {
    let other = service("shop", "clusterIP: 10.96.0.2, ports: [{port: 80}]");
    let with = |text: String| text + &other;
    let name = service(
        "web",
        &format!("type: ExternalName, externalName: a.b, {IP}"),
    );
    let headless = service("web", "clusterIP: None, ports: [{port: 80}]");
    let [first, named, back, bare, again] = versions([
        &with(web()),
        &with(name),
        &with(web()),
        &with(headless),
        &with(web()),
    ]);
    for gone in [&named, &bare] {
        assert_eq!(gone.ports, first.ports[1..], "nothing else changes");
    }
    assert_eq!((&back.ports, &again.ports), (&first.ports, &first.ports));
}

#[test]
fn rule_1_2_1_the_label_of_another_proxy_works_like_removal() {
    let labelled = web().replace(
        "name: web",
        "name: web, labels: {service.kubernetes.io/service-proxy-name: ''}",
    );
    let [before, hidden, after] = versions([&web(), &labelled, &web()]);
    assert!(hidden.ports.is_empty());
    assert_eq!(before.ports, after.ports);
}

#[test]
fn rule_1_1_9_addresses_are_read_leniently_and_bad_ones_cost_only_themselves() {
    let port = balancer(&format!(
        "{IP}, externalIPs: [192.168.099.022, nonsense, '', 1.2.3.4.5, 192.168.99.22], \
         loadBalancerSourceRanges: [203.0.113.000/025, bad/8]"
    ));
    assert_eq!(
        port.external_ips,
        ["192.168.99.22".parse::<IpAddr>().unwrap()]
    );
    assert_eq!(ranges(&port), ["203.0.113.0/25"]);
}

#[test]
fn rule_3_6_14_the_annotation_of_old_guards_nothing() {
    let of = |name: &str| {
        let spec = format!("type: LoadBalancer, {IP}, ports: [{{port: 80}}]");
        model(&service(name, &spec)).ports.swap_remove(0)
    };
    let key = "service.beta.kubernetes.io/load-balancer-source-ranges";
    let annotated = of(&format!("web, annotations: {{{key}: 10.0.0.0/8}}"));
    assert_eq!(annotated, of("web"));
}

#[test]
fn rule_1_1_10_and_1_1_11_and_1_1_12_and_1_7_4_source_ranges_are_filtered_family_by_family() {
    let of = |list: &str| {
        let spec = format!(
            "type: LoadBalancer, clusterIPs: [10.96.0.1, 'fd00::1'], \
             loadBalancerSourceRanges: [{list}], ports: [{{port: 80}}]"
        );
        let model = model(&service("web", &spec));
        (ranges(&model.ports[0]), ranges(&model.ports[1]))
    };
    let lists = |v4: &[&str], v6: &[&str]| {
        let own = |list: &[&str]| list.iter().map(|&it| it.to_owned()).collect::<Vec<_>>();
        (own(v4), own(v6))
    };
    assert_eq!(of("' 10.0.0.0/8\t'"), lists(&["10.0.0.0/8"], &[]));
    assert_eq!(
        of("10.0.0.0/8, 0.0.0.0/0, 'fd00::/8'"),
        lists(&[], &["fd00::/8"])
    );
    assert_eq!(of("10.0.0.0/8, '::/0'"), lists(&["10.0.0.0/8"], &[]));
    assert_eq!(of("'fd00::/8'"), lists(&[], &["fd00::/8"]));
    // The same block twice, with its host bits, and out of order.
    let twice = of("192.0.2.0/24, 10.9.9.9/8, 10.0.0.0/8, 10.1.0.0/16");
    assert_eq!(
        twice,
        lists(&["10.0.0.0/8", "10.1.0.0/16", "192.0.2.0/24"], &[])
    );
    // Rule 3.6.9: two halves are no block of all addresses, and stay a list.
    assert_eq!(of("0.0.0.0/1, 128.0.0.0/1").0.len(), 2);
}

#[test]
fn annotations_extend_source_ranges_and_switch_off_pings() {
    let of = |annotations: &str, list: &str| {
        let spec = format!(
            "type: LoadBalancer, {IP}, loadBalancerSourceRanges: [{list}], ports: [{{port: 80}}]"
        );
        let name = format!("web, annotations: {{{annotations}}}");
        let port = model(&service(&name, &spec)).ports.swap_remove(0);
        (port.ranges_guard_all, port.ping)
    };
    assert_eq!(of("", "10.0.0.0/8"), (false, true));
    assert_eq!(
        of("tidegate.io/source-ranges: all", "10.0.0.0/8"),
        (true, true)
    );
    assert_eq!(
        of("tidegate.io/source-ranges: all", "0.0.0.0/0"),
        (false, true)
    );
    assert_eq!(
        of("tidegate.io/source-ranges: some", "10.0.0.0/8"),
        (false, true)
    );
    assert_eq!(of("tidegate.io/ping: 'false'", ""), (false, false));
}

#[test]
fn rule_1_5_1_fields_that_are_not_given_have_kubernetes_defaults() {
    let model = model(&web());
    let port = &model.ports[0];
    assert_eq!(port.key.to_string(), "default/web TCP IPv4");
    assert_eq!((port.affinity_seconds, port.node_port), (0, None));
    assert_eq!((port.internal_local, port.external_local), (false, false));
    // Empty strings mean the same as nothing.
    let spec = format!(
        "{IP}, type: '', sessionAffinity: '', internalTrafficPolicy: '', \
         ports: [{{port: 80, protocol: '', name: ''}}]"
    );
    assert_eq!(
        super::tests::model(&service("web", &spec)).ports,
        model.ports
    );
}

#[test]
fn rule_1_5_2_and_1_1_13_a_service_is_external_by_its_type_or_its_raw_list_of_ips() {
    let external = |rest: &str| {
        let spec = format!("{IP}, externalTrafficPolicy: Local, {rest}ports: [{{port: 80}}]");
        model(&service("web", &spec)).ports[0].external_local
    };
    assert!(!external(""));
    assert!(!external("externalIPs: [], "));
    assert!(external("externalIPs: [nonsense], "), "the raw list counts");
    assert!(external("type: NodePort, ") && external("type: LoadBalancer, "));
}

#[test]
fn rule_1_5_7_and_1_1_7_what_the_type_does_not_have_is_not_there() {
    let status = "status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}\n";
    let text = |kind: &str, rest: &str| {
        service(
            "web",
            &format!("type: {kind}, {IP}, {rest}ports: [{{port: 80}}]"),
        ) + status
    };
    let local = "externalTrafficPolicy: Local, healthCheckNodePort: 30100, ";
    let [balancer, plain] = versions([&text("LoadBalancer", local), &text("ClusterIP", local)]);
    assert_eq!(balancer.ports[0].health_check_node_port, Some(30100));
    assert_eq!(
        (
            balancer.ports[0].lb_ips.len(),
            balancer.ports[0].external_local
        ),
        (1, true)
    );
    assert_eq!(plain.ports[0].health_check_node_port, None);
    assert_eq!(
        (plain.ports[0].lb_ips.len(), plain.ports[0].external_local),
        (0, false)
    );
}

#[test]
fn rule_1_5_8_fields_that_the_api_has_dropped_are_ignored() {
    let spec = format!("{IP}, topologyKeys: ['*'], ipFamily: IPv6, ports: [{{port: 80}}]");
    assert_eq!(model(&service("web", &spec)).ports, model(&web()).ports);
}

#[test]
fn rule_1_7_2_and_1_7_7_each_family_has_its_own_address_and_the_same_node_port() {
    let spec = "type: NodePort, ipFamilies: [IPv6, IPv4], clusterIPs: ['fd00::1', 10.96.0.1], \
        ports: [{port: 80, nodePort: 30080}]";
    let model = model(&service("web", spec));
    let seen: Vec<_> = model
        .ports
        .iter()
        .map(|port| {
            format!(
                "{} {} {:?}",
                port.key,
                port.cluster_ip.unwrap(),
                port.node_port
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            "default/web TCP IPv6 fd00::1 Some(30080)",
            "default/web TCP IPv4 10.96.0.1 Some(30080)"
        ]
    );
}

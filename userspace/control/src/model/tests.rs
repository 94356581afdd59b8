use std::fmt::Write as _;

use super::*;
use crate::manifest;

/// Compiles a manifest on node-a in zone-a.
pub(super) fn model(text: &str) -> Model {
    model_on(text, &node())
}

pub(super) fn model_on(text: &str, node: &NodeFacts) -> Model {
    let mut store = Store::new(node.node_port_range.clone());
    let parsed = manifest::parse("a.yaml", text);
    let refused: Vec<_> = store.replace_file("a.yaml", parsed);
    assert!(
        refused.iter().all(|it| it.severity < Severity::Error),
        "{refused:?}"
    );
    build(&store, node)
}

pub(super) fn node() -> NodeFacts {
    NodeFacts {
        name: "node-a".to_owned(),
        zone: Some("zone-a".to_owned()),
        ..NodeFacts::default()
    }
}

pub(super) fn service(name: &str, spec: &str) -> String {
    format!("---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n")
}

pub(super) fn web() -> String {
    service("web", "clusterIP: 10.96.0.1, ports: [{port: 80}]")
}

/// A slice of Service web; each endpoint is `ADDRESS field: value, ...`.
pub(super) fn slice(name: &str, ports: &str, endpoints: &[&str]) -> String {
    let mut text = format!(
        "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: {name}, \
         labels: {{kubernetes.io/service-name: web}}}}\naddressType: IPv4\nports: [{ports}]\n\
         endpoints:\n"
    );
    for endpoint in endpoints {
        let (ip, rest) = endpoint.split_once(' ').unwrap_or((endpoint, ""));
        writeln!(text, "- {{addresses: [{ip}], {rest}}}").unwrap();
    }
    text
}

/// The endpoints of the first port: last octet, then C and L where the scopes use it.
pub(super) fn used(model: &Model) -> Vec<String> {
    let mark = |used: bool, mark: &'static str| if used { mark } else { "" };
    let line = |it: &EndpointView| {
        let host = it.ip.to_string();
        let host = host.rsplit('.').next().unwrap().to_owned();
        format!(
            "{host}{}{}",
            mark(it.used_cluster, "C"),
            mark(it.used_local, "L")
        )
    };
    model.ports[0].endpoints.iter().map(line).collect()
}

pub(super) fn used_with(endpoints: &[&str]) -> Vec<String> {
    used(&model(
        &(web() + &slice("web-1", "{port: 8080}", endpoints)),
    ))
}

pub(super) const HERE: &str = "nodeName: node-a";
pub(super) const THERE: &str = "nodeName: node-b";

pub(super) fn at(ip: &str, place: &str, conditions: &str) -> String {
    format!("{ip} {place}, conditions: {{{conditions}}}")
}

#[test]
fn rule_1_1_4_and_1_1_5_headless_and_external_name_have_no_service_ports() {
    for spec in [
        "clusterIP: None, ports: [{port: 80}]",
        "ports: [{port: 80}]",
        "clusterIP: '', ports: [{port: 80}]",
        "type: ExternalName, externalName: a.b, clusterIP: 10.96.0.1, ports: [{port: 80}]",
    ] {
        assert!(model(&service("web", spec)).ports.is_empty(), "{spec}");
    }
}

#[test]
fn rule_1_1_3_protocols_of_one_number_are_apart() {
    let ports = "[{port: 53, name: a}, {port: 53, name: b, protocol: UDP}]";
    let model = model(&service(
        "dns",
        &format!("clusterIP: 10.96.0.10, ports: {ports}"),
    ));
    let keys: Vec<_> = model
        .ports
        .iter()
        .map(|port| port.key.to_string())
        .collect();
    assert_eq!(keys, ["default/dns:a TCP IPv4", "default/dns:b UDP IPv4"]);
}

#[test]
fn rule_1_1_7_and_1_1_8_and_3_7_1_and_3_7_2_and_3_7_3_only_vip_addresses_of_load_balancers_count() {
    let status = "status: {loadBalancer: {ingress: [{ip: 192.0.2.1}, {ip: 192.0.2.2, ipMode: VIP}, \
        {ip: 192.0.2.3, ipMode: Proxy}, {hostname: a.b}, {ip: '2001:db8::1'}]}}\n";
    let spec = |kind: &str| format!("type: {kind}, clusterIP: 10.96.0.1, ports: [{{port: 80}}]");
    let balancer = model(&(service("web", &spec("LoadBalancer")) + status));
    let ips: Vec<_> = balancer.ports[0]
        .lb_ips
        .iter()
        .map(IpAddr::to_string)
        .collect();
    assert_eq!(ips, ["192.0.2.1", "192.0.2.2"]);
    let plain = model(&(service("web", &spec("ClusterIP")) + status));
    assert!(plain.ports[0].lb_ips.is_empty());
}

#[test]
fn rule_1_2_1_and_1_2_2_labels_hide_services_and_slices() {
    let hide = |text: String, label: &str| text.replace("name: web", label);
    let label = "name: web, labels: {service.kubernetes.io/service-proxy-name: other}";
    assert!(model(&hide(web(), label)).ports.is_empty());
    let slice = slice("web-1", "{port: 8080}", &["10.0.0.1"]);
    let headless = slice.replace("labels: {", "labels: {service.kubernetes.io/headless: '', ");
    assert!(used(&model(&(web() + &headless))).is_empty());
}

#[test]
fn rule_1_3_3_and_1_7_1_and_1_7_4_the_families_are_apart() {
    let spec = "clusterIPs: [10.96.0.1, 'fd00::1'], externalIPs: [192.0.2.1, '2001:db8::1'], \
        ports: [{port: 80}]";
    let v6 = slice("web-6", "{port: 9090}", &["'fd00::a'"]).replace("IPv4", "IPv6");
    let both = service("web", spec) + &slice("web-4", "{port: 8080}", &["10.0.0.1"]) + &v6;
    let model = model(&both);
    let view = |port: &ServicePort| {
        let ips: Vec<_> = port
            .endpoints
            .iter()
            .map(|it| format!("{}:{}", it.ip, it.port))
            .collect();
        (
            port.cluster_ip.unwrap().to_string(),
            port.external_ips.len(),
            ips,
        )
    };
    let views: Vec<_> = model.ports.iter().map(view).collect();
    assert_eq!(
        views[0],
        ("10.96.0.1".to_owned(), 1, vec!["10.0.0.1:8080".to_owned()])
    );
    assert_eq!(
        views[1],
        ("fd00::1".to_owned(), 1, vec!["fd00::a:9090".to_owned()])
    );
}

#[test]
fn rule_1_7_3_without_a_cluster_ip_of_a_family_nothing_of_it_is_there() {
    let spec = "clusterIP: 10.96.0.1, externalIPs: ['2001:db8::1'], ports: [{port: 80}]";
    let model = model(&service("web", spec));
    assert_eq!(model.ports.len(), 1);
    assert!(model.ports[0].external_ips.is_empty());
}

#[test]
fn rule_1_3_5_and_1_3_4_ports_match_by_name_and_protocol_and_give_their_own_number() {
    let spec = "clusterIP: 10.96.0.1, ports: [{port: 80, name: p}]";
    let numbers = |ports: &str| -> Vec<u16> {
        let model = model(&(service("web", spec) + &slice("web-1", ports, &["10.0.0.1"])));
        model.ports[0].endpoints.iter().map(|it| it.port).collect()
    };
    assert_eq!(numbers("{port: 8080, name: p}"), [8080]);
    assert_eq!(numbers("{port: 8080, name: p, protocol: UDP}"), [0; 0]);
    assert_eq!(numbers("{port: 8080}"), [0; 0]);
    assert_eq!(numbers("{name: p}"), [0; 0]);
    assert_eq!(numbers("{name: q}, {name: p, port: 9}"), [9]);
}

#[test]
fn rule_1_3_6_and_1_3_7_slices_are_united_and_the_one_that_stays_wins() {
    let leaving = at(
        "10.0.0.1",
        HERE,
        "ready: false, serving: true, terminating: true",
    );
    let staying = at("10.0.0.1", HERE, "ready: true");
    for (first, second) in [(&leaving, &staying), (&staying, &leaving)] {
        let one = slice("web-1", "{port: 8080}", &[first, "10.0.0.9"]);
        let two = slice("web-2", "{port: 8080}", &["10.0.0.3", second]);
        assert_eq!(used(&model(&(web() + &one + &two))), ["1CL", "3C", "9C"]);
    }
}

#[test]
fn rule_1_3_10_conditions_that_are_not_given_mean_ready() {
    assert_eq!(used_with(&["10.0.0.1"]), ["1C"]);
    assert_eq!(used_with(&["10.0.0.1 conditions: {}"]), ["1C"]);
}

#[test]
fn rule_1_3_11_local_means_this_nodes_name_or_a_pod_seen_here_where_none_is_given() {
    let text = web()
        + &slice(
            "web-1",
            "{port: 8080}",
            &["10.0.0.1", "10.0.0.2 nodeName: node-b", "10.0.0.3"],
        );
    let seen = ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
    let nameless = NodeFacts {
        local_pod_addresses: seen.into(),
        ..NodeFacts::default()
    };
    assert_eq!(used(&model_on(&text, &nameless)), ["1CL", "2C", "3C"]);
    let empty = slice("web-1", "{port: 8080}", &["10.0.0.1 nodeName: ''"]);
    assert_eq!(
        used(&model_on(&(web() + &empty), &NodeFacts::default())),
        ["1C"]
    );
}

#[test]
fn rule_2_3_3_external_policy_local_needs_an_address_outside() {
    let spec = |rest: &str| {
        format!("clusterIP: 10.96.0.1, externalTrafficPolicy: Local, {rest}ports: [{{port: 80}}]")
    };
    assert!(!model(&service("web", &spec(""))).ports[0].external_local);
    assert!(model(&service("web", &spec("type: NodePort, "))).ports[0].external_local);
    assert!(model(&service("web", &spec("externalIPs: [192.0.2.1], "))).ports[0].external_local);
}

#[test]
fn rule_4_1_affinity_has_a_default_time() {
    let seconds = |rest: &str| {
        let spec = format!("clusterIP: 10.96.0.1, {rest}ports: [{{port: 80}}]");
        model(&service("web", &spec)).ports[0].affinity_seconds
    };
    assert_eq!(seconds(""), 0);
    assert_eq!(seconds("sessionAffinity: ClientIP, "), 10800);
    let config = "sessionAffinityConfig: {clientIP: {timeoutSeconds: 9}}, ";
    assert_eq!(seconds(&format!("sessionAffinity: ClientIP, {config}")), 9);
    assert_eq!(seconds(config), 0);
}

#[test]
fn rule_1_6_7_of_two_services_with_one_node_port_the_older_keeps_it() {
    let spec = |ip: u8, proto: &str| {
        format!(
            "type: NodePort, clusterIP: 10.96.0.{ip}, \
             ports: [{{port: 80, nodePort: 30080, protocol: {proto}}}]"
        )
    };
    let model = model(&(service("old", &spec(1, "TCP")) + &service("new", &spec(2, "UDP"))));
    assert_eq!(model.ports[0].node_port, Some(30080));
    assert_eq!(
        (
            model.ports[1].node_port,
            model.ports[1].cluster_ip.is_some()
        ),
        (None, true)
    );
    let problems: Vec<_> = model.problems.iter().map(Problem::to_string).collect();
    assert_eq!(
        problems,
        [
            "a.yaml: document 2: Service default/new: spec.ports[0].nodePort: nodePort 30080 belongs \
          to the older Service default/old (a.yaml: document 1); not programmed"
        ]
    );
}

#[test]
fn rule_3_8_3_of_two_services_with_one_cluster_ip_the_older_keeps_it() {
    let spec = |port: u16| {
        format!("type: NodePort, clusterIP: 10.96.0.1, ports: [{{port: 80, nodePort: {port}}}]")
    };
    let model = model(&(service("old", &spec(30001)) + &service("new", &spec(30002))));
    assert_eq!(
        (model.ports[1].cluster_ip, model.ports[1].node_port),
        (None, Some(30002))
    );
    assert_eq!(model.problems.len(), 1);
    assert_eq!(model.problems[0].field.as_deref(), Some("spec.clusterIP"));
}

use tidegate_abi::{Proto, frontend::flags};

use super::*;
use crate::{Store, manifest, model, problem::Severity};

fn node() -> NodeFacts {
    NodeFacts {
        name: "node-a".to_owned(),
        addresses: vec![
            "192.0.2.10".parse().unwrap(),
            "2001:db8::10".parse().unwrap(),
        ],
        ..NodeFacts::default()
    }
}

fn desired(text: &str) -> (Desired, Vec<String>) {
    let node = node();
    let mut store = Store::new(node.node_port_range.clone());
    let problems = store.replace_file("a.yaml", manifest::parse("a.yaml", text));
    assert!(
        problems.iter().all(|it| it.severity < Severity::Error),
        "{problems:?}"
    );
    let (desired, problems) = build(&model::build(&store, &node).ports, &node);
    (desired, problems.iter().map(Problem::to_string).collect())
}

fn service(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
         spec: {{{spec}, ports: [{{port: 80, PORT}}]}}\n"
    )
}

fn frontends<A: Address>(family: &DesiredFamily<A>) -> Vec<(String, u32)> {
    let line = |(key, flags): &(FrontendKey<A>, u32)| {
        assert_eq!(key.proto, Proto::TCP);
        (
            std::net::SocketAddr::new(key.addr.to_ip(), key.port.get()).to_string(),
            *flags,
        )
    };
    family
        .ports
        .iter()
        .flat_map(|port| &port.frontends)
        .map(line)
        .collect()
}

fn own(list: &[(&str, u32)]) -> Vec<(String, u32)> {
    list.iter()
        .map(|(dialled, flags)| ((*dialled).to_owned(), *flags))
        .collect()
}

#[test]
fn every_address_of_a_service_is_a_frontend_with_its_flags() {
    let spec = "type: LoadBalancer, clusterIPs: [10.96.0.1, 'fd00::1'], externalIPs: [192.0.2.1]";
    let text = service("web", spec).replace("PORT", "nodePort: 30080")
        + "status: {loadBalancer: {ingress: [{ip: 192.0.2.2}, {ip: 192.0.2.1}]}}\n";
    let (desired, problems) = desired(&text);
    assert!(problems.is_empty());
    assert_eq!(
        frontends(&desired.v4),
        own(&[
            ("10.96.0.1:80", flags::INTERNAL),
            ("192.0.2.1:80", flags::LOAD_BALANCER),
            ("192.0.2.2:80", flags::LOAD_BALANCER),
            ("192.0.2.10:30080", flags::NODE_PORT),
            ("0.0.0.0:30080", flags::NODE_PORT),
        ])
    );
    assert_eq!(
        frontends(&desired.v6),
        own(&[
            ("[fd00::1]:80", flags::INTERNAL),
            ("[2001:db8::10]:30080", flags::NODE_PORT),
            ("[::]:30080", flags::NODE_PORT),
        ])
    );
}

/// A load balancer with a NodePort and an external IP, and these lines in its metadata and specification.
fn balancer(name: &str, ip: &str, metadata: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}{metadata}}}\n\
         spec: {{type: LoadBalancer, {spec}, ports: [{{port: 80, nodePort: 30080}}]}}\n\
         status: {{loadBalancer: {{ingress: [{{ip: {ip}}}]}}}}\n"
    )
}

const RANGES: &str = "clusterIPs: [10.96.0.1, 'fd00::1'], externalIPs: [192.0.2.1], \
    loadBalancerSourceRanges: [203.0.113.0/24, 198.51.100.7/32, 203.0.113.0/24]";

fn guarded<A: Address>(family: &DesiredFamily<A>) -> Vec<String> {
    let all = frontends(family).into_iter();
    all.filter(|(_, flags)| flags & flags::SOURCE_RANGES != 0)
        .map(|(dialled, _)| dialled)
        .collect()
}

#[test]
fn rule_3_6_1_ranges_guard_load_balancer_addresses_and_more_only_if_asked() {
    let (plain, _) = desired(&balancer("web", "192.0.2.2", "", RANGES));
    assert_eq!(guarded(&plain.v4), ["192.0.2.2:80"]);
    let mut blocks = [
        Block::new(Ip4::new([198, 51, 100, 7]), 32),
        Block::new(Ip4::new([203, 0, 113, 0]), 24),
    ];
    blocks.sort_unstable();
    assert_eq!(plain.v4.ports[0].source_ranges, blocks);
    let more = ", annotations: {tidegate.io/source-ranges: all}";
    let (more, _) = desired(&balancer("web", "192.0.2.2", more, RANGES));
    let all = [
        "192.0.2.1:80",
        "192.0.2.2:80",
        "192.0.2.10:30080",
        "0.0.0.0:30080",
    ];
    assert_eq!(guarded(&more.v4), all);
    // Rules 1.1.12 and 3.6.11: the other family has no ranges.
    assert_eq!(guarded(&more.v6), [""; 0]);
    assert_eq!(more.v6.ports[0].source_ranges, []);
}

#[test]
fn ranges_that_no_frontend_asks_for_take_no_room() {
    let text = balancer("web", "192.0.2.2", "", RANGES);
    let (desired, _) = desired(&text.replace("{ip: 192.0.2.2}", "{hostname: lb.example}"));
    assert_eq!(guarded(&desired.v4), [""; 0]);
    assert_eq!(desired.v4.ports[0].source_ranges, []);
}

#[test]
fn an_address_that_is_external_ip_and_load_balancer_address_is_guarded() {
    let (desired, _) = desired(&balancer("web", "192.0.2.1", "", RANGES));
    assert_eq!(guarded(&desired.v4), ["192.0.2.1:80"]);
}

const PING: u32 = flags::ADDRESS_ONLY | flags::PING;

#[test]
fn rule_2_4_9_cluster_ips_are_known_without_a_port_and_answer_pings_unless_told_not_to() {
    let quiet = ", annotations: {tidegate.io/ping: 'false'}";
    for (metadata, ping) in [("", flags::PING), (quiet, 0)] {
        let (desired, _) = desired(&balancer("web", "192.0.2.2", metadata, RANGES));
        let internal = flags::INTERNAL | flags::ADDRESS_ONLY | ping;
        let mut wanted = vec![(Ip4::new([10, 96, 0, 1]), internal)];
        if ping != 0 {
            wanted.push((Ip4::new([192, 0, 2, 2]), flags::LOAD_BALANCER | PING));
        }
        wanted.sort_unstable();
        assert_eq!(desired.v4.markers, wanted);
        assert_eq!(desired.v6.markers.len(), 1);
    }
}

#[test]
fn the_oldest_service_decides_whether_a_shared_address_answers_pings() {
    let quiet = ", annotations: {tidegate.io/ping: 'false'}";
    let spec = |host: u8| format!("clusterIP: 10.96.0.{host}");
    let two = |first: &str, second: &str| {
        let old = balancer("old", "192.0.2.2", first, &spec(1));
        let new = balancer("new", "192.0.2.2", second, &spec(2));
        let new = new.replace("port: 80, nodePort: 30080", "port: 443, nodePort: 30443");
        desired(&(old + &new)).0.v4.markers
    };
    let shared = Ip4::new([192, 0, 2, 2]);
    let of = |markers: Vec<(Ip4, u32)>| markers.into_iter().find(|it| it.0 == shared);
    let answered = Some((shared, flags::LOAD_BALANCER | PING));
    assert_eq!(of(two("", quiet)), answered);
    assert_eq!(of(two(quiet, "")), None);
}

#[test]
fn a_load_balancer_address_that_is_the_nodes_own_is_left_to_the_node() {
    let (desired, _) = desired(&balancer("web", "192.0.2.10", "", RANGES));
    assert_eq!(desired.v4.markers.len(), 1);
}

#[test]
fn rules_2_3_1_and_2_3_2_each_policy_marks_its_own_frontends() {
    let both = |internal: &str, external: &str| {
        let spec = format!(
            "type: NodePort, clusterIP: 10.96.0.1, internalTrafficPolicy: {internal}, \
             externalTrafficPolicy: {external}"
        );
        let text = service("web", &spec).replace("PORT", "nodePort: 30080");
        let list = frontends(&desired(&text).0.v4);
        list.into_iter()
            .map(|(_, flags)| flags & flags::LOCAL_ONLY != 0)
            .collect::<Vec<_>>()
    };
    assert_eq!(both("Cluster", "Cluster"), [false, false, false]);
    assert_eq!(both("Local", "Cluster"), [true, false, false]);
    assert_eq!(both("Cluster", "Local"), [false, true, true]);
}

#[test]
fn rule_3_8_3_a_frontend_that_two_services_claim_is_the_older_ones() {
    let spec = |host: u8| format!("clusterIP: 10.96.0.{host}, externalIPs: [192.0.2.1]");
    let text = (service("old", &spec(1)) + &service("new", &spec(2))).replace(", PORT", "");
    let (desired, problems) = desired(&text);
    assert_eq!(
        frontends(&desired.v4),
        own(&[
            ("10.96.0.1:80", flags::INTERNAL),
            ("192.0.2.1:80", 0),
            ("10.96.0.2:80", flags::INTERNAL)
        ])
    );
    assert_eq!(
        problems,
        [
            "a.yaml: document 2: Service default/new: spec.externalIPs: 192.0.2.1:80 TCP belongs to \
          the older Service default/old (a.yaml: document 1); not programmed"
        ]
    );
}

#[test]
fn rule_1_3_6_backends_are_sorted_and_each_scope_has_its_own() {
    let slice = "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: web-1, \
        labels: {kubernetes.io/service-name: web}}\naddressType: IPv4\nports: [{port: 8080}]\n\
        endpoints: [{addresses: [10.0.0.2]}, {addresses: [10.0.0.1], nodeName: node-a}]\n";
    let text = service("web", "clusterIP: 10.96.0.1").replace(", PORT", "") + slice;
    let (desired, _) = desired(&text);
    let port = &desired.v4.ports[0];
    let target = |host: u8, local: bool| Target {
        addr: Ip4::new([10, 0, 0, host]),
        port: Port::new(8080),
        local,
    };
    assert_eq!(port.cluster, [target(1, true), target(2, false)]);
    assert_eq!(port.local, [target(1, true)]);
}

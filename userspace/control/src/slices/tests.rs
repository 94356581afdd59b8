//! Pods to slices (rules 1.4.x).

use std::collections::BTreeMap;

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};

use super::{MANAGED_BY, make};
use crate::{
    manifest,
    object::{Kind, Object},
};

/// The slices of everything in a manifest.
pub(super) fn made(text: &str) -> Vec<EndpointSlice> {
    let parsed = manifest::parse("a.yaml", text);
    assert_eq!(parsed.problems, [], "{text}");
    let of = |kind| parsed.objects.iter().filter(move |it| it.key.kind == kind);
    make(
        of(Kind::Service).filter_map(Object::service),
        of(Kind::Pod).filter_map(Object::pod),
        of(Kind::Node).filter_map(Object::node),
    )
}

/// A Service that selects the Pods that are labelled with `app: web`.
pub(super) fn web(spec: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: web}}\nspec: \
         {{clusterIP: 10.96.0.1, selector: {{app: web}}, {spec}}}\n"
    )
}

/// A Pod; status without braces.
pub(super) fn pod(name: &str, spec: &str, status: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: web, a: b}}}}\n\
         spec: {{{spec}}}\nstatus: {{{status}}}\n"
    )
}

const PORT: &str = "ports: [{port: 80}]";

fn endpoints(slices: &[EndpointSlice]) -> Vec<&Endpoint> {
    slices
        .iter()
        .flat_map(|slice| slice.endpoints.iter().flatten())
        .collect()
}

fn addresses(text: &str) -> Vec<String> {
    let slices = made(text);
    endpoints(&slices)
        .iter()
        .map(|it| it.addresses[0].clone())
        .collect()
}

/// Each slice: its family, its ports as `name:number`, and how many endpoints it has.
fn shapes(slices: &[EndpointSlice]) -> Vec<String> {
    let shape = |slice: &EndpointSlice| {
        let ports = slice.ports.iter().flatten().map(|port| {
            let proto = port.protocol.as_deref().unwrap();
            format!(
                "{}:{}/{proto}",
                port.name.as_deref().unwrap(),
                port.port.unwrap()
            )
        });
        let ports: Vec<_> = ports.collect();
        let count = slice.endpoints.as_ref().unwrap().len();
        format!("{} [{}] {count}", slice.address_type, ports.join(" "))
    };
    slices.iter().map(shape).collect()
}

#[test]
fn rule_1_4_1_pods_that_have_ended_or_have_no_address_are_no_endpoints() {
    let text = web(PORT)
        + &pod("done", "", "podIP: 10.0.0.1, phase: Succeeded")
        + &pod("dead", "", "podIP: 10.0.0.2, phase: Failed")
        + &pod("new", "", "phase: Pending")
        + &pod("runs", "", "podIP: 10.0.0.4, phase: Running")
        + &pod("goes", "", "podIP: 10.0.0.5").replace(
            "metadata: {",
            "metadata: {deletionTimestamp: '2026-01-01T00:00:00Z', ",
        );
    assert_eq!(addresses(&text), ["10.0.0.5", "10.0.0.4"]);
}

#[test]
fn rule_1_4_2_conditions_come_from_readiness_deletion_and_publishing() {
    let conditions = |publish: bool, ready: Option<bool>, deleted: bool| {
        let status = ready.map_or(String::new(), |ready| {
            let word = if ready { "True" } else { "False" };
            format!(
                ", conditions: [{{type: Initialized, status: 'True'}}, \
                {{type: Ready, status: '{word}'}}]"
            )
        });
        let mut pod = pod("a", "", &format!("podIP: 10.0.0.1{status}"));
        if deleted {
            let deleted = "metadata: {deletionTimestamp: '2026-01-01T00:00:00Z', ";
            pod = pod.replace("metadata: {", deleted);
        }
        let slices = made(&(web(&format!("publishNotReadyAddresses: {publish}, {PORT}")) + &pod));
        let conditions = endpoints(&slices)[0].conditions.clone().unwrap();
        [conditions.ready, conditions.serving, conditions.terminating].map(Option::unwrap)
    };
    for (publish, ready, deleted, expected) in [
        (false, Some(true), false, [true, true, false]),
        (false, Some(false), false, [false, false, false]),
        (false, Some(true), true, [false, true, true]),
        (false, Some(false), true, [false, false, true]),
        (true, Some(false), false, [true, false, false]),
        (true, Some(true), true, [true, true, true]),
        (true, Some(false), true, [true, false, true]),
        // Written by hand, without any condition: ready if it has an address.
        (false, None, false, [true, true, false]),
        (false, None, true, [false, true, true]),
    ] {
        let got = conditions(publish, ready, deleted);
        assert_eq!(
            got, expected,
            "publish {publish}, ready {ready:?}, deleted {deleted}"
        );
    }
    let other = pod(
        "a",
        "",
        "podIP: 10.0.0.1, conditions: [{type: Initialized, status: 'True'}]",
    );
    let slices = made(&(web(PORT) + &other));
    let ready = endpoints(&slices)[0].conditions.as_ref().unwrap().ready;
    assert_eq!(ready, Some(false), "conditions, but none that says ready");
}

#[test]
fn rule_1_4_3_a_named_port_is_the_first_of_its_name_and_protocol_sidecars_last() {
    let service = |proto: &str| {
        web(&format!(
            "ports: [{{port: 53, protocol: {proto}, targetPort: dns}}]"
        ))
    };
    let port = |number: u16, proto: &str| {
        format!("{{name: dns, containerPort: {number}, protocol: {proto}}}")
    };
    let containers = format!(
        "initContainers: [{{ports: [{}]}}, {{restartPolicy: Always, ports: [{}, {}]}}], \
         containers: [{{}}, {{ports: [{{containerPort: 1}}, {}]}}, {{ports: [{}]}}]",
        port(1, "SCTP"),
        port(2, "SCTP"),
        port(3, "UDP"),
        port(4, "UDP"),
        port(5, "UDP"),
    );
    let number = |proto: &str| {
        let slices = made(&(service(proto) + &pod("a", &containers, "podIP: 10.0.0.1")));
        shapes(&slices)
    };
    assert_eq!(
        number("UDP"),
        ["IPv4 [:4/UDP] 1"],
        "containers before sidecars"
    );
    assert_eq!(
        number("SCTP"),
        ["IPv4 [:2/SCTP] 1"],
        "no init container that ends"
    );
    assert_eq!(
        number("TCP"),
        ["IPv4 [] 1"],
        "no match: the port is left out"
    );
}

#[test]
fn rule_1_4_4_pods_with_other_numbers_are_in_other_slices() {
    let named =
        |number: u16| format!("containers: [{{ports: [{{name: http, containerPort: {number}}}]}}]");
    let text = web("ports: [{name: p, port: 80, targetPort: http}, {name: q, port: 81}]")
        + &pod("a", &named(8080), "podIP: 10.0.0.1")
        + &pod("b", &named(9090), "podIP: 10.0.0.2")
        + &pod("c", &named(8080), "podIP: 10.0.0.3")
        + &pod("d", "", "podIP: 10.0.0.4");
    assert_eq!(
        shapes(&made(&text)),
        [
            "IPv4 [q:81/TCP] 1",
            "IPv4 [p:8080/TCP q:81/TCP] 2",
            "IPv4 [p:9090/TCP q:81/TCP] 1"
        ]
    );
}

#[test]
fn rule_1_4_5_a_number_is_taken_as_it_is_and_nothing_means_the_port() {
    for (target, expected) in [
        ("targetPort: 8080", 8080),
        ("targetPort: 0", 80),
        ("targetPort: ''", 80),
        ("appProtocol: http", 80),
    ] {
        let service = web(&format!("ports: [{{port: 80, {target}}}]"));
        let slices = made(&(service + &pod("a", "", "podIP: 10.0.0.1")));
        assert_eq!(
            slices[0].ports.as_ref().unwrap()[0].port,
            Some(expected),
            "{target}"
        );
    }
}

#[test]
fn rule_1_4_6_without_pods_there_is_a_placeholder_for_each_family() {
    assert_eq!(shapes(&made(&web(PORT))), ["IPv4 [] 0"]);
    let dual = web(PORT).replace("clusterIP: 10.96.0.1", "clusterIPs: [10.96.0.1, 'fd00::1']");
    assert_eq!(shapes(&made(&dual)), ["IPv4 [] 0", "IPv6 [] 0"]);
    let one = dual.clone() + &pod("a", "", "podIP: 10.0.0.1");
    assert_eq!(shapes(&made(&one)), ["IPv4 [:80/TCP] 1", "IPv6 [] 0"]);
    let both = dual
        + &pod(
            "a",
            "",
            "podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: 'FD00::0A'}]",
        );
    assert_eq!(addresses(&both), ["10.0.0.1", "fd00::a"]);
}

#[test]
fn rule_1_4_7_and_1_4_1_a_selector_means_all_its_labels_in_its_namespace_and_none_means_nothing() {
    let with = |selector: &str| {
        web(PORT).replace("selector: {app: web}", selector) + &pod("a", "", "podIP: 10.0.0.1")
    };
    assert_eq!(addresses(&with("selector: {app: web, a: b}")), ["10.0.0.1"]);
    assert!(addresses(&with("selector: {app: web, a: c}")).is_empty());
    assert!(addresses(&with("selector: {app: web, b: b}")).is_empty());
    for nothing in ["sessionAffinity: None", "selector: {}", "selector: null"] {
        assert!(made(&with(nothing)).is_empty(), "{nothing}");
    }
    let elsewhere = with("selector: {app: web}").replace("{name: a,", "{name: a, namespace: prod,");
    assert!(addresses(&elsewhere).is_empty());
    let name = with("type: ExternalName, externalName: a.b, selector: {app: web}");
    assert!(made(&name).is_empty());
}

#[test]
fn rule_1_4_8_labels_are_the_services_but_for_the_reserved_ones() {
    let labels = |service: &str| -> BTreeMap<String, String> {
        made(service)[0].metadata.labels.clone().unwrap()
    };
    let own = "labels: {team: a, kubernetes.io/service-name: x, \
        endpointslice.kubernetes.io/managed-by: x, service.kubernetes.io/headless: x}";
    let service = web(PORT).replace("{name: web}", &format!("{{name: web, {own}}}"));
    let expected = |headless: &[(&str, &str)]| {
        let all = [
            ("team", "a"),
            ("kubernetes.io/service-name", "web"),
            ("endpointslice.kubernetes.io/managed-by", MANAGED_BY),
        ];
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        all.iter()
            .chain(headless)
            .map(own)
            .collect::<BTreeMap<_, _>>()
    };
    assert_eq!(labels(&service), expected(&[]));
    let headless = service.replace("clusterIP: 10.96.0.1", "clusterIP: None");
    assert_eq!(
        labels(&headless),
        expected(&[("service.kubernetes.io/headless", "")])
    );
    let slice = &made(&service)[0];
    assert_eq!(slice.metadata.namespace.as_deref(), Some("default"));
    let owner = &slice.metadata.owner_references.as_ref().unwrap()[0];
    assert_eq!(
        (owner.kind.as_str(), owner.name.as_str()),
        ("Service", "web")
    );
}

#[test]
fn rule_1_4_9_a_hostname_needs_the_services_name_as_subdomain() {
    let hostname = |spec: &str| {
        let slices = made(&(web(PORT) + &pod("a", spec, "podIP: 10.0.0.1")));
        endpoints(&slices)[0].hostname.clone()
    };
    assert_eq!(
        hostname("hostname: h, subdomain: web").as_deref(),
        Some("h")
    );
    assert_eq!(hostname("hostname: h, subdomain: shop"), None);
    assert_eq!(hostname("hostname: h"), None);
    assert_eq!(hostname("subdomain: web"), None);
}

#[test]
fn rule_1_3_12_a_slice_takes_a_hundred_endpoints() {
    let pods = |count: usize| -> String {
        let pod = |number: usize| {
            let ip = format!("podIP: 10.0.{}.{}", number / 200, number % 200);
            pod(&format!("p{number:04}"), "nodeName: n", &ip)
        };
        (0..count).map(pod).collect()
    };
    let sizes = |count| {
        let slices = made(&(web(PORT) + &pods(count)));
        let names: Vec<_> = slices
            .iter()
            .map(|it| it.metadata.name.clone().unwrap())
            .collect();
        (shapes(&slices), names)
    };
    assert_eq!(sizes(100).0, ["IPv4 [:80/TCP] 100"]);
    let (shapes, names) = sizes(201);
    assert_eq!(
        shapes,
        [
            "IPv4 [:80/TCP] 100",
            "IPv4 [:80/TCP] 100",
            "IPv4 [:80/TCP] 1"
        ]
    );
    assert_eq!(names, ["web-ipv4-0", "web-ipv4-1", "web-ipv4-2"]);
}

#[test]
fn an_endpoint_says_which_pod_node_and_zone_it_is() {
    let node = "---\napiVersion: v1\nkind: Node\nmetadata: {name: n, labels: \
        {topology.kubernetes.io/zone: z}}\n";
    let text = web(PORT)
        + node
        + &pod("a", "nodeName: n", "podIP: 010.0.0.1")
        + &pod("b", "nodeName: unknown", "podIP: 10.0.0.2");
    let slices = made(&text);
    let seen: Vec<_> = endpoints(&slices)
        .iter()
        .map(|it| {
            let target = it.target_ref.as_ref().unwrap().name.clone().unwrap();
            (
                target,
                it.addresses[0].as_str(),
                it.node_name.as_deref(),
                it.zone.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("a".to_owned(), "10.0.0.1", Some("n"), Some("z")),
            ("b".to_owned(), "10.0.0.2", Some("unknown"), None),
        ]
    );
}

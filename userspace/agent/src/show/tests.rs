use tidegate_api::{
    CounterRow, DeviceRow, EndpointDescription, EndpointRow, FrontendDescription, List, MapRow,
    PortDescription, ServiceDescription, ServiceRow, SourceRow, Status, TrafficCount,
};

use super::*;

/// Nobody counts the columns.
const FREE: Screen = Screen {
    width: None,
    colours: false,
};

fn columns(width: usize) -> Screen {
    Screen {
        width: Some(width),
        ..FREE
    }
}

fn web() -> ServiceRow {
    ServiceRow {
        namespace: "default".into(),
        name: "web".into(),
        port_name: "http".into(),
        port: 80,
        proto: "TCP".into(),
        family: "IPv4".into(),
        cluster_ip: Some("10.96.0.10".parse().unwrap()),
        load_balancer_ips: vec!["192.0.2.1".parse().unwrap()],
        endpoints_ready: 1,
        endpoints_total: 2,
        source: "web.yaml: document 1".into(),
        ..ServiceRow::default()
    }
}

fn services() -> Vec<ServiceRow> {
    let long = ServiceRow {
        namespace: "observability".into(),
        name: "a-collector-with-a-long-name".into(),
        port_name: "otlp-grpc".into(),
        port: 4317,
        family: "IPv6".into(),
        cluster_ip: Some("fd00:96::1:2345".parse().unwrap()),
        node_port: Some(30_317),
        endpoints_ready: 3,
        endpoints_total: 3,
        affinity_seconds: 10_800,
        source: "api: Service observability/a-collector-with-a-long-name".into(),
        ..web()
    };
    vec![web(), long]
}

#[test]
fn services_at_80_columns_lose_what_matters_least() {
    assert_eq!(
        render(&services(), false, columns(80)),
        "NAMESPACE      NAME              PORT(NAME)    PROTO  CLUSTER-IP       ENDPOINTS\n\
         default        web               80(http)      TCP    10.96.0.10       1/2\n\
         observability  a-collector-wit…  4317(otlp-g…  TCP    fd00:96::1:2345  3/3\n"
    );
}

#[test]
fn services_at_200_columns_are_whole() {
    assert_eq!(
        render(&services(), false, columns(200)),
        "NAMESPACE      NAME                          PORT(NAME)       PROTO  CLUSTER-IP       NODE-PORT  ENDPOINTS  EXTERNAL-IP\n\
         default        web                           80(http)         TCP    10.96.0.10       <none>     1/2        192.0.2.1\n\
         observability  a-collector-with-a-long-name  4317(otlp-grpc)  TCP    fd00:96::1:2345  30317      3/3        192.0.2.1\n"
    );
}

#[test]
fn a_table_that_is_not_on_a_terminal_is_whole() {
    let text = render(&services(), false, FREE);
    assert_eq!(text, render(&services(), false, columns(200)));
}

#[test]
fn a_wide_table_has_more_columns() {
    let text = render(&[web()], true, columns(80));
    assert!(text.lines().next().unwrap().ends_with("SOURCE"), "{text}");
    assert!(text.contains("Cluster"), "{text}");
}

#[test]
fn an_empty_table_says_so() {
    assert_eq!(render::<ServiceRow>(&[], false, FREE), "nothing found\n");
}

#[test]
fn why_an_endpoint_is_not_used_is_the_last_thing_to_be_shortened_away() {
    let row = EndpointRow {
        namespace: "default".into(),
        service: "web".into(),
        port_name: "http".into(),
        proto: "TCP".into(),
        address: "2001:db8:1234:5678:9abc:def0:1234:5678".parse().unwrap(),
        port: 8080,
        node_name: Some("node-with-a-long-name".into()),
        local: false,
        ready: false,
        serving: false,
        terminating: false,
        used_cluster: false,
        used_local: false,
        why: "not ready, and others are".into(),
    };
    let text = render(&[row], false, columns(80));
    assert_eq!(
        text,
        "SERVICE  ADDRESS                                 USED  WHY\n\
         web      2001:db8:1234:5678:9abc:def0:1234:5678  no    not ready, and others are\n"
    );
}

#[test]
fn a_device_that_could_not_be_attached_shows_why() {
    let row = DeviceRow {
        name: "veth7".into(),
        index: 7,
        role: "pod".into(),
        why: "the kernel is out of memory".into(),
        ..DeviceRow::default()
    };
    let text = render(&[row], false, FREE);
    assert!(
        text.contains("veth7  pod   <none>  the kernel is out of memory"),
        "{text}"
    );
}

fn state() -> Status {
    let counter = |reason: &str, verdict: &str| CounterRow {
        reason: reason.into(),
        verdict: verdict.into(),
        packets: 7,
        bytes: 700,
        sentence: "What it means.".into(),
    };
    let map = |name: &str, used, capacity| MapRow {
        name: name.into(),
        used,
        capacity,
    };
    let source = |name: &str, read, unreadable| SourceRow {
        name: name.into(),
        read,
        unreadable,
    };
    Status {
        version: "0.1.0".into(),
        last_sync_seconds_ago: Some(300.0),
        last_sync_milliseconds: Some(1.25),
        synced: true,
        attach: "auto".into(),
        cgroup: "/sys/fs/cgroup".into(),
        sources: vec![source("manifests", true, 2), source("kubernetes", false, 0)],
        maps: vec![
            map("backends4", None, 10),
            map("flows4", Some(900), 1000),
            map("frontends4", Some(1), 1000),
        ],
        counters: vec![counter("new_flow", "forward"), counter("no_route", "drop")],
        problems: vec![
            "a.yaml: document 1: Service default/web: spec.ports[0].port: 0 is not a port (1-65535)".into(),
        ],
        ..Status::default()
    }
}

#[test]
fn the_status_at_80_columns_says_everything_and_never_wraps() {
    assert_eq!(
        status(&state(), columns(80)),
        "Node:        (no address)
Version:    0.1.0
Last sync:  5 min ago, took 1.2 ms; the maps match the sources
Sources:    manifests (2 of it cannot be read, see Problems), kubernetes (not
            read yet, so nothing is changed in the maps)
Attach:     auto; socket hooks: /sys/fs/cgroup
Serving:    0 service ports, 0 endpoints, 0 frontends, 0 backends, 0 local pods

Devices
  none match

Maps
  NAME        USED  CAPACITY  FULL  PRESSURE
  backends4   -     10        -
  flows4      900   1000      90%   nearly full
  frontends4  1     1000      <1%

Rejected and dropped packets
  REASON    VERDICT  PACKETS  MEANING
  no_route  drop     7        What it means.

Problems
  - a.yaml: document 1: Service default/web: spec.ports[0].port: 0 is not a port
    (1-65535)
"
    );
}

#[test]
fn no_line_of_the_status_is_wider_than_the_terminal() {
    for width in [60, 80, 200] {
        for line in status(&state(), columns(width)).lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
    }
}

#[test]
fn json_and_yaml_carry_the_same_camel_case_fields() {
    let list = List { items: vec![web()] };
    assert!(
        json(&list)
            .unwrap()
            .contains("\"clusterIp\": \"10.96.0.10\"")
    );
    let text = yaml(&list).unwrap();
    assert!(
        text.contains("clusterIp: \"10.96.0.10\"") && text.starts_with("items:"),
        "{text}"
    );
}

fn described() -> ServiceDescription {
    let endpoint =
        |address: &str, node: &str, local: bool, used: bool, why: &str| EndpointDescription {
            address: address.parse().unwrap(),
            port: 8080,
            node_name: Some(node.into()),
            zone: Some("zone-a".into()),
            local,
            ready: used,
            serving: true,
            terminating: !used,
            used_cluster: used,
            used_local: used && local,
            why: why.into(),
            sources: vec!["EndpointSlice default/web-1".into()],
            backend_id: used.then_some(7),
            traffic: used.then(TrafficCount::default),
            active: Some(3),
        };
    let frontend = FrontendDescription {
        address: "10.96.0.10".parse().unwrap(),
        port: 80,
        kind: "ClusterIP".into(),
        backends: 1,
        local_backends: 1,
        local_only: false,
        affinity_seconds: 0,
        source_ranges: vec![],
    };
    ServiceDescription {
        namespace: "default".into(),
        name: "web".into(),
        kind: "ClusterIP".into(),
        annotations: [("note".to_owned(), "x".repeat(500))].into(),
        ports: vec![PortDescription {
            port: 80,
            proto: "TCP".into(),
            family: "IPv4".into(),
            frontends: vec![frontend],
            endpoints: vec![
                endpoint("10.244.0.2", "node-a", true, true, "ready"),
                endpoint(
                    "10.244.1.2",
                    "node-b",
                    false,
                    false,
                    "terminating, and others are ready",
                ),
            ],
            ..PortDescription::default()
        }],
        problems: vec!["loses its nodePort".into()],
        ..ServiceDescription::default()
    }
}

#[test]
fn a_description_at_80_columns_still_says_why_an_endpoint_is_not_used() {
    let text = description(&described(), columns(80));
    let expected = "  Endpoints:
    ADDRESS     PORT  NODE           USED  OPENED  WHY
    10.244.0.2  8080  node-a (here)  yes   0       ready
    10.244.1.2  8080  node-b         no    <none>  terminating, and others are
                                                   ready

Problems
  - loses its nodePort
";
    assert!(text.ends_with(expected), "{text}");
    // The shape of everything but what cannot be broken, such as one long annotation.
    for line in text.lines().filter(|line| !line.contains("note=")) {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn a_description_at_200_columns_has_conditions_zones_and_sources() {
    let text = description(&described(), columns(200));
    let expected = "  Endpoints:
    ADDRESS     PORT  NODE           ZONE    CONDITIONS           USED  ACTIVE  OPENED  SOURCE                       WHY
    10.244.0.2  8080  node-a (here)  zone-a  ready                yes   3       0       EndpointSlice default/web-1  ready
    10.244.1.2  8080  node-b         zone-a  serving,terminating  no    3       <none>  EndpointSlice default/web-1  terminating, and others are ready
";
    assert!(text.contains(expected), "{text}");
    assert!(
        text.contains("note=xxx") && !text.contains(&"x".repeat(101)),
        "{text}"
    );
}

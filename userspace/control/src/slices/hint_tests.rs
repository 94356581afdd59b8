//! Which hints endpoints are given (rule 2.2.9).

use super::tests::{made, pod, web};

/// A Node in a zone with so many processors.
fn node(name: &str, zone: &str, processors: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Node\nmetadata: {{name: {name}, labels: \
         {{topology.kubernetes.io/zone: {zone}}}}}\nstatus: {{allocatable: {{cpu: {processors}}}}}\n"
    )
}

/// One Node in each of zones a and b.
fn two_zones(a: &str, b: &str) -> String {
    node("node-a", "a", a) + &node("node-b", "b", b)
}

/// Pods on these nodes, one each.
fn pods(nodes: &[&str]) -> String {
    let pod = |(host, node): (u8, &&str)| {
        pod(
            &format!("p{host}"),
            &format!("nodeName: {node}"),
            &format!("podIP: 10.0.0.{host}"),
        )
    };
    (1..).zip(nodes).map(pod).collect()
}

/// The hints of each endpoint: zones, then nodes.
fn hints(text: &str) -> Vec<String> {
    let slices = made(text);
    let endpoints = slices
        .iter()
        .flat_map(|slice| slice.endpoints.iter().flatten());
    let line = |endpoint: &k8s_openapi::api::discovery::v1::Endpoint| {
        let Some(hints) = &endpoint.hints else {
            return "-".to_owned();
        };
        let zones = hints.for_zones.iter().flatten().map(|it| it.name.as_str());
        let nodes = hints.for_nodes.iter().flatten().map(|it| it.name.as_str());
        zones.chain(nodes).collect::<Vec<_>>().join(" ")
    };
    endpoints.map(line).collect()
}

fn spread(value: &str) -> String {
    web(&format!(
        "trafficDistribution: {value}, ports: [{{port: 80}}]"
    ))
}

fn annotated(annotations: &str) -> String {
    spread("PreferSameZone").replace("{name: web}", &format!("{{name: web, {annotations}}}"))
}

const AUTO: &str = "annotations: {service.kubernetes.io/topology-mode: Auto}";

#[test]
fn rule_2_2_9_and_1_5_6_traffic_distribution_hints_the_own_zone_or_node() {
    let rest = two_zones("1", "1") + &pods(&["node-a", "node-b", "node-x"]);
    for (value, expected) in [
        ("PreferClose", ["a", "b", "-"]),
        ("PreferSameZone", ["a", "b", "-"]),
        ("PreferSameNode", ["a node-a", "b node-b", "node-x"]),
    ] {
        assert_eq!(hints(&(spread(value) + &rest)), expected, "{value}");
    }
    let nothing = web("ports: [{port: 80}]");
    assert_eq!(hints(&(nothing + &rest)), ["-", "-", "-"]);
}

#[test]
fn rule_2_2_9_unready_endpoints_are_left_without() {
    let unready = pods(&["node-a"]).replace(
        "status: {",
        "status: {conditions: [{type: Ready, status: 'False'}], ",
    );
    let rest = two_zones("1", "1") + &unready;
    assert_eq!(hints(&(spread("PreferSameNode") + &rest)), ["-"]);
    let always = spread("PreferSameNode")
        .replace("{clusterIP", "{publishNotReadyAddresses: true, clusterIP");
    assert_eq!(
        hints(&(always + &rest)),
        ["a node-a"],
        "published means ready"
    );
}

#[test]
fn rule_2_2_9_the_annotation_wins_over_the_field_and_the_older_one_over_the_newer() {
    // With one endpoint a proportional division is not possible: no hint shows which way was taken.
    let rest = two_zones("1", "1") + &pods(&["node-a"]);
    let older = "service.kubernetes.io/topology-aware-hints";
    for (annotations, expected) in [
        ("labels: {}".to_owned(), "a"),
        (AUTO.to_owned(), "-"),
        (AUTO.replace("Auto", "auto"), "-"),
        (AUTO.replace("Auto", "aUto"), "a"),
        (AUTO.replace("Auto", "Disabled"), "a"),
        (AUTO.replace('}', &format!(", {older}: Disabled}}")), "a"),
        (
            AUTO.replace("Auto}", &format!("Disabled, {older}: Auto}}")),
            "-",
        ),
    ] {
        assert_eq!(
            hints(&(annotated(&annotations) + &rest)),
            [expected],
            "{annotations}"
        );
    }
}

#[test]
fn rule_2_2_9_auto_gives_each_zone_endpoints_in_proportion_to_its_processors() {
    let auto = |zones: (&str, &str), nodes: &[&str]| {
        hints(&(annotated(AUTO) + &two_zones(zones.0, zones.1) + &pods(nodes)))
    };
    let (a, b) = ("node-a", "node-b");
    assert_eq!(auto(("4", "4"), &[a, b]), ["a", "b"]);
    // All in one zone, but both have the same share: half of them serve the other zone.
    let mut zones = auto(("4", "4000m"), &[a, a, a, a]);
    zones.sort_unstable();
    assert_eq!(zones, ["a", "a", "b", "b"]);
    // Three quarters of the processors, three quarters of the endpoints.
    let mut zones = auto(("6", "2"), &[a, a, b, b]);
    zones.sort_unstable();
    assert_eq!(zones, ["a", "a", "a", "b"]);
    // Shares of 1.2 and 0.8: a fifth too much is the most that an endpoint may get.
    assert_eq!(auto(("3", "2"), &[a, b]), ["a", "b"]);
}

#[test]
fn rule_2_2_9_auto_gives_no_hints_where_a_fair_division_is_not_possible() {
    let (a, b) = ("node-a", "node-b");
    let with = |nodes: &str, pods_on: &[&str]| hints(&(annotated(AUTO) + nodes + &pods(pods_on)));
    let none = ["-", "-"];
    assert_eq!(with("", &[a, b]), none, "no Nodes");
    assert_eq!(with(&node(a, "a", "1"), &[a, a]), none, "one zone");
    assert_eq!(
        with(&two_zones("1", "0"), &[a, b]),
        none,
        "a Node without processors"
    );
    assert_eq!(
        with(&two_zones("1", "many"), &[a, b]),
        none,
        "processors that cannot be read"
    );
    let no_zone = two_zones("1", "1").replace("zone: b", "other: b");
    assert_eq!(with(&no_zone, &[a, b]), none, "a Node without a zone");
    assert_eq!(
        with(&two_zones("1", "1"), &[a, "node-x"]),
        none,
        "an endpoint without a zone"
    );
    let three = two_zones("1", "1") + &node("node-c", "c", "1");
    assert_eq!(with(&three, &[a, b]), none, "fewer endpoints than zones");
    assert_eq!(
        with(&two_zones("6", "1"), &[a, b]),
        none,
        "somebody would be overloaded"
    );
}

#[test]
fn rule_2_2_9_auto_counts_ready_nodes_for_ordinary_pods_only() {
    let (a, b) = ("node-a", "node-b");
    let control_plane = node("cp", "c", "9").replace(
        "labels: {",
        "labels: {node-role.kubernetes.io/control-plane: '', ",
    );
    let unready = node("down", "d", "9").replace(
        "status: {",
        "status: {conditions: [{type: Ready, status: Unknown}], ",
    );
    let text = annotated(AUTO) + &two_zones("1", "1") + &control_plane + &unready + &pods(&[a, b]);
    assert_eq!(hints(&text), ["a", "b"]);
}

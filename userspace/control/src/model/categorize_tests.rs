//! The rows of kube-proxy's own table, `TestCategorizeEndpoints` (rules 2.1.x, 2.2.x and 2.3.x).
//!
//! kube-proxy computes a scope only where a policy asks for it; here both are there all the time, and
//! the policies choose between them in the data path.

use super::tests::{model, model_on, node, service, slice, used, web};
use crate::node::NodeFacts;

/// One endpoint of a row: last octet, whether it is here, its condition, its hints.
#[derive(Clone, Copy)]
struct Row(
    u8,
    bool,
    Is,
    &'static [&'static str],
    &'static [&'static str],
);

#[derive(Clone, Copy)]
enum Is {
    Ready,
    Unready,
    /// Terminating, and still serving.
    Last,
}

use Is::{Last, Ready, Unready};

const HERE: bool = true;
const THERE: bool = false;

impl Row {
    fn yaml(self) -> String {
        let Self(octet, here, is, zones, nodes) = self;
        let conditions = match is {
            Ready => "ready: true",
            Unready => "ready: false, serving: false",
            Last => "ready: false, serving: true, terminating: true",
        };
        let list = |names: &[&str]| {
            let items: Vec<_> = names
                .iter()
                .map(|name| format!("{{name: {name}}}"))
                .collect();
            items.join(", ")
        };
        format!(
            "10.0.0.{octet} nodeName: {}, conditions: {{{conditions}}}, \
             hints: {{forZones: [{}], forNodes: [{}]}}",
            if here { "node-a" } else { "node-b" },
            list(zones),
            list(nodes)
        )
    }
}

/// Which endpoints each scope uses, on node-a in a zone.
fn categorized(zone: Option<&str>, rows: &[Row]) -> Vec<String> {
    let endpoints: Vec<_> = rows.iter().map(|row| row.yaml()).collect();
    let endpoints: Vec<_> = endpoints.iter().map(String::as_str).collect();
    let text = web() + &slice("web-1", "{port: 8080}", &endpoints);
    let zone = zone.map(str::to_owned);
    used(&model_on(&text, &NodeFacts { zone, ..node() }))
}

/// The row's name, this node's zone, the endpoints, and what each is used for.
type Case<'a> = (&'a str, Option<&'a str>, &'a [Row], &'a [&'a str]);

fn all(cases: &[Case<'_>]) {
    for (name, zone, rows, expected) in cases {
        assert_eq!(categorized(*zone, rows), *expected, "{name}");
    }
}

const A: &[&str] = &["zone-a"];
const B: &[&str] = &["zone-b"];
const C: &[&str] = &["zone-c"];
const NONE: &[&str] = &[];

/// In zones a, b, c and a.
const FOUR: [Row; 4] = [
    Row(3, THERE, Ready, A, NONE),
    Row(4, THERE, Ready, B, NONE),
    Row(5, THERE, Ready, C, NONE),
    Row(6, THERE, Ready, A, NONE),
];

#[test]
fn rule_2_2_3_zone_hints_narrow_the_cluster_scope() {
    let expected = ["3C", "4", "5", "6C"];
    all(&[("normal filtering", Some("zone-a"), &FOUR, &expected)]);
}

#[test]
fn rule_2_2_11_hints_count_whatever_the_service_is_annotated_with() {
    let endpoints = FOUR.map(Row::yaml);
    let endpoints: Vec<_> = endpoints.iter().map(String::as_str).collect();
    for mode in ["Auto", "disabled", "aUto", "''"] {
        let annotation =
            format!("name: web, annotations: {{service.kubernetes.io/topology-mode: {mode}}}");
        let text = web().replace("name: web", &annotation) + &slice("s", "{port: 1}", &endpoints);
        assert_eq!(used(&model(&text)), ["3C", "4", "5", "6C"], "{mode}");
    }
}

#[test]
fn rule_2_3_6_policy_local_without_a_local_endpoint_leaves_the_cluster_pool_as_it_is() {
    let spec = "type: NodePort, clusterIP: 10.96.0.1, externalTrafficPolicy: Local, \
        ports: [{port: 80}]";
    let text = service("web", spec) + &slice("s", "{port: 1}", &["10.0.0.1 nodeName: node-b"]);
    let model = model(&text);
    assert!(model.ports[0].external_local);
    assert_eq!(used(&model), ["1C"]);
}

#[test]
fn rule_2_2_4_without_a_hint_for_us_or_with_one_missing_all_are_used() {
    let one = [Row(3, THERE, Ready, A, NONE)];
    let mut missing = FOUR;
    missing[2].3 = NONE;
    let everybody = ["3C", "4C", "5C", "6C"];
    all(&[
        ("no zone label", None, &one, &["3C"]),
        ("empty zone label", Some(""), &one, &["3C"]),
        ("node in different zone", Some("zone-b"), &one, &["3C"]),
        ("missing hints", Some("zone-a"), &missing, &everybody),
        ("none matches", Some("zone-d"), &FOUR, &everybody),
    ]);
}

#[test]
fn rule_2_2_5_hints_of_unready_endpoints_do_not_count() {
    let mut last = FOUR;
    last[3].2 = Unready;
    let mut all_of_zone = last;
    all_of_zone[0].2 = Unready;
    let mut unhinted = FOUR;
    unhinted[2] = Row(5, THERE, Unready, NONE, NONE);
    all(&[
        (
            "unready endpoint",
            Some("zone-a"),
            &last,
            &["3C", "4", "5", "6"],
        ),
        (
            "only unready ones in the zone",
            Some("zone-a"),
            &all_of_zone,
            &["3", "4C", "5C", "6"],
        ),
        (
            "unready one without a hint",
            Some("zone-a"),
            &unhinted,
            &["3C", "4", "5", "6C"],
        ),
    ]);
}

#[test]
fn rule_2_2_6_an_endpoint_may_have_several_zones() {
    let rows = [
        Row(3, THERE, Ready, &["zone-a", "zone-b", "zone-c"], NONE),
        Row(4, THERE, Ready, &["zone-b", "zone-c"], NONE),
        Row(5, THERE, Ready, &["zone-b", "zone-d"], NONE),
        Row(6, THERE, Ready, C, NONE),
    ];
    all(&[(
        "several hints",
        Some("zone-c"),
        &rows,
        &["3C", "4C", "5", "6C"],
    )]);
}

#[test]
fn rule_2_2_7_the_local_scope_ignores_hints() {
    let mut rows = FOUR;
    (rows[0].1, rows[1].1) = (HERE, HERE);
    let conflict = [
        Row(0, HERE, Ready, A, NONE),
        Row(1, HERE, Ready, B, NONE),
        Row(2, THERE, Ready, A, NONE),
        Row(3, THERE, Ready, B, NONE),
    ];
    all(&[
        (
            "topology ignored for local",
            Some("zone-a"),
            &rows,
            &["3CL", "4L", "5", "6C"],
        ),
        (
            "topology against place",
            Some("zone-a"),
            &conflict,
            &["0CL", "1L", "2C", "3"],
        ),
    ]);
}

#[test]
fn rule_2_2_2_and_2_2_10_node_hints_come_first_then_zone_hints_then_all() {
    let both = [
        Row(1, THERE, Ready, B, &["node-a"]),
        Row(2, THERE, Ready, A, &["node-b"]),
        Row(3, THERE, Ready, C, &["node-c"]),
    ];
    let mut elsewhere = both;
    elsewhere[0].4 = &["node-d"];
    let mut far = elsewhere;
    far[1].3 = B;
    let mut partial = both;
    partial[2].4 = NONE;
    all(&[
        ("same node", Some("zone-a"), &both, &["1C", "2", "3"]),
        ("same zone", Some("zone-a"), &elsewhere, &["1", "2C", "3"]),
        ("neither", Some("zone-a"), &far, &["1C", "2C", "3C"]),
        (
            "a node hint is missing",
            Some("zone-a"),
            &partial,
            &["1", "2C", "3"],
        ),
    ]);
}

#[test]
fn rule_2_2_2_a_node_without_a_name_is_nobodys() {
    let text = web()
        + &slice(
            "web-1",
            "{port: 1}",
            &[
                "10.0.0.1 hints: {forNodes: [{name: ''}]}",
                "10.0.0.2 hints: {forNodes: [{name: node-a}]}",
            ],
        );
    assert_eq!(used(&model_on(&text, &NodeFacts::default())), ["1C", "2C"]);
}

#[test]
fn rule_2_1_1_ready_endpoints_of_the_scope_only() {
    let some = |first: bool, second: bool| {
        [
            Row(0, first, Ready, NONE, NONE),
            Row(1, second, Ready, NONE, NONE),
        ]
    };
    let unready = [
        Row(0, THERE, Unready, NONE, NONE),
        Row(1, THERE, Unready, NONE, NONE),
    ];
    let half = [unready[0], Row(1, THERE, Ready, NONE, NONE)];
    all(&[
        ("empty endpoints", None, &[], &[]),
        ("all are remote", None, &some(THERE, THERE), &["0C", "1C"]),
        ("all are local", None, &some(HERE, HERE), &["0CL", "1CL"]),
        ("some are local", None, &some(HERE, THERE), &["0CL", "1C"]),
        ("endpoints not ready", None, &unready, &["0", "1"]),
        ("some are ready", None, &half, &["0", "1C"]),
    ]);
}

#[test]
fn rule_2_1_2_and_2_1_5_terminating_ones_serve_where_a_scope_has_nothing_else() {
    let both = |first, second| {
        [
            Row(0, first, Last, NONE, NONE),
            Row(1, second, Last, NONE, NONE),
        ]
    };
    let mixed = [
        Row(0, THERE, Ready, NONE, NONE),
        Row(1, HERE, Unready, NONE, NONE),
        Row(2, HERE, Last, NONE, NONE),
        Row(3, THERE, Last, NONE, NONE),
    ];
    all(&[
        (
            "all are terminating",
            None,
            &both(HERE, THERE),
            &["0CL", "1C"],
        ),
        (
            "all are remote and terminating",
            None,
            &both(THERE, THERE),
            &["0C", "1C"],
        ),
        (
            "ready ones elsewhere",
            None,
            &mixed,
            &["0C", "1", "2L", "3"],
        ),
    ]);
}

#[test]
fn rule_2_3_1_and_2_3_2_and_2_3_3_each_policy_is_its_own_and_needs_its_kind_of_address() {
    for (spec, expected) in [
        ("", (false, false)),
        ("internalTrafficPolicy: Local, ", (true, false)),
        ("externalTrafficPolicy: Local, ", (false, false)),
        (
            "type: NodePort, externalTrafficPolicy: Local, ",
            (false, true),
        ),
        (
            "type: NodePort, internalTrafficPolicy: Local, ",
            (true, false),
        ),
        (
            "externalIPs: [192.0.2.1], externalTrafficPolicy: Local, ",
            (false, true),
        ),
        (
            "type: LoadBalancer, internalTrafficPolicy: Local, externalTrafficPolicy: Local, ",
            (true, true),
        ),
    ] {
        let spec = format!("clusterIP: 10.96.0.1, {spec}ports: [{{port: 80}}]");
        let model = model(&service("web", &spec));
        let port = &model.ports[0];
        assert_eq!(
            (port.internal_local, port.external_local),
            expected,
            "{spec}"
        );
    }
}

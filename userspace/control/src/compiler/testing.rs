//! Random files for the tests of the compiler: few names and numbers, so that everybody meets everybody.

use crate::plan::testing::Dice;

const ADDRESSES: [&str; 6] = [
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.3",
    "192.0.2.10",
    "2001:db8::1",
    "2001:db8::2",
];
const NODES: [&str; 3] = ["node-a", "node-b", "node-c"];

/// The text of a file of so many objects.
pub(super) fn file(dice: &mut Dice, objects: usize) -> String {
    let mut text = String::new();
    for _ in 0..objects {
        text += "---\n";
        text += &match dice.roll(8) {
            0..=3 => service(dice),
            4 | 5 => slice(dice),
            6 => pod(dice),
            _ => node(dice),
        };
    }
    text
}

fn pick<'a>(dice: &mut Dice, all: &[&'a str]) -> &'a str {
    all[dice.index(all.len())]
}

/// The text, one time out of some.
fn maybe(dice: &mut Dice, sides: u64, text: &str) -> String {
    if dice.roll(sides) == 0 {
        text.to_owned()
    } else {
        String::new()
    }
}

fn namespace(dice: &mut Dice) -> &'static str {
    ["one", "two"][usize::from(dice.roll(4) == 0)]
}

fn service(dice: &mut Dice) -> String {
    let namespace = namespace(dice);
    let name = pick(dice, &["a", "b", "c", "d"]);
    let created = match dice.roll(4) {
        0 => ", creationTimestamp: '2026-01-01T00:00:00Z'",
        1 => ", creationTimestamp: '2026-01-02T00:00:00Z'",
        _ => "",
    };
    let labels = maybe(
        dice,
        12,
        ", labels: {service.kubernetes.io/service-proxy-name: other}",
    );
    let mut annotations = maybe(dice, 3, "tidegate.io/ping: 'false', ");
    annotations += &maybe(dice, 3, "tidegate.io/source-ranges: all, ");
    annotations += &maybe(dice, 5, "service.kubernetes.io/topology-mode: Auto, ");
    let spec = spec(dice);
    let status = maybe(
        dice,
        2,
        "status: {loadBalancer: {ingress: [{ip: 192.0.2.1}, {ip: 192.0.2.10}]}}\n",
    );
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}\
         {created}{labels}, annotations: {{{annotations}}}}}\nspec: {{{spec}}}\n{status}"
    )
}

fn spec(dice: &mut Dice) -> String {
    let v4 = 1 + dice.roll(5);
    let ips = match dice.roll(8) {
        0 => "None".to_owned(),
        1 => "''".to_owned(),
        2 => format!("10.96.0.{v4}', 'fd00::{v4}").replace("10.96", "'10.96") + "'",
        3 => format!("'fd00::{v4}'"),
        _ => format!("10.96.0.{v4}"),
    };
    let mut spec = format!("clusterIPs: [{ips}], ");
    spec += match dice.roll(5) {
        0 => "type: NodePort, ",
        1 | 2 => "type: LoadBalancer, ",
        _ => "",
    };
    spec += &maybe(
        dice,
        3,
        "externalIPs: [192.0.2.1, 192.0.2.2, '2001:db8::9'], ",
    );
    spec += &maybe(dice, 3, "internalTrafficPolicy: Local, ");
    if dice.roll(3) == 0 {
        let number = 30080 + dice.roll(3);
        spec += &format!("externalTrafficPolicy: Local, healthCheckNodePort: {number}, ");
    }
    spec += &maybe(dice, 3, "sessionAffinity: ClientIP, ");
    spec += &maybe(dice, 3, "loadBalancerSourceRanges: [203.0.113.0/24], ");
    spec += match dice.roll(6) {
        0 => "trafficDistribution: PreferSameNode, ",
        1 => "trafficDistribution: PreferSameZone, ",
        _ => "",
    };
    spec += match dice.roll(5) {
        0 => "selector: {app: x}, ",
        1 => "selector: {app: x, tier: y}, ",
        2 => "selector: {tier: y}, ",
        _ => "",
    };
    let port = |dice: &mut Dice, name: &str, number: u64| {
        let node_port = 30080 + dice.roll(3);
        let node_port = maybe(dice, 2, &format!(", nodePort: {node_port}"));
        let proto = pick(dice, &["TCP", "UDP"]);
        format!("{{name: {name}, port: {number}, protocol: {proto}, targetPort: 80{node_port}}}")
    };
    let first = port(dice, "p", 80);
    let second = if dice.roll(2) == 0 {
        let number = 80 + dice.roll(2);
        format!(", {}", port(dice, "q", number))
    } else {
        String::new()
    };
    spec + &format!("ports: [{first}{second}]")
}

fn slice(dice: &mut Dice) -> String {
    let namespace = namespace(dice);
    let name = pick(dice, &["s", "t", "u", "v"]);
    let owner = pick(dice, &["a", "b", "c", "d"]);
    let owner = maybe(dice, 1, &format!("kubernetes.io/service-name: {owner}, "));
    let headless = maybe(dice, 10, "service.kubernetes.io/headless: '', ");
    let author = maybe(
        dice,
        4,
        "endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io, ",
    );
    let kind = pick(dice, &["IPv4", "IPv4", "IPv6"]);
    let proto = pick(dice, &["TCP", "UDP"]);
    let count = dice.roll(4);
    let endpoints: Vec<String> = (0..count).map(|_| endpoint(dice, kind)).collect();
    let endpoints = endpoints.join(", ");
    format!(
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: {name}, \
         namespace: {namespace}, labels: {{{owner}{headless}{author}}}}}\naddressType: {kind}\n\
         ports: [{{name: p, port: 8080, protocol: {proto}}}, {{name: q, port: 8081, protocol: UDP}}]\n\
         endpoints: [{endpoints}]\n"
    )
}

fn endpoint(dice: &mut Dice, kind: &str) -> String {
    let of_kind = if kind == "IPv4" {
        &ADDRESSES[..4]
    } else {
        &ADDRESSES[4..]
    };
    let address = pick(dice, of_kind);
    let node = pick(dice, &NODES);
    let node = maybe(dice, 2, &format!(", nodeName: {node}"));
    let zone = pick(dice, &["z1", "z2"]);
    let hints = maybe(
        dice,
        3,
        &format!(", hints: {{forZones: [{{name: {zone}}}]}}"),
    );
    let conditions = match dice.roll(5) {
        0 => ", conditions: {ready: false}",
        1 => ", conditions: {ready: false, serving: true, terminating: true}",
        _ => "",
    };
    format!("{{addresses: ['{address}']{node}{hints}{conditions}}}")
}

fn pod(dice: &mut Dice) -> String {
    let namespace = namespace(dice);
    let name = pick(dice, &["k", "l", "m", "n"]);
    let labels = pick(dice, &["app: x", "tier: y", "app: x, tier: y", "app: z"]);
    let (v4, v6) = (pick(dice, &ADDRESSES[..4]), pick(dice, &ADDRESSES[4..]));
    let node = pick(dice, &NODES);
    let ready = pick(dice, &["True", "True", "False"]);
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}, labels: {{{labels}}}}}\n\
         spec: {{nodeName: {node}}}\nstatus: {{podIPs: [{{ip: {v4}}}, {{ip: '{v6}'}}], \
         conditions: [{{type: Ready, status: '{ready}'}}]}}\n"
    )
}

fn node(dice: &mut Dice) -> String {
    let name = pick(dice, &NODES);
    let zone = pick(dice, &["z1", "z2"]);
    let ready = pick(dice, &["True", "True", "False"]);
    let processors = 1 + dice.roll(3);
    format!(
        "apiVersion: v1\nkind: Node\nmetadata: {{name: {name}, labels: {{topology.kubernetes.io/zone: {zone}}}}}\n\
         status: {{allocatable: {{cpu: '{processors}'}}, conditions: [{{type: Ready, status: '{ready}'}}]}}\n"
    )
}

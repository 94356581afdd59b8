//! A day in the life of a node, one change at a time.

use super::super::{Fake, Reconciler, node};

/// From one state of the sources to the next.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) before: &'static str,
    pub(super) after: &'static str,
    /// What else the agent hears of, beside the manifests.
    pub(super) also: fn(&mut Reconciler<Fake>),
}

macro_rules! service {
    ($name:literal, $ip:literal, $port:literal, $spec:literal, [$($endpoint:literal),*]) => {
        concat!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {name: ", $name, "}\n",
            "spec: {clusterIP: ", $ip, ", type: ", $spec, ", ",
            "ports: [{name: t, port: 80, nodePort: ", $port, "}, {name: u, protocol: UDP, port: 80, nodePort: ", $port, "}]}\n",
            "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n",
            "metadata: {name: ", $name, "-1, labels: {kubernetes.io/service-name: ", $name, "}}\n",
            "addressType: IPv4\nports: [{name: t, port: 8080}, {name: u, protocol: UDP, port: 8080}]\n",
            "endpoints: [", $("{addresses: [", $endpoint, "], nodeName: a},",)* "]\n",
        )
    };
}

const EMPTY: &str = "";
const OTHER: &str = service!(
    "other",
    "10.96.0.20",
    "30020",
    "NodePort",
    ["10.244.0.9", "10.244.1.9"]
);

const WEB: &str = concat!(
    service!(
        "web",
        "10.96.0.10",
        "30010",
        "NodePort",
        ["10.244.0.7", "10.244.1.7"]
    ),
    service!(
        "other",
        "10.96.0.20",
        "30020",
        "NodePort",
        ["10.244.0.9", "10.244.1.9"]
    ),
);
const MORE: &str = concat!(
    service!(
        "web",
        "10.96.0.10",
        "30010",
        "NodePort",
        ["10.244.0.7", "10.244.1.7", "10.244.1.8"]
    ),
    service!(
        "other",
        "10.96.0.20",
        "30020",
        "NodePort",
        ["10.244.0.9", "10.244.1.9"]
    ),
);
const REPLACED: &str = concat!(
    service!(
        "web",
        "10.96.0.10",
        "30010",
        "NodePort",
        ["10.244.0.17", "10.244.1.18"]
    ),
    service!(
        "other",
        "10.96.0.20",
        "30020",
        "NodePort",
        ["10.244.0.9", "10.244.1.9"]
    ),
);
const EXCHANGED: &str = concat!(
    service!(
        "web",
        "10.96.0.10",
        "30010",
        "NodePort",
        ["10.244.0.9", "10.244.1.9"]
    ),
    service!(
        "other",
        "10.96.0.20",
        "30020",
        "NodePort",
        ["10.244.0.7", "10.244.1.7"]
    ),
);
const NOBODY: &str = concat!(
    service!("web", "10.96.0.10", "30010", "NodePort", []),
    service!(
        "other",
        "10.96.0.20",
        "30020",
        "NodePort",
        ["10.244.0.9", "10.244.1.9"]
    ),
);
const STICKY: &str = concat!(
    service!(
        "web",
        "10.96.0.10",
        "30010",
        "NodePort, sessionAffinity: ClientIP",
        ["10.244.0.7", "10.244.1.7"]
    ),
    service!(
        "other",
        "10.96.0.20",
        "30020",
        "NodePort",
        ["10.244.0.9", "10.244.1.9"]
    ),
);
const LOCAL: &str = concat!(
    service!(
        "web",
        "10.96.0.10",
        "30010",
        "NodePort, externalTrafficPolicy: Local",
        ["10.244.0.7", "10.244.1.7"]
    ),
    service!(
        "other",
        "10.96.0.20",
        "30020",
        "NodePort",
        ["10.244.0.9", "10.244.1.9"]
    ),
);
const RENUMBERED: &str = concat!(
    service!(
        "web",
        "10.96.0.30",
        "30030",
        "NodePort",
        ["10.244.0.7", "10.244.1.7"]
    ),
    service!(
        "other",
        "10.96.0.20",
        "30020",
        "NodePort",
        ["10.244.0.9", "10.244.1.9"]
    ),
);
/// Removed, and another Service has its addresses.
const SUCCESSOR: &str = service!(
    "next",
    "10.96.0.10",
    "30010",
    "NodePort",
    ["10.244.0.27", "10.244.1.27"]
);
const GUARDED: &str = service!(
    "other",
    "10.96.0.20",
    "30020",
    "LoadBalancer, externalIPs: [203.0.113.1], loadBalancerSourceRanges: [192.0.2.0/24, 198.51.100.0/24]",
    ["10.244.0.9", "10.244.1.9"]
);

const fn step(name: &'static str, before: &'static str, after: &'static str) -> Step {
    Step {
        name,
        before,
        after,
        also: |_agent| {},
    }
}

/// The pod's link has been made anew.
fn another_device(agent: &mut Reconciler<Fake>) {
    let mut seen = node();
    if let Some(link) = seen.links.remove(&7) {
        let _before = seen.links.insert(9, link);
    }
    for route in &mut seen.routes {
        for device in &mut route.devices {
            *device = if *device == 7 { 9 } else { *device };
        }
    }
    agent.take_snapshot(&seen);
}

pub(super) const STEPS: [Step; 17] = [
    step("the first start", EMPTY, WEB),
    step("a Service comes", OTHER, WEB),
    step("a Service goes", WEB, OTHER),
    step("an endpoint comes", WEB, MORE),
    step("an endpoint goes", MORE, WEB),
    step("all endpoints are replaced", WEB, REPLACED),
    step("two Services exchange their endpoints", WEB, EXCHANGED),
    step("the last endpoint goes", WEB, NOBODY),
    step("the first endpoint comes", NOBODY, WEB),
    step("affinity comes", WEB, STICKY),
    step("affinity goes", STICKY, WEB),
    step("policy Local", WEB, LOCAL),
    step("source ranges come", OTHER, GUARDED),
    step("source ranges go", GUARDED, OTHER),
    step("other addresses", WEB, RENUMBERED),
    step("another Service gets the addresses", WEB, SUCCESSOR),
    Step {
        name: "a pod's device is another one",
        before: WEB,
        after: MORE,
        also: another_device,
    },
];

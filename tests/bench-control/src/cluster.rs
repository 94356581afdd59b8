//! A cluster of as many Services as wanted, as an API server shows it.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

/// Endpoints of each Service.
pub const ENDPOINTS: u32 = 5;

/// A Service that has been given its numbers.
pub fn service(number: u32) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name(number),
            "namespace": namespace(number),
            "uid": format!("00000000-0000-4000-8000-{number:012}"),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": name(number)},
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": cluster_ip(number).to_string(),
            "clusterIPs": [cluster_ip(number).to_string()],
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "internalTrafficPolicy": "Cluster",
            "sessionAffinity": "None",
            "selector": {"app": name(number)},
            "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}],
        },
        "status": {"loadBalancer": {}},
    })
}

/// Its slice. The first endpoint has moved `moves` times.
pub fn slice(number: u32, moves: u32) -> Value {
    let endpoints: Vec<Value> = (0..ENDPOINTS)
        .map(|index| {
            let moves = if index == 0 { moves } else { 0 };
            endpoint(number, index, moves)
        })
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{}-abcde", name(number)),
            "namespace": namespace(number),
            "labels": {
                "kubernetes.io/service-name": name(number),
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "protocol": "TCP", "port": 8080}],
        "endpoints": endpoints,
    })
}

/// Where clients dial it.
pub fn cluster_ip(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 96, 0, 1).to_bits() + number)
}

/// The namespace of a Service; there are 200 Services in each.
pub fn namespace(number: u32) -> String {
    format!("team-{}", number / 200)
}

/// The name of a Service.
pub fn name(number: u32) -> String {
    format!("service-{number}")
}

fn endpoint(number: u32, index: u32, moves: u32) -> Value {
    // 10.128.0.0/9 has room for eight million; those that have moved are far from the others.
    let host = number * ENDPOINTS + index + moves * 1_000_003;
    let ip = Ipv4Addr::from_bits(Ipv4Addr::new(10, 128, 0, 1).to_bits() + host % 8_000_000);
    let node = host % 1000;
    json!({
        "addresses": [ip.to_string()],
        "conditions": {"ready": true, "serving": true, "terminating": false},
        "nodeName": format!("node-{node}"),
        "zone": format!("zone-{}", node % 3),
        "targetRef": {
            "kind": "Pod",
            "name": format!("{}-7d4b9c5f6-{index}", name(number)),
            "namespace": namespace(number),
            "uid": format!("00000000-0000-4000-9000-{host:012}"),
        },
    })
}

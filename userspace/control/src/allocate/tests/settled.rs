//! Services of an API server, which has given them their numbers.

use serde_json::json;

use super::*;

#[test]
fn rule_7_1_13_a_service_of_an_api_server_is_neither_completed_nor_remembered() {
    let mut cluster = Cluster::new();
    let bare =
        json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": [{"port": 80}]});
    assert_eq!(cluster.put_settled("bare", bare).run(), [""; 0]);
    assert!(cluster.cluster_ips("bare").is_empty());
    assert_eq!(cluster.node_ports("bare"), [0]);
    assert!(cluster.before.is_empty(), "{:?}", cluster.before);
}

#[test]
fn rule_7_1_13_numbers_of_an_api_server_are_given_to_nobody_else() {
    // Room for two Services, and a number for each.
    let mut cluster = Cluster::with(30_000..=30_001, &["10.0.0.0/30"]);
    let spec = json!({"type": "NodePort", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"],
                      "ports": [{"port": 80, "nodePort": 30_001}]});
    cluster.put_settled("theirs", spec);
    cluster.put("ours", NODE_PORT).settle();
    assert_eq!(cluster.node_ports("ours"), [30_000]);
    assert_eq!(cluster.cluster_ip("ours").to_string(), "10.0.0.2");
    assert_eq!(cluster.node_ports("theirs"), [30_001]);
}

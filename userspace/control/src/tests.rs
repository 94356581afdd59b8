//! The whole way, from text to map writes.

use crate::{
    Image, Limits, NodeFacts, Planner, Store, Write, compile, manifest, view::ServiceView,
};

const WEB: &str = "\
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  clusterIP: 10.96.0.20
  ports: [{port: 80, nodePort: 30008}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: '', port: 8080, protocol: TCP}]
endpoints:
- {addresses: [10.244.0.5]}
- {addresses: [10.244.0.6], conditions: {ready: false}}
";

#[test]
fn a_manifest_becomes_map_writes_and_a_view() {
    let node = NodeFacts {
        addresses: vec!["192.168.1.2".parse().unwrap()],
        ..Default::default()
    };
    let mut store = Store::new(node.node_port_range.clone());
    assert_eq!(
        store.replace_file("web.yaml", manifest::parse("web.yaml", WEB)),
        []
    );
    let compiled = compile(&store, &node);
    assert_eq!(compiled.problems, []);
    let mut planner = Planner::adopt(Image::default(), Limits::default());
    let plan = planner.plan(&compiled.desired);
    assert_eq!(plan.problems, []);
    let frontends = plan
        .writes
        .iter()
        .filter(|it| matches!(it, Write::Frontend4(..)))
        .count();
    // clusterIP, node address, localhost, and the clusterIP's marker.
    assert_eq!((plan.writes.len(), frontends), (6, 4));

    let view = serde_json::to_value(ServiceView::from(&compiled.ports[0])).unwrap();
    assert_eq!(view["service"], "web");
    assert_eq!(view["proto"], "TCP");
    assert_eq!(view["node_port"], 30008);
    assert_eq!(view["endpoints"][1]["why"], "not ready");
    assert_eq!(view["endpoints"][0]["used_cluster"], true);

    store.remove_file("web.yaml");
    let gone = planner.plan(&compile(&store, &node).desired);
    // Four frontends, and a backend that is first unlisted, then gone.
    assert_eq!(gone.writes.len(), 6);
    assert!(planner.image().v4.frontends.is_empty());
}

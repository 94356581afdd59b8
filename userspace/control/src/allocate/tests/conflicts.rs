//! Who wins when two Services want the same number.

use super::*;

fn asks(number: u16) -> String {
    format!("type: NodePort, ports: [{{port: 80, nodePort: {number}}}]")
}

#[test]
fn rule_7_1_12_what_a_manifest_names_is_not_given_to_another() {
    // Both are new: the one that asks wins, although it is the younger.
    let mut cluster = Cluster::with(30_000..=30_001, &["10.0.0.0/29"]);
    cluster.put("auto", NODE_PORT);
    cluster.put("asks", &format!("clusterIP: 10.0.0.5, {}", asks(30_001)));
    cluster.settle();
    assert_eq!(cluster.node_ports("asks"), [30_001]);
    assert_eq!(cluster.node_ports("auto"), [30_000]);
    assert_ne!(cluster.cluster_ip("auto"), cluster.cluster_ip("asks"));
}

#[test]
fn rule_7_1_12_who_asks_for_what_was_given_is_told_and_not_renumbered() {
    let mut cluster = Cluster::new();
    cluster.put("first", NODE_PORT).settle();
    let number = cluster.node_ports("first")[0];
    let problems = cluster.put("second", &asks(number)).run();
    assert_eq!(
        problems,
        [format!(
            "second.yaml: document 1: Service default/second: spec.ports[0].nodePort: {number} was \
             given to Service default/first (first.yaml: document 1); choose another number, or none \
             to be given one"
        )]
    );
    assert_eq!(cluster.node_ports("first"), [number]);
    assert_eq!(cluster.node_ports("second"), [0]);
    // Even if the manifest claims to be older: what serves is not taken away.
    let text = format!(
        "metadata: {{name: second, creationTimestamp: '2001-01-01T00:00:00Z'}}\nspec: {{{}}}\n",
        asks(number)
    );
    assert_eq!(cluster.put_text("second", &text).run().len(), 1);
    assert_eq!(cluster.node_ports("first"), [number]);
    // The first one steps aside when it is told another number.
    cluster.put("first", &asks(30_001)).settle();
    assert_eq!(cluster.node_ports("second"), [number]);
}

#[test]
fn rule_7_1_12_a_wish_that_cannot_be_granted_leaves_what_was_given() {
    let mut cluster = Cluster::new();
    cluster
        .put("first", NODE_PORT)
        .put("second", LOCAL)
        .settle();
    let taken = (cluster.cluster_ip("first"), cluster.node_ports("first")[0]);
    let (ip, ports, health) = (
        cluster.cluster_ip("second"),
        cluster.node_ports("second"),
        cluster.health("second"),
    );
    let wish = format!(
        "type: LoadBalancer, externalTrafficPolicy: Local, clusterIP: {}, healthCheckNodePort: {}, \
         ports: [{{port: 80, nodePort: 30050}}]",
        taken.0, taken.1
    );
    let problems = cluster.put("second", &wish).run();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(
        problems[1].contains("spec.healthCheckNodePort"),
        "{problems:?}"
    );
    assert_eq!(
        (cluster.cluster_ip("second"), cluster.health("second")),
        (ip, health)
    );
    // What can be granted is.
    assert_ne!(cluster.node_ports("second"), ports);
    assert_eq!(cluster.node_ports("second"), [30_050]);
}

#[test]
fn rule_7_1_12_the_manifest_wins_over_what_its_own_service_was_given() {
    let mut cluster = Cluster::new();
    cluster.put("web", LOCAL).settle();
    let (ip, number) = (cluster.cluster_ip("web"), cluster.node_ports("web")[0]);
    let spec = "type: LoadBalancer, externalTrafficPolicy: Local, clusterIP: 10.96.0.77, \
        healthCheckNodePort: 30078, ports: [{port: 80, nodePort: 30077}]";
    cluster.put("web", spec).settle();
    assert_eq!(cluster.cluster_ip("web").to_string(), "10.96.0.77");
    assert_eq!(
        (cluster.node_ports("web"), cluster.health("web")),
        (vec![30_077], Some(30_078))
    );
    // What it was given before is free.
    cluster
        .put("next", &format!("clusterIP: {ip}, {}", asks(number)))
        .settle();
    assert_eq!(cluster.node_ports("next"), [number]);
}

#[test]
fn rule_1_6_7_and_1_6_9_the_own_ports_make_way_for_what_the_manifest_names() {
    let mut cluster = Cluster::new();
    cluster.put("web", LOCAL).settle();
    let number = cluster.node_ports("web")[0];
    let spec = format!("healthCheckNodePort: {number}, {LOCAL}");
    cluster.put("web", &spec).settle();
    assert_eq!(cluster.health("web"), Some(number));
    assert!(!cluster.node_ports("web").contains(&number) && cluster.node_ports("web") != [0]);
    let other = cluster.node_ports("web")[0];
    // And the other way round, with a second port.
    let spec = format!(
        "type: LoadBalancer, externalTrafficPolicy: Local, \
         ports: [{{port: 80, name: a}}, {{port: 81, name: b, nodePort: {other}}}]"
    );
    cluster.put("web", &spec).settle();
    let ports = cluster.node_ports("web");
    assert!(
        ports[1] == other && ports[0] != other && ports[0] != 0,
        "{ports:?}"
    );
    assert_ne!(cluster.health("web"), Some(other));
}

#[test]
fn rule_3_8_3_of_two_manifests_that_name_a_number_the_model_knows_the_older() {
    let mut cluster = Cluster::new();
    cluster.put("old", &format!("clusterIP: 10.96.0.7, {}", asks(30_007)));
    cluster.put("new", &format!("clusterIP: 10.96.0.7, {}", asks(30_007)));
    cluster.settle();
    let model = crate::model::build(&cluster.store, &crate::NodeFacts::default());
    assert_eq!(model.problems.len(), 2, "{:?}", model.problems);
    assert_eq!(model.ports[0].node_port, Some(30_007));
    assert_eq!(model.ports[1].node_port, None);
}

#[test]
fn a_status_that_names_what_another_service_was_given_is_not_served() {
    let mut cluster = Cluster::new();
    cluster.put("first", BALANCER).settle();
    let text = format!(
        "metadata: {{name: second}}\nspec: {{{BALANCER}}}\n\
         status: {{loadBalancer: {{ingress: [{{ip: 192.0.2.1}}, {{ip: 192.0.2.99}}]}}}}\n"
    );
    let problems = cluster.put_text("second", &text).run();
    assert_eq!(
        problems,
        [
            "second.yaml: document 1: Service default/second: status.loadBalancer.ingress[0].ip: was \
          given to Service default/first (first.yaml: document 1), so it is not served for this \
          Service"
        ]
    );
    assert_eq!(cluster.vips("second"), ["192.0.2.99"]);
}

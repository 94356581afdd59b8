//! How objects are shown, and what becomes of it when it is written back.

use super::*;

#[tokio::test]
async fn numbers_that_a_service_is_given_are_shown_and_not_asked_for_by_who_writes_them_back() {
    let mut world = World::new();
    let asked = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "b", "nodePort": 30001}]},
    });
    world.write(What::Apply, vec![asked]).await.unwrap();
    let held = world.held.get(&key("a")).unwrap();
    let mut given = serde_json::to_value(held.object.service().unwrap()).unwrap();
    given["spec"]["clusterIP"] = "10.96.0.7".into();
    given["spec"]["clusterIPs"] = json!(["10.96.0.7"]);
    given["spec"]["ports"][0]["nodePort"] = 30007.into();
    given["status"] = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}});
    let parsed = manifest::from_value("api: Service default/a", given);
    let object = Arc::new(parsed.objects[0].clone());
    let before = world.objects.get(&key("a")).unwrap();
    world
        .objects
        .publish([(key("a"), Some(Arc::clone(&object)))]);
    let shown = world.objects.get(&key("a")).unwrap();
    assert_eq!(shown["spec"]["clusterIP"], "10.96.0.7");
    assert_eq!(shown["spec"]["ports"][0]["nodePort"], 30007);
    assert_eq!(shown["spec"]["ports"][1]["nodePort"], 30001);
    assert_eq!(
        shown["status"]["loadBalancer"]["ingress"][0]["ip"],
        "192.0.2.1"
    );
    assert_ne!(
        shown["metadata"]["resourceVersion"],
        before["metadata"]["resourceVersion"]
    );
    let outcome = world
        .write(What::Snapshot, vec![shown.clone()])
        .await
        .unwrap();
    assert_eq!(outcome.unchanged, 1);
    let mut labelled = shown;
    labelled["metadata"]["labels"] = json!({"a": "b"});
    world.write(What::Replace, vec![labelled]).await.unwrap();
    let held = world.held.get(&key("a")).unwrap();
    let status = held.object.service().unwrap().status.clone();
    assert_eq!(status.unwrap_or_default().load_balancer, None);
}

#[tokio::test]
async fn objects_of_other_sources_are_shown_with_their_source_and_not_changed() {
    let mut world = World::new();
    let parsed = manifest::from_value("/etc/web.yaml", service("a", "10.96.0.1"));
    world
        .objects
        .publish([(key("a"), Some(Arc::new(parsed.objects[0].clone())))]);
    let shown = world.objects.get(&key("a")).unwrap();
    assert_eq!(shown["metadata"]["annotations"][SOURCE], "/etc/web.yaml");
    assert_eq!(shown["metadata"]["namespace"], "default");
    assert!(world.objects.snapshot().1.is_empty());
    let delete = What::Delete {
        ignores_missing: true,
    };
    for what in [
        What::Apply,
        What::Create,
        What::Replace,
        What::Snapshot,
        delete,
    ] {
        let refusal = world
            .write(what, vec![service("a", "10.96.0.1")])
            .await
            .unwrap_err();
        assert!(
            matches!(&refusal, Refusal::Conflict(line) if line.contains("/etc/web.yaml")),
            "{what:?}: {refusal:?}"
        );
    }
    let outcome = world.write(What::Snapshot, Vec::new()).await.unwrap();
    assert!(outcome.deleted.is_empty());
}

//! Following what happens to objects.

use super::*;

fn scope() -> Scope {
    Scope {
        kind: Kind::Service,
        namespace: Some("default".into()),
        name: None,
    }
}

fn told(events: &[Value]) -> Vec<String> {
    let line = |event: &Value| {
        let metadata = &event["object"]["metadata"];
        format!(
            "{} {}",
            event["type"].as_str().unwrap(),
            metadata["name"].as_str().unwrap()
        )
    };
    events.iter().map(line).collect()
}

#[tokio::test]
async fn a_watch_begins_with_what_is_there_and_goes_on_from_any_version() {
    let mut world = World::new();
    world
        .write(What::Apply, vec![service("a", "10.96.0.1")])
        .await
        .unwrap();
    let (mut watch, first) = world.objects.watch(scope(), None).unwrap();
    assert_eq!(told(&first), ["ADDED a"]);
    let from = first[0]["object"]["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let mut other = service("x", "10.96.0.8");
    other["metadata"]["namespace"] = "elsewhere".into();
    world
        .write(
            What::Apply,
            vec![other, service("b", "10.96.0.2"), service("a", "10.96.0.3")],
        )
        .await
        .unwrap();
    world
        .write(What::Snapshot, vec![service("b", "10.96.0.2")])
        .await
        .unwrap();
    let (mut late, none) = world.objects.watch(scope(), Some(from)).unwrap();
    assert!(none.is_empty());
    for watch in [&mut watch, &mut late] {
        let events = watch.next().await.unwrap().unwrap();
        assert_eq!(told(&events), ["ADDED b", "MODIFIED a", "DELETED a"]);
        let of = |index: usize| events[index]["object"]["spec"]["clusterIP"].clone();
        assert_eq!((of(1), of(2)), ("10.96.0.3".into(), "10.96.0.3".into()));
        let versions: Vec<u64> = events
            .iter()
            .map(|it| {
                it["object"]["metadata"]["resourceVersion"]
                    .as_str()
                    .unwrap()
                    .parse()
                    .unwrap()
            })
            .collect();
        assert!(versions.is_sorted(), "{versions:?}");
    }
}

#[tokio::test]
async fn a_version_that_is_forgotten_or_of_another_life_is_expired() {
    let mut world = World::new();
    let (mut slow, _) = world.objects.watch(scope(), None).unwrap();
    let (version, _) = world.objects.snapshot();
    for round in 0..20 {
        let items =
            (0..500).map(|n| service(&format!("s{n}"), &format!("10.97.{round}.{}", n % 250)));
        world.write(What::Apply, items.collect()).await.unwrap();
    }
    assert!(world.objects.watch(scope(), Some(version)).is_err());
    assert!(slow.next().await.unwrap().is_err());
    let (now, _) = world.objects.snapshot();
    assert!(world.objects.watch(scope(), Some(now + 1)).is_err());
    let world = world.restart();
    let (later, _) = world.objects.snapshot();
    assert!(later >= now);
    assert!(world.objects.watch(scope(), Some(now - 1)).is_err());
}

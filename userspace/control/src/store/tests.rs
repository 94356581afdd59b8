use super::*;
use crate::{manifest, node::NODE_PORTS};

fn service(name: &str, port: u32) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
         spec: {{clusterIP: 10.96.0.1, ports: [{{port: {port}}}]}}\n"
    )
}

fn put(store: &mut Store, file: &str, text: &str) -> Vec<String> {
    let problems = store.replace_file(file, manifest::parse(file, text));
    problems.iter().map(Problem::to_string).collect()
}

/// Names and first ports of all Services.
fn held(store: &Store) -> Vec<(String, i32)> {
    let port = |held: &Held| {
        let service = held.object.service().unwrap();
        let port = service.spec.as_ref().unwrap().ports.as_ref().unwrap()[0].port;
        (held.object.key.name.clone(), port)
    };
    store.objects(Kind::Service).map(port).collect()
}

fn store() -> Store {
    Store::new(NODE_PORTS)
}

#[test]
fn objects_that_vanish_from_their_file_vanish() {
    let mut store = store();
    assert!(put(&mut store, "a", &(service("x", 1) + &service("y", 2))).is_empty());
    assert!(put(&mut store, "b", &service("z", 3)).is_empty());
    assert!(put(&mut store, "a", &service("y", 4)).is_empty());
    assert_eq!(held(&store), [("y".to_owned(), 4), ("z".to_owned(), 3)]);
    store.remove_file("a");
    assert_eq!(held(&store), [("z".to_owned(), 3)]);
    assert_eq!(store.files().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn an_object_that_becomes_invalid_keeps_its_last_good_state() {
    let mut store = store();
    put(&mut store, "a", &(service("x", 1) + &service("y", 2)));
    let problems = put(&mut store, "a", &(service("x", 0) + &service("y", 3)));
    assert_eq!(
        problems,
        ["a: document 1: Service default/x: spec.ports[0].port: 0 is not a port (1-65535)"]
    );
    assert_eq!(held(&store), [("x".to_owned(), 1), ("y".to_owned(), 3)]);
    // The same for one whose types are wrong.
    put(
        &mut store,
        "a",
        &(service("x", 5).replace("port: 5", "port: five") + &service("y", 3)),
    );
    assert_eq!(held(&store), [("x".to_owned(), 1), ("y".to_owned(), 3)]);
}

#[test]
fn a_document_that_cannot_be_read_removes_nothing_of_its_file() {
    let mut store = store();
    put(&mut store, "a", &(service("x", 1) + &service("y", 2)));
    let problems = put(&mut store, "a", &(service("y", 3) + "---\nkind: [\n"));
    assert_eq!(problems.len(), 1);
    assert_eq!(held(&store), [("x".to_owned(), 1), ("y".to_owned(), 3)]);
    put(&mut store, "a", &service("y", 3));
    assert_eq!(held(&store), [("y".to_owned(), 3)]);
}

#[test]
fn the_file_that_had_an_object_first_keeps_it_until_it_goes() {
    let mut store = store();
    put(&mut store, "a", &service("x", 1));
    let problems = put(&mut store, "b", &service("x", 2));
    assert_eq!(
        problems,
        [
            "b: document 1: Service default/x: is already defined in a: document 1; \
          this one is ignored"
        ]
    );
    put(&mut store, "a", &service("x", 3));
    assert_eq!(held(&store), [("x".to_owned(), 3)]);
    store.remove_file("a");
    assert_eq!(held(&store), [("x".to_owned(), 2)]);
}

#[test]
fn twice_in_one_file_the_first_counts() {
    let mut store = store();
    let problems = put(&mut store, "a", &(service("x", 1) + &service("x", 2)));
    assert_eq!(
        problems,
        ["a: document 2: Service default/x: is already in document 1 of this file; ignored"]
    );
    assert_eq!(held(&store), [("x".to_owned(), 1)]);
}

#[test]
fn age_is_creation_time_and_then_order_of_arrival() {
    let mut store = store();
    let dated = |name: &str, day: u32| {
        let stamp = format!("{name}, creationTimestamp: '2024-01-0{day}T00:00:00Z'");
        service(&stamp, 1)
    };
    put(
        &mut store,
        "a",
        &(service("late", 1) + &service("early", 1)),
    );
    put(&mut store, "b", &(dated("second", 2) + &dated("first", 1)));
    put(
        &mut store,
        "a",
        &(service("early", 2) + &service("late", 2)),
    );
    let ages: Vec<_> = store
        .services_by_age()
        .iter()
        .map(|held| held.object.key.name.clone())
        .collect();
    assert_eq!(ages, ["first", "second", "late", "early"]);
}

#[test]
fn kinds_are_kept_apart_and_a_node_is_found_by_its_name() {
    let mut store = store();
    let node = "---\napiVersion: v1\nkind: Node\nmetadata: {name: x}\n";
    let pod = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: x}\n";
    assert!(put(&mut store, "a", &(service("x", 1) + node + pod)).is_empty());
    let count = |kind| store.objects(kind).count();
    assert_eq!(
        (
            count(Kind::Service),
            count(Kind::EndpointSlice),
            count(Kind::Pod),
            count(Kind::Node)
        ),
        (1, 0, 1, 1)
    );
    assert!(store.get(&ObjectKey::of_node("x")).is_some());
    assert!(store.get(&ObjectKey::of_node("y")).is_none());
}

#[test]
fn who_asks_what_changed_hears_of_each_change_once() {
    let mut store = store();
    let key = |name: &str| ObjectKey {
        kind: Kind::Service,
        namespace: "default".into(),
        name: name.into(),
    };
    put(&mut store, "a", &(service("x", 1) + &service("y", 2)));
    assert_eq!(store.take_changed(), [key("x"), key("y")].into());
    assert_eq!(store.take_changed(), BTreeSet::new());
    put(&mut store, "a", &service("y", 2));
    assert_eq!(store.take_changed(), [key("x"), key("y")].into());
    let all = BTreeSet::from([key("x"), key("y")]);
    let given = |port: u32| {
        let parsed = manifest::parse("a", &service("y", port));
        vec![Arc::new(parsed.objects[0].clone())]
    };
    store.complete(&all, given(7));
    assert_eq!(store.take_changed(), [key("y")].into());
    store.complete(&all, given(7));
    assert_eq!(store.take_changed(), BTreeSet::new());
    store.complete(&all, given(8));
    assert_eq!(store.take_changed(), [key("y")].into());
    store.complete(&all, Vec::new());
    assert_eq!(store.take_changed(), [key("y")].into());
}

#[test]
fn what_is_only_written_again_is_no_change() {
    let mut store = store();
    let services = |store: &Store| store.changes().services;
    put(&mut store, "a", &(service("x", 1) + &service("y", 2)));
    assert_eq!(services(&store), 2);
    // Another place in the file is no change either.
    put(&mut store, "a", &(service("y", 2) + &service("x", 1)));
    assert_eq!(services(&store), 2);
    put(&mut store, "a", &(service("y", 3) + &service("x", 1)));
    assert_eq!(services(&store), 3);
    put(&mut store, "a", &service("x", 1));
    store.remove_file("a");
    assert_eq!(services(&store), 5);
    assert_eq!(store.changes().slices, 0);
}

mod disk;
mod shown;
mod watching;

use std::{collections::BTreeMap, path::Path};

use serde_json::json;
use tidegate_control::{Problem, Severity, Store};

use super::*;

const PORTS: RangeInclusive<u16> = 30_000..=32_767;

/// A store, and a loop that takes its batches as the reconciler does.
struct World {
    objects: Objects,
    dir: tempfile::TempDir,
    batches: mpsc::Receiver<Batch>,
    held: Store,
}

impl World {
    fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    fn at(dir: tempfile::TempDir) -> Self {
        let (out, batches) = mpsc::channel(64);
        let objects = Objects::open(dir.path(), PORTS, out).unwrap();
        let mut world = Self {
            objects,
            dir,
            batches,
            held: Store::new(PORTS),
        };
        let first = world.objects.everything();
        world.take(first);
        world
    }

    /// As after a crash.
    fn restart(self) -> Self {
        Self::at(self.dir)
    }

    fn take(&mut self, batch: Batch) {
        for change in batch.changes {
            match change {
                Change::Parsed { file, parsed } => {
                    let problems = self.held.replace_file(&file, parsed);
                    let is_wrong = |it: &Problem| it.severity > Severity::Warning;
                    assert!(!problems.iter().any(is_wrong), "{problems:?}");
                }
                Change::Gone { file } => self.held.remove_file(&file),
            }
        }
        let held = &self.held;
        let changed: Vec<_> = held.clone().take_changed().into_iter().collect();
        self.held.take_changed();
        let of = |key: &ObjectKey| self.held.get(key).map(|held| Arc::clone(&held.object));
        self.objects
            .publish(changed.into_iter().map(|key| (key.clone(), of(&key))));
        if let Some(done) = batch.done {
            done.send(Ok(())).unwrap();
        }
    }

    async fn write(&mut self, what: What, items: Vec<Value>) -> Result<Outcome, Refusal> {
        let order = order(what, items);
        let objects = self.objects.clone();
        let mut write = tokio::spawn(async move { objects.write(order).await });
        loop {
            tokio::select! {
                outcome = &mut write => return outcome.unwrap(),
                Some(batch) = self.batches.recv() => self.take(batch),
            }
        }
    }

    fn names(&self, kind: Kind) -> Vec<String> {
        let (_, items) = self.objects.list(kind, None);
        let names = items.iter().map(|item| item["metadata"]["name"].as_str());
        names.map(|name| name.unwrap().to_owned()).collect()
    }
}

fn order(what: What, items: Vec<Value>) -> Order {
    let items = items.into_iter().enumerate().map(|(index, value)| Item {
        path: format!("items[{index}]"),
        value,
    });
    Order {
        what,
        items: items.collect(),
        is_dry: false,
        unknown: Unknown::Warn,
    }
}

fn service(name: &str, ip: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"clusterIP": ip, "ports": [{"port": 80}]},
    })
}

fn key(name: &str) -> ObjectKey {
    ObjectKey {
        kind: Kind::Service,
        namespace: "default".into(),
        name: name.into(),
    }
}

fn names(keys: &[ObjectKey]) -> Vec<&str> {
    keys.iter().map(|key| key.name.as_str()).collect()
}

#[tokio::test]
async fn a_snapshot_is_the_whole_state_and_says_what_it_changed() {
    let mut world = World::new();
    let first = vec![
        service("a", "10.96.0.1"),
        service("b", "10.96.0.2"),
        service("c", "10.96.0.3"),
    ];
    let outcome = world.write(What::Snapshot, first).await.unwrap();
    assert_eq!(names(&outcome.created), ["a", "b", "c"]);
    let second = vec![
        service("d", "10.96.0.4"),
        service("b", "10.96.0.2"),
        service("c", "10.96.0.9"),
    ];
    let outcome = world.write(What::Snapshot, second).await.unwrap();
    assert_eq!(names(&outcome.created), ["d"]);
    assert_eq!(names(&outcome.changed), ["c"]);
    assert_eq!(names(&outcome.deleted), ["a"]);
    assert_eq!((outcome.unchanged, outcome.applied), (1, Applied::Yes));
    assert_eq!(world.names(Kind::Service), ["b", "c", "d"]);
    let files: BTreeMap<_, _> = world
        .held
        .files()
        .map(|file| (file.to_owned(), ()))
        .collect();
    assert_eq!(
        files.into_keys().collect::<Vec<_>>(),
        [
            "api: Service default/b",
            "api: Service default/c",
            "api: Service default/d"
        ]
    );
}

#[tokio::test]
async fn what_is_read_back_and_written_is_unchanged() {
    let mut world = World::new();
    let items = vec![
        service("a", "10.96.0.1"),
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}),
    ];
    world.write(What::Apply, items.clone()).await.unwrap();
    let (version, snapshot) = world.objects.snapshot();
    for items in [items, snapshot] {
        let outcome = world.write(What::Snapshot, items).await.unwrap();
        assert_eq!(outcome.unchanged, 2, "{outcome:?}");
    }
    assert_eq!(world.objects.snapshot().0, version);
}

#[tokio::test]
async fn a_dry_run_tells_and_changes_nothing() {
    let mut world = World::new();
    world
        .write(What::Apply, vec![service("a", "10.96.0.1")])
        .await
        .unwrap();
    let before = world.objects.snapshot();
    let mut order = order(What::Snapshot, vec![service("b", "10.96.0.2")]);
    order.is_dry = true;
    let outcome = world.objects.write(order).await.unwrap();
    assert_eq!(
        (names(&outcome.created), names(&outcome.deleted)),
        (vec!["b"], vec!["a"])
    );
    assert_eq!(outcome.applied, Applied::Dry);
    assert_eq!(world.objects.snapshot(), before);
    assert_eq!(world.restart().names(Kind::Service), ["a"]);
}

#[tokio::test]
async fn rule_1_3_13_one_refused_object_refuses_all_with_every_path() {
    let mut world = World::new();
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "s"},
        "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}, {"addresses": ["127.0.0.1"]}],
    });
    let items = vec![
        service("a", "10.96.0.1"),
        slice,
        service("a", "10.96.0.2"),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}),
        service("b", "169.254.1.1"),
        json!({"kind": "Service"}),
        json!([1]),
    ];
    let refusal = world.write(What::Apply, items).await.unwrap_err();
    let Refusal::Invalid(causes) = refusal else {
        panic!("{refusal:?}")
    };
    let fields: Vec<&str> = causes.iter().map(|cause| cause.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "items[1].endpoints[1].addresses[0]",
            "items[2].metadata.name",
            "items[3].kind",
            "items[4].spec.clusterIP",
            "items[5].apiVersion",
            "items[6]",
        ]
    );
    assert!(
        causes[0].message.contains("127.0.0.1 is"),
        "{}",
        causes[0].message
    );
    assert!(world.names(Kind::Service).is_empty());
    assert!(world.restart().names(Kind::Service).is_empty());
}

#[tokio::test]
async fn unknown_fields_are_told_and_refused_only_on_request() {
    let mut world = World::new();
    let mut odd = service("a", "10.96.0.1");
    odd["spec"]["externalTraficPolicy"] = "Local".into();
    let outcome = world.write(What::Apply, vec![odd.clone()]).await.unwrap();
    let [warning] = &outcome.warnings[..] else {
        panic!("{:?}", outcome.warnings)
    };
    assert!(
        warning.starts_with("items[0]: Service default/a: spec.externalTraficPolicy: "),
        "{warning}"
    );
    let mut silent = order(What::Apply, vec![odd.clone()]);
    silent.unknown = Unknown::Ignore;
    silent.is_dry = true;
    let outcome = world.objects.write(silent).await.unwrap();
    assert_eq!(outcome.warnings, Vec::<String>::new());
    let mut strict = order(What::Apply, vec![odd]);
    strict.unknown = Unknown::Strict;
    let refusal = world.objects.write(strict).await.unwrap_err();
    assert!(
        matches!(refusal, Refusal::Invalid(causes) if causes[0].field == "items[0].spec.externalTraficPolicy")
    );
}

#[tokio::test]
async fn who_replaces_an_old_version_is_told() {
    let mut world = World::new();
    world
        .write(What::Create, vec![service("a", "10.96.0.1")])
        .await
        .unwrap();
    let refusal = world
        .write(What::Create, vec![service("a", "10.96.0.1")])
        .await
        .unwrap_err();
    assert!(matches!(refusal, Refusal::AlreadyExists(_)), "{refusal:?}");
    let read = world.objects.get(&key("a")).unwrap();
    let mut mine = read.clone();
    mine["spec"]["ports"][0]["port"] = 81.into();
    world
        .write(What::Replace, vec![mine.clone()])
        .await
        .unwrap();
    mine["spec"]["ports"][0]["port"] = 82.into();
    let refusal = world
        .write(What::Replace, vec![mine.clone()])
        .await
        .unwrap_err();
    assert!(matches!(refusal, Refusal::Conflict(_)), "{refusal:?}");
    mine["metadata"]["resourceVersion"] =
        world.objects.get(&key("a")).unwrap()["metadata"]["resourceVersion"].clone();
    mine["metadata"]["uid"] = "of-another".into();
    let refusal = world.write(What::Replace, vec![mine]).await.unwrap_err();
    assert!(
        matches!(&refusal, Refusal::Conflict(line) if line.contains("uid")),
        "{refusal:?}"
    );
    let after = world.objects.get(&key("a")).unwrap();
    assert_eq!(after["spec"]["ports"][0]["port"], 81);
    for kept in ["uid", "creationTimestamp"] {
        assert_eq!(after["metadata"][kept], read["metadata"][kept], "{kept}");
    }
}

#[tokio::test]
async fn what_is_missing_is_not_deleted_and_neither_is_the_rest() {
    let mut world = World::new();
    world
        .write(What::Apply, vec![service("a", "10.96.0.1")])
        .await
        .unwrap();
    let both = || vec![service("a", ""), service("b", "")];
    let what = |ignores_missing| What::Delete { ignores_missing };
    let refusal = world.write(what(false), both()).await.unwrap_err();
    assert!(matches!(refusal, Refusal::NotFound(keys) if names(&keys) == ["b"]));
    assert_eq!(world.names(Kind::Service), ["a"]);
    let outcome = world.write(what(true), both()).await.unwrap();
    assert_eq!((names(&outcome.deleted), outcome.unchanged), (vec!["a"], 1));
    assert!(world.names(Kind::Service).is_empty());
    assert_eq!(world.held.files().count(), 0);
}

#[tokio::test]
async fn nobody_waits_for_ever_when_the_loop_is_not_ready() {
    let world = World::new();
    let objects = world.objects.clone();
    let mut batches = world.batches;
    let write = tokio::spawn(async move {
        objects
            .write(order(What::Apply, vec![service("a", "10.96.0.1")]))
            .await
    });
    let batch = batches.recv().await.unwrap();
    let outcome = write.await.unwrap().unwrap();
    assert!(matches!(outcome.applied, Applied::NotYet(_)), "{outcome:?}");
    drop(batch);
    assert_eq!(world.objects.list(Kind::Service, None).1.len(), 1);
}

use std::{collections::BTreeSet, fs, net::IpAddr, os::unix::fs::PermissionsExt as _};

use clap::Parser;
use tidegate_control::{Kind, Store, allocate::Avoid, manifest};

use super::*;
use crate::config::{Config, Options};

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    options: Options,
}

fn config() -> Config {
    let args = [
        "run",
        "--node-name",
        "a",
        "--lb-pool",
        "192.0.2.1-192.0.2.9",
    ];
    Config::load(Flags::parse_from(args).options).unwrap()
}

fn store(names: &[&str]) -> Store {
    let mut store = Store::new(30_000..=32_767);
    for name in names {
        put(&mut store, name);
    }
    store
}

fn put(store: &mut Store, name: &str) {
    let text = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
         spec: {{type: LoadBalancer, externalTrafficPolicy: Local, ports: [{{port: 80}}]}}\n"
    );
    let file = format!("{name}.yaml");
    assert_eq!(store.replace_file(&file, manifest::parse(&file, &text)), []);
}

/// Everything that the Services have, in one text.
fn shown(store: &Store) -> String {
    let services = store
        .objects(Kind::Service)
        .map(|held| held.object.service().unwrap());
    serde_json::to_string(&services.collect::<Vec<_>>()).unwrap()
}

fn complete(allocator: &mut Allocator, store: &mut Store) -> Vec<String> {
    let problems = allocator.complete(store, &BTreeSet::new(), false);
    let lines = problems
        .into_iter()
        .flatten()
        .flat_map(|(_, problems)| problems)
        .map(|problem| problem.to_string());
    lines.chain(allocator.failure()).collect()
}

#[test]
fn rule_7_1_11_what_was_given_is_on_disk_before_it_is_told_and_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = store(&["a", "b"]);
    let mut allocator = Allocator::open(&config(), dir.path()).unwrap();
    assert!(allocator.is_fresh());
    assert_eq!(complete(&mut allocator, &mut first), [""; 0]);
    assert!(shown(&first).contains("192.0.2.1"));

    let path = dir.path().join("allocations.json");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("{\n  \"version\": 1,\n"), "{text}");

    let mut second = store(&["new", "b", "a"]);
    let mut allocator = Allocator::open(&config(), dir.path()).unwrap();
    assert!(!allocator.is_fresh());
    assert_eq!(complete(&mut allocator, &mut second), [""; 0]);
    second.remove_file("new.yaml");
    assert_eq!(shown(&second), shown(&first));
}

#[test]
fn nothing_is_written_when_nothing_changes() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = store(&["a"]);
    let mut allocator = Allocator::open(&config(), dir.path()).unwrap();
    complete(&mut allocator, &mut store);
    let path = dir.path().join("allocations.json");
    fs::remove_file(&path).unwrap();
    let mut is_due = |store: &mut Store| {
        let denied = allocator.complete(store, &BTreeSet::new(), false);
        denied.is_some()
    };
    assert!(!is_due(&mut store));
    put(&mut store, "a");
    assert!(!is_due(&mut store), "it is what it was");
    store.remove_file("a.yaml");
    put(&mut store, "a");
    assert!(is_due(&mut store));
    assert!(!path.exists());
    put(&mut store, "b");
    complete(&mut allocator, &mut store);
    assert!(path.exists());
}

#[test]
fn rule_7_1_11_a_file_that_cannot_be_understood_ends_the_start_with_one_line() {
    let service = r#"{"namespace":"d","name":"N","ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","clusterIPs":["10.96.0.9"]}"#;
    let with =
        |services: &[&str]| format!(r#"{{"version":1,"services":[{}]}}"#, services.join(","));
    let (first, second) = (service.replace('N', "a"), service.replace('N', "b"));
    for (text, expected) in [
        (String::new(), "EOF while parsing"),
        ("{\"version\": 1, \"serv".to_owned(), "EOF while parsing"),
        ("[]".to_owned(), "invalid length"),
        (
            r#"{"version":2,"services":{}}"#.to_owned(),
            "format 2, this agent knows format 1 only",
        ),
        (
            with(&[&service.replace("10.96.0.9", "10.96.0")]),
            "invalid IP address",
        ),
        (
            with(&[&service.replace("IPv4", "IPv5")]),
            "Service d/N: no family \"IPv5\"",
        ),
        (
            with(&[&service.replace("Single", "Some")]),
            "no policy \"SomeStack\"",
        ),
        (
            with(&[&service.replace("clusterIPs", "clusterIp")]),
            "unknown field `clusterIp`",
        ),
        (
            with(&[&first, &second]),
            "10.96.0.9 belongs to both Service d/a and Service d/b",
        ),
        (with(&[&first, &first]), "Service d/a is there twice"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("allocations.json"), &text).unwrap();
        let error = Allocator::open(&config(), dir.path()).unwrap_err();
        let failure = crate::failure::Failure::from(error).to_string();
        assert!(
            failure.contains("allocations.json is damaged (") && failure.contains(expected),
            "{failure}"
        );
        assert!(
            failure.contains("delete it to have every number given anew"),
            "{failure}"
        );
        assert_eq!(failure.lines().count(), 1, "{failure}");
    }
    // Not text at all.
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("allocations.json"), [0xff, 0xfe]).unwrap();
    let error = Allocator::open(&config(), dir.path())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("cannot read ") && error.contains("restore it from a backup"),
        "{error}"
    );
}

#[test]
fn rule_7_1_11_while_the_directory_cannot_be_written_nothing_new_is_given_and_the_rest_stays() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = store(&["a"]);
    let mut allocator = Allocator::open(&config(), dir.path()).unwrap();
    complete(&mut allocator, &mut store);
    let before = shown(&store);
    // Rights do not stop root: a directory in the place of the new file does.
    let obstacle = dir.path().join("allocations.json.new");
    fs::create_dir(&obstacle).unwrap();
    put(&mut store, "b");
    // The second time without any news.
    for _ in 0..2 {
        let lines = complete(&mut allocator, &mut store);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].starts_with(
                "no new addresses and ports are given until this is put right: cannot write "
            ) && lines[0].contains("allocations.json: Is a directory"),
            "{lines:?}"
        );
        assert!(!shown(&store).contains("192.0.2.2"));
        assert!(shown(&store).starts_with(before.trim_end_matches(']')));
    }
    fs::remove_dir(&obstacle).unwrap();
    assert_eq!(complete(&mut allocator, &mut store), [""; 0]);
    assert!(shown(&store).contains("192.0.2.2"));
    let denied = allocator.complete(&mut store, &BTreeSet::new(), false);
    assert!(denied.is_none(), "nothing is due any more");
}

#[test]
fn rule_7_1_11_while_a_file_cannot_be_understood_who_is_absent_keeps_its_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = store(&["a", "b"]);
    complete(
        &mut Allocator::open(&config(), dir.path()).unwrap(),
        &mut first,
    );

    // At the next start the file of a is broken.
    let mut second = store(&["b", "c"]);
    let mut allocator = Allocator::open(&config(), dir.path()).unwrap();
    allocator.set_unsure("a.yaml", true);
    assert_eq!(complete(&mut allocator, &mut second), [""; 0]);
    assert!(shown(&second).contains("192.0.2.3"));
    put(&mut second, "a");
    allocator.set_unsure("a.yaml", false);
    assert_eq!(complete(&mut allocator, &mut second), [""; 0]);
    second.remove_file("c.yaml");
    assert_eq!(shown(&second), shown(&first));

    // Understood, and not there: its numbers are free.
    let mut third = store(&["b", "c"]);
    let mut allocator = Allocator::open(&config(), dir.path()).unwrap();
    complete(&mut allocator, &mut third);
    put(&mut third, "d");
    complete(&mut allocator, &mut third);
    assert!(shown(&third).contains("192.0.2.1\""));
}

#[test]
fn rule_7_1_11_after_the_file_was_lost_what_the_data_path_serves_is_given_to_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = store(&["a"]);
    let mut allocator = Allocator::open(&config(), dir.path()).unwrap();
    let served: IpAddr = [192, 0, 2, 1].into();
    allocator.set_in_use(Avoid {
        ips: [served].into(),
        ..Avoid::default()
    });
    complete(&mut allocator, &mut store);
    assert!(shown(&store).contains("192.0.2.2") && !shown(&store).contains("192.0.2.1\""));
}

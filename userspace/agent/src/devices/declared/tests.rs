use tidegate_api::DeviceRole;

use super::*;
use crate::netlink::Link;

fn owned(container: &str, address: &str) -> Declaration {
    Declaration {
        addresses: vec![address.parse().unwrap()],
        owner: Some(DeviceOwner {
            container_id: container.to_owned(),
            ifname: "eth0".to_owned(),
            network: "pods".to_owned(),
            ..DeviceOwner::default()
        }),
        ..Declaration::default()
    }
}

fn overlay() -> Declaration {
    Declaration {
        role: DeviceRole::Overlay,
        ..Declaration::default()
    }
}

fn seen(links: &[(u32, &str)]) -> Snapshot {
    let link = |name: &str| Link {
        name: name.to_owned(),
        ..Link::default()
    };
    Snapshot {
        links: links
            .iter()
            .map(|(index, name)| (*index, link(name)))
            .collect(),
        ..Snapshot::default()
    }
}

fn names(devices: &Devices) -> Vec<String> {
    let declared = devices.declared();
    let names = declared.in_order().into_iter();
    names.map(|(name, _)| name.to_owned()).collect()
}

#[tokio::test]
async fn what_is_declared_is_remembered_in_its_order_and_what_is_forgotten_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let devices = Devices::open(dir.path()).unwrap();
    for name in ["zwo", "eins", "drei"] {
        devices
            .declare(name, owned(name, "10.0.0.7"))
            .await
            .unwrap();
    }
    devices.forget("eins", None).await.unwrap();
    let again = Devices::open(dir.path()).unwrap();
    assert_eq!(names(&again), ["zwo", "drei"]);
    assert_eq!(
        again.declared().by_name["drei"].declaration,
        owned("drei", "10.0.0.7")
    );
}

#[tokio::test]
async fn the_same_declaration_again_changes_nothing_and_another_one_wins() {
    let devices = Devices::default();
    let first = devices
        .declare("nosuch7", owned("a", "10.0.0.7"))
        .await
        .unwrap();
    let again = devices
        .declare("nosuch7", owned("a", "10.0.0.7"))
        .await
        .unwrap();
    let other = devices
        .declare("nosuch7", owned("b", "10.0.0.7"))
        .await
        .unwrap();
    assert!(first == again && other > again, "{first} {again} {other}");
    let refusal = devices.forget("nosuch7", Some("a")).await.unwrap_err();
    assert!(matches!(refusal, Refusal::AnothersNow(_)), "{refusal:?}");
    devices.forget("nosuch7", Some("b")).await.unwrap();
    let refusal = devices.forget("nosuch7", None).await.unwrap_err();
    assert!(matches!(refusal, Refusal::Unknown), "{refusal:?}");
}

#[tokio::test]
async fn a_containers_declaration_goes_with_its_device_and_not_to_another_one_of_that_name() {
    let dir = tempfile::tempdir().unwrap();
    let devices = Arc::new(Devices::open(dir.path()).unwrap());
    devices
        .declare("nosuch7", owned("a", "10.0.0.7"))
        .await
        .unwrap();
    devices.declare("nosuch8", overlay()).await.unwrap();
    devices.observe(&seen(&[]));
    assert_eq!(names(&devices).len(), 2, "it may be on its way");
    devices.observe(&seen(&[(7, "nosuch7"), (8, "nosuch8")]));
    assert!(devices.declared().of(7, "nosuch7").is_some());
    assert!(devices.declared().of(9, "nosuch7").is_none());
    devices.observe(&seen(&[(9, "nosuch7"), (10, "nosuch8")]));
    assert_eq!(
        names(&devices),
        ["nosuch8"],
        "nobody's container: the name is what is meant"
    );
    assert!(devices.declared().of(10, "nosuch8").is_some());
    // The disk hears of it a little later.
    while names(&Devices::open(dir.path()).unwrap()) != ["nosuch8"] {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_was_seen_before_a_declaration_does_not_end_it() {
    let devices = Arc::new(Devices::default());
    // The loopback exists in every namespace, and so has an index at once.
    devices.declare("lo", owned("a", "10.0.0.7")).await.unwrap();
    devices.observe(&seen(&[]));
    assert_eq!(names(&devices), ["lo"]);
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_refuses_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let devices = Devices::open(dir.path()).unwrap();
    let revision = devices.declare("nosuch7", overlay()).await.unwrap();
    std::fs::remove_dir_all(dir.path()).unwrap();
    for refusal in [
        devices.declare("nosuch8", overlay()).await,
        devices.forget("nosuch7", None).await,
    ] {
        let Err(Refusal::Disk(error)) = refusal else {
            panic!("{refusal:?}")
        };
        assert!(error.to_string().starts_with("cannot write "), "{error}");
    }
    assert_eq!(names(&devices), ["nosuch7"]);
    assert_eq!(devices.declared().revision, revision);
}

#[test]
fn a_damaged_file_ends_the_start_with_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let good = r#"{"name":"veth7","declaration":{"role":"pod"}}"#;
    let of = |devices: &str| format!(r#"{{"version":1,"devices":[{devices}]}}"#);
    for (text, says) in [
        (String::new(), "is damaged"),
        ("{}".to_owned(), "is damaged"),
        (r#"{"version":2}"#.to_owned(), "format 2"),
        (of(&format!("{good},{good}")), "veth7 is there twice"),
        (
            of(r#"{"name":"a/b","declaration":{}}"#),
            "no name of a device",
        ),
        (
            of(r#"{"name":"veth7","declaration":{"colour":1}}"#),
            "colour",
        ),
    ] {
        std::fs::write(dir.path().join("devices.json"), text).unwrap();
        let error = Devices::open(dir.path()).unwrap_err().to_string();
        assert!(
            error.contains(says) && error.contains("devices.json"),
            "{error}"
        );
        assert!(error.contains("restore it"), "{error}");
    }
    std::fs::write(dir.path().join("devices.json"), of(good)).unwrap();
    assert_eq!(names(&Devices::open(dir.path()).unwrap()), ["veth7"]);
}

use tidegate_abi::{Ip4, Mac};
use tidegate_api::{Declaration, DeviceRow};
use tidegate_loader::Role;

use super::*;

fn agent_with(kernel: &Fake, devices: &Arc<Devices>) -> Reconciler<Fake> {
    let options = Flags::parse_from(["run", "--node-name", "a"]).options;
    let config = Arc::new(Config::load(options).unwrap());
    let devices = Arc::clone(devices);
    Reconciler::new(config, kernel.clone(), "off".to_owned(), &node(), devices).unwrap()
}

fn declaration() -> Declaration {
    Declaration {
        addresses: vec!["10.244.0.8".parse().unwrap()],
        mac: Some("02:00:00:00:00:63".to_owned()),
        ..Declaration::default()
    }
}

fn with_dev8() -> Snapshot {
    let mut seen = node();
    seen.links.insert(8, link("dev8"));
    seen
}

fn shown(devices: &Devices) -> (u64, Option<DeviceRow>) {
    let view = devices.view();
    let view = view.borrow();
    let row = view.rows.iter().find(|row| row.name == "dev8").cloned();
    (view.revision, row)
}

#[tokio::test]
async fn a_declared_device_is_shown_as_attached_once_the_maps_have_its_addresses() {
    let (kernel, devices) = (Fake::default(), Arc::default());
    let mut agent = agent_with(&kernel, &devices);
    agent.take_batch(batch(WEB));
    agent.converge().unwrap();
    let revision = devices.declare("dev8", declaration()).await.unwrap();
    agent.take_declared();
    agent.publish_devices();
    let (shown_revision, row) = shown(&devices);
    let row = row.unwrap();
    assert_eq!(
        (shown_revision, row.index, row.hooks.as_str()),
        (revision, 0, "")
    );
    assert!(
        row.declared && row.why.contains("no such device yet"),
        "{row:?}"
    );
    agent.report();
    assert!(
        agent.problems.all().is_empty(),
        "to wait for a device is nothing wrong"
    );
    agent.take_snapshot(&with_dev8());
    agent.publish_devices();
    let row = shown(&devices).1.unwrap();
    assert_eq!(
        (row.hooks.as_str(), row.addresses.len()),
        ("tcx", 0),
        "the maps come later"
    );
    agent.converge().unwrap();
    agent.publish_devices();
    assert_eq!(
        shown(&devices).1.unwrap().addresses,
        declaration().addresses
    );
    let state = kernel.state();
    assert_eq!(state.attached["dev8"], Role::Pod);
    let pod = state.v4.pods[&Ip4::new([10, 244, 0, 8])];
    assert_eq!((pod.device, pod.pod_mac), (8, Mac([2, 0, 0, 0, 0, 0x63])));
}

#[tokio::test]
async fn a_device_that_is_forgotten_is_detached_unless_it_matches_a_glob() {
    let (kernel, devices) = (Fake::default(), Arc::default());
    let mut agent = agent_with(&kernel, &devices);
    agent.take_snapshot(&with_dev8());
    for name in ["dev8", "veth7"] {
        devices.declare(name, declaration()).await.unwrap();
    }
    agent.take_declared();
    agent.converge().unwrap();
    assert!(kernel.state().attached.contains_key("dev8"));
    for name in ["dev8", "veth7"] {
        devices.forget(name, None).await.unwrap();
    }
    agent.take_declared();
    agent.converge().unwrap();
    let names: Vec<String> = kernel.state().attached.keys().cloned().collect();
    assert_eq!(names, ["eth0", "veth7"]);
    assert!(
        !kernel
            .state()
            .v4
            .pods
            .contains_key(&Ip4::new([10, 244, 0, 8]))
    );
}

#[tokio::test]
async fn what_was_declared_before_a_restart_keeps_its_device() {
    let (kernel, devices) = (Fake::default(), Arc::default());
    drop(agent_with(&kernel, &devices));
    devices.declare("veth7", declaration()).await.unwrap();
    devices.declare("eth0", declaration()).await.unwrap();
    let mut agent = agent_with(&kernel, &devices);
    agent.converge().unwrap();
    assert_eq!(kernel.state().v4.pods[&Ip4::new([10, 244, 0, 8])].device, 7);
    assert_eq!(
        kernel.state().attached["eth0"],
        Role::Uplink,
        "an uplink stays one"
    );
}

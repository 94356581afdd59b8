//! Every command and every code, against an agent that is made up.

mod fake;
mod refused;

use serde_json::{Value, json};
use tidegate_api::DeviceRow;

use crate::Outcome;
use fake::{FakeAgent, Pods, conf, run, run_with};

/// The standard output of a command that succeeds.
fn output(outcome: &Outcome) -> Value {
    assert!(outcome.fault.is_none(), "{outcome:?}");
    if outcome.output.is_empty() {
        return Value::Null;
    }
    serde_json::from_str(&outcome.output).unwrap()
}

/// Fails unless the command failed with this code and a text that says this.
fn fails(outcome: &Outcome, code: u32, says: &str) {
    assert!(outcome.fault.is_some(), "{outcome:?}");
    let error: Value = serde_json::from_str(&outcome.output).unwrap();
    assert_eq!(error["code"], code, "{error}");
    let message = error["msg"].as_str().unwrap();
    assert!(message.contains(says), "{error}");
    assert_eq!(message.lines().count(), 1, "{error}");
    assert!(error["cniVersion"].is_string(), "{error}");
}

#[tokio::test]
async fn add_declares_the_host_end_with_the_pods_addresses_and_passes_the_result_on() {
    let agent = FakeAgent::start();
    let config = conf("1.1.0");
    let outcome = run(&agent, "ADD", &config).await;
    assert_eq!(output(&outcome), config["prevResult"]);
    let declared = agent.declared();
    let device = &declared["veth7"];
    assert_eq!(
        device.addresses,
        [
            "10.244.0.7".parse::<std::net::IpAddr>().unwrap(),
            "fd00:244::7".parse().unwrap()
        ]
    );
    assert_eq!(device.mac.as_deref(), Some("02:00:00:00:00:07"));
    let owner = device.owner.as_ref().unwrap();
    assert_eq!(
        (
            owner.container_id.as_str(),
            owner.ifname.as_str(),
            owner.network.as_str()
        ),
        ("c1", "eth0", "pods")
    );
    assert_eq!(
        (owner.pod_namespace.as_deref(), owner.pod_name.as_deref()),
        (Some("shop"), Some("web-1"))
    );
    assert_eq!(declared.len(), 1, "the bridge is not the pod's device");
    let again = run(&agent, "ADD", &config).await;
    assert_eq!(output(&again), config["prevResult"]);
    assert_eq!(agent.declared(), declared);
}

#[tokio::test]
async fn results_of_every_version_pass_through_unchanged() {
    for version in ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let agent = FakeAgent::start();
        let mut config = conf(version);
        if version < "1.0.0" {
            config["prevResult"]["ips"][0]["version"] = json!("4");
            config["prevResult"]["ips"][1]["version"] = json!("6");
        }
        config["prevResult"]["dns"] = json!({ "nameservers": ["10.96.0.10"] });
        let outcome = run(&agent, "ADD", &config).await;
        assert_eq!(output(&outcome), config["prevResult"], "{version}");
    }
}

#[tokio::test]
async fn addresses_of_other_devices_are_not_the_pods() {
    let agent = FakeAgent::start();
    let mut config = conf("1.1.0");
    config["prevResult"]["ips"] = json!([
        { "address": "10.244.0.1/24", "interface": 0 },
        { "address": "10.244.0.7/24", "interface": 2 },
        { "address": "10.244.0.8/32" },
        { "address": "10.244.0.8/32" },
    ]);
    assert_eq!(run(&agent, "ADD", &config).await.fault, None);
    let addresses: Vec<String> = agent.declared()["veth7"]
        .addresses
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        addresses,
        ["10.244.0.7", "10.244.0.8"],
        "those without an interface are the pod's"
    );
    config["prevResult"]["ips"] = Value::Null;
    assert_eq!(run(&agent, "ADD", &config).await.fault, None);
    assert!(agent.declared()["veth7"].addresses.is_empty());
}

#[tokio::test]
async fn check_finds_what_add_has_told_and_every_difference() {
    let agent = FakeAgent::start();
    let mut config = conf("1.0.0");
    fails(
        &run(&agent, "CHECK", &config).await,
        101,
        "the agent does not know it",
    );
    assert_eq!(run(&agent, "ADD", &config).await.fault, None);
    assert_eq!(output(&run(&agent, "CHECK", &config).await), Value::Null);
    config["prevResult"]["ips"][0]["address"] = json!("10.244.0.9/24");
    let other = run(&agent, "CHECK", &config).await;
    fails(&other, 101, "other addresses");
    assert!(other.output.contains("10.244.0.9"), "{other:?}");
    let other = run_with(
        &agent,
        "CHECK",
        &conf("1.0.0"),
        &[("CNI_CONTAINERID", "c2")],
    )
    .await;
    fails(&other, 101, "not hold it as this container's");
    agent.detach("veth7");
    fails(
        &run(&agent, "CHECK", &conf("1.0.0")).await,
        100,
        "out of memory",
    );
}

#[tokio::test]
async fn del_forgets_once_and_again_and_without_result_or_namespace() {
    let agent = FakeAgent::start();
    let mut config = conf("1.1.0");
    assert_eq!(run(&agent, "ADD", &config).await.fault, None);
    config["prevResult"] = Value::Null;
    let other = run_with(&agent, "DEL", &config, &[("CNI_CONTAINERID", "c2")]).await;
    assert_eq!(output(&other), Value::Null);
    assert_eq!(agent.declared().len(), 1, "another container's");
    for _ in 0..2 {
        let outcome = run_with(&agent, "DEL", &config, &[("CNI_NETNS", "")]).await;
        assert_eq!(outcome, Outcome::default());
        assert!(agent.declared().is_empty());
    }
}

#[tokio::test]
async fn del_succeeds_and_says_so_when_the_agent_is_away_or_a_key_is_wrong() {
    let agent = FakeAgent::start();
    let mut config = conf("1.1.0");
    config["api"] = json!("/nowhere/api.sock");
    let outcome = run(&agent, "DEL", &config).await;
    assert!(
        outcome.fault.is_none() && outcome.remarks.len() == 1,
        "{outcome:?}"
    );
    assert!(
        outcome.remarks[0].contains("no agent at /nowhere/api.sock"),
        "{outcome:?}"
    );
    config["api"] = json!(7);
    config["colour"] = json!("red");
    let outcome = run(&agent, "DEL", &config).await;
    assert!(
        outcome.fault.is_none() && outcome.remarks.len() == 1,
        "{outcome:?}"
    );
}

#[tokio::test]
async fn gc_forgets_what_the_runtime_does_not_name_and_nothing_of_other_networks() {
    let agent = FakeAgent::start();
    for (container, pod) in [("c1", 1), ("c2", 2), ("c3", 3)] {
        let pods = Pods(format!("veth{pod}"));
        let outcome = fake::run_in(
            &agent,
            "ADD",
            &conf("1.1.0"),
            &[("CNI_CONTAINERID", container)],
            &pods,
        )
        .await;
        assert!(outcome.fault.is_none(), "{outcome:?}");
    }
    agent.declare_by_hand("wg0");
    let mut other = conf("1.1.0");
    other["name"] = json!("storage");
    other["cni.dev/valid-attachments"] = json!([]);
    assert_eq!(run(&agent, "GC", &other).await.fault, None);
    assert_eq!(agent.declared().len(), 4);
    let mut config = conf("1.1.0");
    config["cni.dev/valid-attachments"] = json!([{ "containerID": "c2", "ifname": "eth0" }, { "containerID": "c3", "ifname": "eth1" }]);
    let outcome = run(&agent, "GC", &config).await;
    assert!(
        outcome.remarks[0].contains("forgot 2 devices"),
        "{outcome:?}"
    );
    let left: Vec<String> = agent.declared().into_keys().collect();
    assert_eq!(left, ["veth2", "wg0"]);
    // libcni 1.2 under an early name, from a runtime without any container.
    let mut config = conf("1.1.0");
    config["cni.dev/attachments"] = Value::Null;
    assert_eq!(run(&agent, "GC", &config).await.fault, None);
    assert!(agent.declared().into_keys().eq(["wg0"]));
}

#[tokio::test]
async fn status_tells_ready_limited_and_away_apart() {
    let agent = FakeAgent::start();
    let config = json!({ "cniVersion": "1.1.0", "name": "pods", "type": "tidegate" });
    assert_eq!(run(&agent, "STATUS", &config).await, Outcome::default());
    agent.unsync();
    fails(&run(&agent, "STATUS", &config).await, 51, "do not match");
    let mut config = config;
    config["api"] = json!("/nowhere/api.sock");
    fails(&run(&agent, "STATUS", &config).await, 50, "no agent at");
}

#[tokio::test]
async fn version_answers_in_the_version_that_it_is_asked_in() {
    let agent = FakeAgent::start();
    for (asked, answered) in [
        ("0.4.0", "0.4.0"),
        ("1.1.0", "1.1.0"),
        ("0.1.0", "1.1.0"),
        ("9.0.0", "1.1.0"),
    ] {
        let found = output(&run(&agent, "VERSION", &json!({ "cniVersion": asked })).await);
        assert_eq!(found["cniVersion"], answered);
        assert_eq!(
            found["supportedVersions"],
            json!(["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])
        );
    }
    let without_input = fake::run_raw(&agent, "VERSION", b"", &[], None).await;
    assert_eq!(output(&without_input)["cniVersion"], "1.1.0");
}

#[tokio::test]
async fn the_socket_is_that_of_the_command_line_else_of_the_configuration_else_the_usual_one() {
    let (usual, named) = (FakeAgent::start(), FakeAgent::start());
    let mut config = conf("1.1.0");
    assert_eq!(run(&usual, "ADD", &config).await.fault, None);
    assert_eq!((usual.declared().len(), named.declared().len()), (1, 0));
    config["api"] = json!(named.socket());
    assert_eq!(run(&usual, "ADD", &config).await.fault, None);
    assert_eq!(named.declared().len(), 1);
    let nowhere = std::path::Path::new("/nowhere");
    let input = config.to_string();
    let outcome = fake::run_raw(&usual, "ADD", input.as_bytes(), &[], Some(nowhere)).await;
    fails(&outcome, 11, "no agent at /nowhere");
}

#[tokio::test]
async fn a_device_with_an_odd_name_is_declared_checked_and_forgotten_under_it() {
    let agent = FakeAgent::start();
    let pods = Pods("a?b%2f#\u{e9}".to_owned());
    for command in ["ADD", "CHECK", "DEL"] {
        let outcome = fake::run_in(&agent, command, &conf("1.1.0"), &[], &pods).await;
        assert_eq!(outcome.fault, None, "{command}");
        assert_eq!(agent.declared().contains_key(&pods.0), command != "DEL");
    }
}

/// A row as the agent gives it.
fn row(name: &str) -> DeviceRow {
    DeviceRow {
        name: name.to_owned(),
        index: 7,
        role: "pod".to_owned(),
        hooks: "tcx".to_owned(),
        declared: true,
        ..DeviceRow::default()
    }
}

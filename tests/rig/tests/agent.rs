//! The agent's keeper, with shell scripts in the agent's place.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::process::Command;

use tidegate_rig::{AgentSpec, TwoNodes, output_of};

fn spec(scene: &TwoNodes, script: &str) -> AgentSpec {
    let path = scene.dir("fake").unwrap().join("agent");
    // Written by a child: a file that this process has open for writing, and so each child that
    // another test forks just then, cannot be executed.
    let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" >\"$0\"; chmod +x \"$0\"";
    output_of(
        Command::new("sh")
            .args(["-ec", write])
            .arg(&path)
            .arg(script),
    )
    .unwrap();
    AgentSpec::with_binary(path, scene, &scene.a).unwrap()
}

fn scene() -> TwoNodes {
    TwoNodes::builder().pods(0, 0).build().unwrap()
}

#[test]
fn an_agent_is_started_in_its_node_and_ends_when_told() {
    let scene = scene();
    let script = "trap 'exit 7' TERM; echo \"$@\"; ip -br addr show eth0; echo ready; \
                  while :; do sleep 0.01; done";
    let agent = spec(&scene, script)
        .attach("xdp")
        .args(["--flows", "10"])
        .start()
        .unwrap();
    let output = agent.output();
    assert!(output.contains("192.168.1.2/24"), "{output}");
    assert!(
        output.contains("--node-name nodea --uplink eth0 --pod-device veth*"),
        "{output}"
    );
    assert!(
        output.contains("--attach xdp") && output.contains("--flows 10"),
        "{output}"
    );
    assert_eq!(agent.stop().unwrap().code(), Some(7));
}

#[test]
fn an_agent_that_ends_before_it_is_ready_is_an_error_with_its_words() {
    let scene = scene();
    let error = spec(&scene, "echo 'no such device: eth7' >&2; exit 1")
        .start()
        .unwrap_err();
    assert!(
        format!("{error:#}").contains("no such device: eth7"),
        "{error:#}"
    );
}

#[test]
fn one_agent_follows_another_with_the_same_pins_and_manifests() {
    let scene = scene();
    let spec = spec(&scene, "echo \"$@\"; echo ready; exec sleep 600");
    let first = spec.start().unwrap();
    let said = first.output();
    first.kill().unwrap();
    assert_eq!(spec.start().unwrap().output(), said);
    assert!(spec.pins.exists());
}

#[test]
fn what_the_agent_answers_is_read_as_json() {
    let scene = scene();
    let spec = spec(&scene, "echo \"{ \\\"asked\\\": \\\"$*\\\" }\"");
    let asked = spec.get("services").unwrap();
    let asked = asked["asked"].as_str().unwrap();
    assert!(
        asked.starts_with("get services --api ") && asked.ends_with(" -o json"),
        "{asked}"
    );
    assert!(spec.status().is_ok());
}

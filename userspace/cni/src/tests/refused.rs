//! What fails, and with which code.

use serde_json::{Value, json};

use super::{
    fails,
    fake::{self, FakeAgent, NoPods, conf, run, run_with},
};

#[tokio::test]
async fn code_1_versions_that_are_not_spoken_and_commands_that_a_version_does_not_have() {
    let agent = FakeAgent::start();
    let mut config = conf("1.1.0");
    config["cniVersion"] = json!("2.0.0");
    fails(
        &run(&agent, "ADD", &config).await,
        1,
        "\"2.0.0\" is not supported",
    );
    config["cniVersion"] = Value::Null;
    fails(
        &run(&agent, "ADD", &config).await,
        1,
        "\"0.1.0\" is not supported",
    );
    fails(
        &run(&agent, "CHECK", &conf("0.3.1")).await,
        1,
        "has no CHECK",
    );
    fails(&run(&agent, "GC", &conf("1.0.0")).await, 1, "has no GC");
    fails(
        &run(&agent, "STATUS", &conf("1.0.0")).await,
        1,
        "has no STATUS",
    );
}

#[tokio::test]
async fn code_2_keys_that_nobody_knows_are_named_with_their_value() {
    let agent = FakeAgent::start();
    let mut config = conf("1.1.0");
    config["timout"] = json!(3);
    fails(&run(&agent, "ADD", &config).await, 2, "timout: 3");
    let mut known = conf("1.1.0");
    for key in [
        "runtimeConfig",
        "capabilities",
        "args",
        "ipMasq",
        "dns",
        "cni.dev/anything",
    ] {
        known[key] = json!({});
    }
    assert_eq!(run(&agent, "ADD", &known).await.fault, None);
}

#[tokio::test]
async fn code_3_a_container_that_is_gone_or_has_no_such_device() {
    let agent = FakeAgent::start();
    let gone = run_with(
        &agent,
        "CHECK",
        &conf("1.1.0"),
        &[("CNI_NETNS", "/nowhere/ns")],
    )
    .await;
    fails(&gone, 3, "container c1 is gone");
    let input = conf("1.1.0").to_string();
    let outcome = fake::run_links(&agent, "ADD", input.as_bytes(), &[], &NoPods).await;
    fails(&outcome, 3, "no device eth0");
}

#[tokio::test]
async fn code_4_variables_that_are_missing_or_wrong() {
    let agent = FakeAgent::start();
    let config = conf("1.1.0");
    fails(
        &run_with(&agent, "ADD", &config, &[("CNI_COMMAND", "")]).await,
        4,
        "a container runtime runs this plugin",
    );
    fails(
        &run(&agent, "UPDATE", &config).await,
        4,
        "\"UPDATE\" is not known",
    );
    for command in ["ADD", "CHECK"] {
        for name in ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"] {
            let outcome = run_with(&agent, command, &config, &[(name, "")]).await;
            fails(&outcome, 4, &format!("{name} is not set"));
        }
    }
    fails(
        &run_with(&agent, "DEL", &config, &[("CNI_CONTAINERID", "")]).await,
        4,
        "CNI_CONTAINERID is not set",
    );
    fails(
        &run_with(&agent, "DEL", &config, &[("CNI_IFNAME", "")]).await,
        4,
        "CNI_IFNAME is not set",
    );
    for (name, wrong) in [
        ("CNI_CONTAINERID", "-c"),
        ("CNI_CONTAINERID", "c/1"),
        ("CNI_IFNAME", "a/b"),
        ("CNI_IFNAME", "a name too long"),
        ("CNI_ARGS", "K8S_POD_NAME"),
    ] {
        fails(
            &run_with(&agent, "ADD", &config, &[(name, wrong)]).await,
            4,
            name,
        );
    }
    assert!(agent.declared().is_empty());
}

#[tokio::test]
async fn code_5_an_answer_that_is_not_the_agents() {
    let agent = FakeAgent::start();
    agent.babble();
    fails(
        &run(&agent, "ADD", &conf("1.1.0")).await,
        5,
        "not understood",
    );
}

#[tokio::test]
async fn code_6_input_that_is_no_json_or_has_other_types() {
    let agent = FakeAgent::start();
    for input in [
        "",
        "{",
        "[]",
        "7",
        "null",
        "{\"cniVersion\":1,\"name\":\"pods\"}",
    ] {
        for command in ["ADD", "DEL", "GC", "STATUS"] {
            let outcome = fake::run_raw(&agent, command, input.as_bytes(), &[], None).await;
            fails(&outcome, 6, "");
        }
    }
    for (field, wrong) in [
        ("ips", json!(7)),
        ("ips", json!([{ "address": 7 }])),
        ("interfaces", json!([{}])),
    ] {
        let mut config = conf("1.1.0");
        config["prevResult"][field] = wrong;
        fails(
            &run(&agent, "ADD", &config).await,
            6,
            "prevResult is not understood",
        );
    }
    let mut config = conf("1.1.0");
    config["cni.dev/valid-attachments"] = json!(["c1"]);
    fails(
        &run(&agent, "GC", &config).await,
        6,
        "cni.dev/valid-attachments",
    );
}

#[tokio::test]
async fn code_7_configurations_that_make_no_sense() {
    let agent = FakeAgent::start();
    for (key, wrong, says) in [
        ("name", Value::Null, "name: "),
        ("name", json!("../pods"), "no name of a network"),
        ("api", json!("run/api.sock"), "no absolute path"),
        ("timeout", json!(0), "no number of seconds"),
        ("timeout", json!(1000), "no number of seconds"),
        ("timeout", json!("3s"), "no number of seconds"),
        ("prevResult", Value::Null, "tidegate makes no device itself"),
        (
            "prevResult",
            json!({ "ips": [{ "address": "10.0.0.300/24" }] }),
            "is no address",
        ),
        (
            "prevResult",
            json!({ "ips": [{ "address": "10.0.0.3/24", "interface": 4 }] }),
            "interface 4",
        ),
    ] {
        let mut config = conf("1.1.0");
        config[key] = wrong;
        fails(&run(&agent, "ADD", &config).await, 7, says);
    }
    fails(
        &run(&agent, "GC", &conf("1.1.0")).await,
        7,
        "would forget every attachment",
    );
}

#[tokio::test]
async fn code_11_the_agent_is_away_or_the_device_does_not_appear() {
    let agent = FakeAgent::start();
    agent.refuse(504, "device veth7 did not appear within 10 s");
    fails(
        &run(&agent, "ADD", &conf("1.1.0")).await,
        11,
        "did not appear",
    );
    let mut config = conf("1.1.0");
    config["api"] = json!("/nowhere/api.sock");
    for command in ["ADD", "CHECK"] {
        fails(
            &run(&agent, command, &config).await,
            11,
            "no agent at /nowhere/api.sock: start",
        );
    }
    config["cni.dev/valid-attachments"] = json!([]);
    fails(&run(&agent, "GC", &config).await, 11, "no agent at");
}

#[tokio::test]
async fn codes_100_and_102_the_agent_cannot_attach_or_refuses() {
    let agent = FakeAgent::start();
    agent.refuse(500, "device veth7: the kernel is out of memory");
    fails(
        &run(&agent, "ADD", &conf("1.1.0")).await,
        100,
        "out of memory",
    );
    agent.refuse(409, "device veth7 is an uplink");
    fails(
        &run(&agent, "ADD", &conf("1.1.0")).await,
        102,
        "is an uplink",
    );
    let agent = FakeAgent::start();
    agent.declare_detached();
    fails(
        &run(&agent, "ADD", &conf("1.1.0")).await,
        100,
        "is not attached: out of memory",
    );
}

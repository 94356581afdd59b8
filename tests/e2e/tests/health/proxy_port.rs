//! The proxy's own port: `/healthz` and `/livez`.

use std::net::{SocketAddr, TcpListener};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tidegate_e2e::{Proto, Setup, ask};
use tidegate_rig::{AgentSpec, EchoServer, TwoNodes, pod_endpoints};

use crate::probe::{get, is_refused, soon};
use crate::web::{PROXY_PORT, WEB, node, put_web, ready, says};

#[test]
fn rule_3_10_1_an_agent_whose_own_port_is_taken_says_so_once_and_serves() -> Result<()> {
    let scene = TwoNodes::builder().pods(1, 0).build()?;
    let pod = &scene.a.pods[0];
    let _echo = EchoServer::start(&pod.ns, &pod.name, 8080)?;
    let spec = AgentSpec::new(&scene, &scene.a)?;
    spec.manifests
        .put("web", &WEB.objects(&pod_endpoints([pod])))?;
    let taken = scene
        .a
        .ns
        .run(|| TcpListener::bind(("0.0.0.0", PROXY_PORT)))?;
    let agent = spec.start()?;
    let problem = "cannot listen at --health-address 0.0.0.0:10256: Address already in use";
    let problems = spec.status()?["problems"].to_string();
    ensure!(problems.contains(problem), "{problems}");
    ensure!(
        agent.output().matches(problem).count() == 1,
        "{}",
        agent.output()
    );
    let to = SocketAddr::new(scene.a.v4.into(), WEB.node_port_number());
    ensure!(scene.client.run(|| ask(Proto::Tcp, to))?.backend == pod.name);
    drop(taken);
    ensure!(agent.stop()?.success());
    let off = AgentSpec::new(&scene, &scene.a)?.args(["--health-address", "off"]);
    let _agent = off.start()?;
    ensure!(is_refused(
        &scene.client,
        SocketAddr::new(scene.a.v4.into(), PROXY_PORT)
    ));
    Ok(())
}

#[test]
fn rule_3_10_1_and_3_10_2_and_3_10_6_the_proxy_answers_on_every_address() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    for to in node(&setup, PROXY_PORT) {
        for (path, keys) in [
            (
                "/healthz",
                &[
                    "currentTime",
                    "healthy",
                    "lastUpdated",
                    "nodeEligible",
                    "status",
                ][..],
            ),
            (
                "/livez",
                &["currentTime", "healthy", "lastUpdated", "status"],
            ),
        ] {
            let answer = get(&setup.scene.client, to, path)?;
            ensure!(answer.status == 200, "{to}{path}: {answer:?}");
            ensure!(
                answer.header("content-type") == Some("application/json"),
                "{answer:?}"
            );
            ensure!(
                answer.header("x-content-type-options") == Some("nosniff"),
                "{answer:?}"
            );
            let body = answer.json()?;
            let mut found: Vec<&str> = body
                .as_object()
                .into_iter()
                .flatten()
                .map(|(key, _)| key.as_str())
                .collect();
            found.sort_unstable();
            ensure!(found == keys, "{body}");
            for family in ["IPv4", "IPv6"] {
                ensure!(body["status"][family]["healthy"] == true, "{body}");
            }
        }
        ensure!(get(&setup.scene.client, to, "/")?.status == 404);
    }
    Ok(())
}

#[test]
fn rule_3_10_4_the_node_object_decides_healthz_and_nothing_else() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    put_web(&setup, &[&setup.scene.a.pods[0]], ready(), |_| {})?;
    says(&setup, 200, 1)?;
    let [to, _] = node(&setup, PROXY_PORT);
    let put = |name: &str, taints: &[&str]| {
        let taints: Vec<Value> = taints
            .iter()
            .map(|key| json!({ "key": key, "effect": "NoSchedule" }))
            .collect();
        let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name },
            "spec": { "taints": taints } });
        setup.spec.manifests.put("node", &[node])
    };
    let healthz = |status: u16| {
        soon(|| {
            let answer = get(&setup.scene.client, to, "/healthz")?;
            ensure!(answer.status == status, "{answer:?}");
            ensure!(
                answer.json()?["nodeEligible"] == (status == 200),
                "{answer:?}"
            );
            Ok(())
        })?;
        let answer = get(&setup.scene.client, to, "/livez")?;
        ensure!(answer.status == 200, "{answer:?}");
        says(&setup, 200, 1)
    };
    put("nodea", &["ToBeDeletedByClusterAutoscaler"])?;
    healthz(503)?;
    put("nodea", &["node.kubernetes.io/unschedulable"])?;
    healthz(200)?;
    // Nodes are known, and ours is none of them.
    put("nodeb", &[])?;
    healthz(503)?;
    setup.spec.manifests.remove("node.json")?;
    healthz(200)
}

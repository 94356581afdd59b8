//! The health-check port of a Service: what it answers, and to whom.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tidegate_e2e::Setup;
use tidegate_rig::pod_endpoints;

use crate::probe::{get, is_refused, request, soon};
use crate::web::{HEALTH_PORT, node, put_web, ready, says};

#[test]
fn rule_3_9_1_and_3_9_4_and_3_9_5_every_method_and_path_gets_the_same_answer() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    put_web(&setup, &[&setup.scene.a.pods[0]], ready(), |_| {})?;
    says(&setup, 200, 1)?;
    let expected = "{\n\t\"service\": {\n\t\t\"namespace\": \"default\",\n\t\t\"name\": \"web\"\n\t},\n\
        \t\"localEndpoints\": 1,\n\t\"serviceProxyHealthy\": true\n}";
    for to in node(&setup, HEALTH_PORT) {
        for (method, path) in [
            ("GET", "/"),
            ("POST", "/healthz"),
            ("DELETE", "/a/b?c"),
            ("OPTIONS", "*"),
        ] {
            let answer = request(&setup.scene.client, method, to, path)?;
            ensure!(
                answer.status == 200 && answer.body == expected,
                "{method}: {answer:?}"
            );
            ensure!(
                answer.header("content-type") == Some("application/json"),
                "{answer:?}"
            );
            ensure!(
                answer.header("x-content-type-options") == Some("nosniff"),
                "{answer:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn rule_3_9_11_nobody_s_probe_is_taken_for_a_node_port() -> Result<()> {
    for (attach, offloads) in [("auto", true), ("xdp", false)] {
        let setup = Setup::new(attach, offloads, &[])?;
        nobody_s_probe_is_taken(&setup).context(attach)?;
    }
    Ok(())
}

fn nobody_s_probe_is_taken(setup: &Setup) -> Result<()> {
    put_web(setup, &[&setup.scene.b.pods[0]], ready(), |_| {})?;
    says(setup, 503, 0)?;
    let localhost: [SocketAddr; 2] = [
        format!("127.0.0.1:{HEALTH_PORT}").parse()?,
        format!("[::1]:{HEALTH_PORT}").parse()?,
    ];
    let outside = node(setup, HEALTH_PORT);
    let (own, pod, other) = (
        &setup.scene.a.ns,
        &setup.scene.a.pods[2].ns,
        &setup.scene.b.ns,
    );
    let asked = [
        (own, localhost),
        (own, outside),
        (pod, outside),
        (other, outside),
    ];
    let all_are_told = || {
        asked.iter().try_for_each(|(from, to)| {
            to.iter().try_for_each(|to| {
                let answer = get(from, *to, "/")?;
                let name = &answer.json()?["service"]["name"];
                ensure!(
                    answer.status == 503 && name == "web",
                    "{to} from {}: {answer:?}",
                    from.name()
                );
                Ok(())
            })
        })
    };
    all_are_told()?;
    // A younger Service that wants the number as its nodePort does not get it.
    let mut greedy = Setup::REMOTE.objects(&pod_endpoints([&setup.scene.b.pods[0]]));
    for port in greedy[0]["spec"]["ports"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        port["nodePort"] = json!(HEALTH_PORT);
    }
    setup.spec.manifests.remove("remote.json")?;
    soon(|| {
        let services = setup.spec.get("services")?.to_string();
        ensure!(!services.contains("\"remote\""), "{services}");
        Ok(())
    })?;
    setup.spec.manifests.put("remote", &greedy)?;
    soon(|| {
        let problems = setup.spec.status()?["problems"].to_string();
        let expected = format!("nodePort {HEALTH_PORT} belongs to the older Service default/web");
        ensure!(problems.contains(&expected), "{problems}");
        Ok(())
    })?;
    all_are_told()
}

#[test]
fn rule_3_9_1_blocks_of_node_port_addresses_hold_for_the_health_check_port() -> Result<()> {
    let blocks = "192.168.1.2/32,fd00:1::2/128";
    let setup = Setup::new("auto", true, &["--nodeport-addresses", blocks])?;
    put_web(&setup, &[&setup.scene.a.pods[0]], ready(), |_| {})?;
    says(&setup, 200, 1)?;
    for ip in ["127.0.0.1", "::1"] {
        let to = SocketAddr::new(ip.parse::<IpAddr>()?, HEALTH_PORT);
        ensure!(is_refused(&setup.scene.a.ns, to), "{to} is not refused");
    }
    Ok(())
}

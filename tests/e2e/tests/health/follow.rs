//! The health-check port follows its Service: endpoints, policy, number, and what stands in the way.

use std::net::TcpListener;

use anyhow::{Result, ensure};
use serde_json::json;
use tidegate_e2e::{Proto, Setup, ask};
use tidegate_rig::pod_endpoints;

use crate::probe::{get, is_refused, soon};
use crate::web::{HEALTH_PORT, WEB, node, put_web, ready, says, web};

#[test]
fn rule_3_9_3_and_3_9_9_the_answer_follows_the_endpoints_and_data_flows_while_it_is_no()
-> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    let (a, b) = (&setup.scene.a.pods, &setup.scene.b.pods);
    // T20: the only one terminates. Load balancers are told to go elsewhere, clients that come are served.
    let terminating = json!({ "ready": false, "serving": true, "terminating": true });
    put_web(&setup, &[&a[0]], terminating, |_| {})?;
    says(&setup, 503, 0)?;
    for v6 in [false, true] {
        let to = WEB.node_port(&setup, v6);
        let answer = setup.scene.client.run(|| ask(Proto::Tcp, to))?;
        ensure!(answer.backend == a[0].name, "{answer:?}");
    }
    put_web(&setup, &[&a[0]], ready(), |_| {})?;
    says(&setup, 200, 1)?;
    put_web(&setup, &[&a[0], &a[1], &b[0]], ready(), |_| {})?;
    says(&setup, 200, 2)?;
    // All elsewhere.
    put_web(&setup, &[&b[0], &b[1]], ready(), |_| {})?;
    says(&setup, 503, 0)
}

#[test]
fn rule_3_9_6_the_port_closes_with_the_policy_the_number_or_the_service() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    let pods = [&setup.scene.a.pods[0]];
    let client = &setup.scene.client;
    let refused = |port| {
        node(&setup, port).into_iter().try_for_each(|to| {
            soon(|| {
                ensure!(is_refused(client, to), "{to} is not refused");
                Ok(())
            })
        })
    };
    put_web(&setup, &pods, ready(), |_| {})?;
    says(&setup, 200, 1)?;
    put_web(&setup, &pods, ready(), |spec| {
        spec["externalTrafficPolicy"] = json!("Cluster")
    })?;
    refused(HEALTH_PORT)?;
    put_web(&setup, &pods, ready(), |_| {})?;
    says(&setup, 200, 1)?;
    put_web(&setup, &pods, ready(), |spec| {
        spec["healthCheckNodePort"] = json!(HEALTH_PORT + 1)
    })?;
    refused(HEALTH_PORT)?;
    let other = node(&setup, HEALTH_PORT + 1);
    soon(|| {
        other
            .iter()
            .try_for_each(|to| get(client, *to, "/").map(drop))
    })?;
    setup.spec.manifests.remove("web.json")?;
    refused(HEALTH_PORT + 1)
}

#[test]
fn rule_3_9_8_each_family_s_port_counts_its_own_endpoints() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    let (here, there) = (&setup.scene.a.pods[0], &setup.scene.b.pods[0]);
    put_web(&setup, &[here], ready(), |_| {})?;
    says(&setup, 200, 1)?;
    // IPv6 moves to the other node.
    let mut objects = WEB.objects(&pod_endpoints([there]));
    objects.retain(|object| object["addressType"] == "IPv6");
    objects[0]["metadata"]["name"] = json!("web-elsewhere");
    setup.spec.manifests.put("elsewhere", &objects)?;
    let mut objects = web(&[here], &ready());
    objects.retain(|object| object["addressType"] != "IPv6");
    setup.spec.manifests.put(WEB.name, &objects)?;
    let [v4, v6] = node(&setup, HEALTH_PORT);
    soon(|| {
        let status = [v4, v6].map(|to| get(&setup.scene.client, to, "/").map(|it| it.status));
        ensure!(matches!(status, [Ok(200), Ok(503)]), "{status:?}");
        Ok(())
    })
}

#[test]
fn rule_3_9_7_a_port_that_is_taken_is_a_problem_and_the_rest_works() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    let pods = [&setup.scene.a.pods[0]];
    let hold = |port: u16| {
        setup
            .scene
            .a
            .ns
            .run(|| TcpListener::bind(("0.0.0.0", port)))
    };
    let taken = hold(HEALTH_PORT)?;
    put_web(&setup, &pods, ready(), |_| {})?;
    let problem = format!("spec.healthCheckNodePort: cannot listen at 0.0.0.0:{HEALTH_PORT}: ");
    let problems = || -> Result<String> { Ok(setup.spec.status()?["problems"].to_string()) };
    soon(|| {
        let problems = problems()?;
        ensure!(problems.contains(&problem), "{problems}");
        Ok(())
    })?;
    // The other family's port, and the Service itself.
    let [_, v6] = node(&setup, HEALTH_PORT);
    ensure!(get(&setup.scene.client, v6, "/")?.status == 200);
    setup.served(&setup.scene.client, WEB.node_port(&setup, false))?;
    let warnings = setup.agent.output().matches(&problem).count();
    ensure!(
        warnings == 1,
        "{warnings} warnings: {}",
        setup.agent.output()
    );
    drop(taken);
    // The next sync is somebody else's.
    setup.set_endpoints(Setup::EMPTY, &pods)?;
    says(&setup, 200, 1)?;
    ensure!(!problems()?.contains(&problem));
    Ok(())
}

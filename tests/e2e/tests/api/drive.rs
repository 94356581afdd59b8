//! From nothing to a node that serves, and back.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tidegate_e2e::{Ep, Proto, Svc, World, refused, served_by, silent};

use crate::{ask, list, objects, pod::Pod, socket};

#[test]
fn a_node_is_driven_from_nothing_through_the_socket_alone() -> Result<()> {
    let mut world = World::builder().pods(1, 1).build()?;
    // The agent has no manifest, and no glob of its matches the devices of these pods.
    let (one, two) = (Pod::routed(&mut world, 71)?, Pod::routed(&mut world, 72)?);
    let (socket, svc) = (socket(&world)?, Svc::new("driven", 1));
    for pod in [&one, &two] {
        let path = format!("/v1/devices/{}", pod.device);
        let row = ask(&socket, "PUT", &path, Some(&json!({})), 200)?;
        ensure!(row["hooks"] != "", "{row}");
    }
    let client = &two.ns;
    silent(client, Proto::Tcp, svc.cluster(false))?;

    let first = list(objects(&svc, &[one.endpoint()]));
    let said = ask(
        &socket,
        "PUT",
        "/v1/snapshot?dryRun=true",
        Some(&first),
        200,
    )?;
    ensure!(
        said["created"].as_array().is_some_and(|it| it.len() == 3),
        "{said}"
    );
    silent(client, Proto::Tcp, svc.cluster(false))?;
    let done = ask(&socket, "PUT", "/v1/snapshot", Some(&first), 200)?;
    ensure!(
        done["applied"] == true && done["created"] == said["created"],
        "{done}"
    );
    // It is in the maps when it is answered: nobody waits here.
    for v6 in [false, true] {
        for proto in Proto::BOTH {
            served_by(client, proto, svc.cluster(v6), &[&one.name])?;
        }
    }

    let second = list(objects(&svc, &[Ep::of(world.b(1))]));
    let done = ask(&socket, "PUT", "/v1/snapshot", Some(&second), 200)?;
    ensure!(
        done["changed"].as_array().is_some_and(|it| it.len() == 2) && done["unchanged"] == 1,
        "{done}"
    );
    served_by(client, Proto::Tcp, svc.cluster(false), &[&world.b(1).name])?;

    let path = "/v1/namespaces/default/services/driven";
    let mut service = ask(&socket, "GET", path, None, 200)?;
    service["spec"]["ports"][0]["port"] = json!(81);
    let stale = service.clone();
    ask(&socket, "PUT", path, Some(&service), 200)?;
    let mut moved = svc.cluster(false);
    moved.set_port(81);
    served_by(client, Proto::Tcp, moved, &[&world.b(1).name])?;
    let conflict = ask(&socket, "PUT", path, Some(&stale), 409)?;
    ensure!(conflict["reason"] == "Conflict", "{conflict}");
    served_by(client, Proto::Tcp, moved, &[&world.b(1).name])?;

    ask(&socket, "DELETE", path, None, 200)?;
    silent(client, Proto::Tcp, moved)?;
    let done = ask(&socket, "PUT", "/v1/snapshot", Some(&json!([])), 200)?;
    ensure!(
        done["deleted"].as_array().is_some_and(|it| it.len() == 2),
        "{done}"
    );
    Ok(())
}

#[test]
fn numbers_are_given_to_services_of_the_api_and_shown() -> Result<()> {
    let world = World::builder()
        .args(&["--lb-pool", "198.51.100.0/24"])
        .pods(2, 0)
        .build()?;
    let socket = socket(&world)?;
    let pod = world.a(1);
    let service = json!({
        "metadata": { "name": "given" },
        "spec": { "type": "LoadBalancer", "ports": [{ "port": 80, "targetPort": 8080 }],
            "selector": { "app": "given" } },
    });
    let path = "/v1/namespaces/default/services";
    let made = ask(&socket, "POST", path, Some(&service), 201)?;
    let pods = list(vec![json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p", "labels": { "app": "given" } },
        "spec": { "nodeName": "nodea", "containers": [{ "name": "c", "image": "any" }] },
        "status": { "podIP": pod.v4.to_string() },
    })]);
    let done = ask(&socket, "POST", "/v1/apply", Some(&pods), 200)?;
    ensure!(done["warnings"] == json!([]), "{done}");
    let text = |pointer: &str| -> Result<&str> {
        let value = made.pointer(pointer).and_then(|it| it.as_str());
        value.with_context(|| format!("{pointer} in {made}"))
    };
    let port = made["spec"]["ports"][0]["nodePort"]
        .as_u64()
        .context("nodePort")?;
    let cluster = (text("/spec/clusterIP")?.parse::<std::net::IpAddr>()?, 80).into();
    let balancer = (
        text("/status/loadBalancer/ingress/0/ip")?.parse::<std::net::IpAddr>()?,
        80,
    )
        .into();
    let node_port = (world.node_address(false), u16::try_from(port)?).into();
    for to in [cluster, node_port] {
        served_by(&world.a(2).ns, Proto::Tcp, to, &[&pod.name])?;
    }
    for to in [balancer, node_port] {
        served_by(&world.scene.client, Proto::Tcp, to, &[&pod.name])?;
    }
    let again = ask(&socket, "PUT", &format!("{path}/given"), Some(&made), 200)?;
    ensure!(again["metadata"] == made["metadata"], "{again}");
    Ok(())
}

#[test]
fn what_is_refused_changes_nothing_in_the_kernel() -> Result<()> {
    let world = World::builder().pods(2, 0).build()?;
    let (socket, svc) = (socket(&world)?, Svc::new("kept", 1));
    let all = list(objects(&svc, &[Ep::of(world.a(1))]));
    ask(&socket, "PUT", "/v1/snapshot", Some(&all), 200)?;
    let mut bad = objects(&svc, &[]);
    bad[1]["endpoints"] = json!([{ "addresses": ["169.254.0.1"] }]);
    let answer = ask(&socket, "PUT", "/v1/snapshot", Some(&list(bad)), 422)?;
    ensure!(
        answer["details"]["causes"][0]["field"] == "items[1].endpoints[0].addresses[0]",
        "{answer}"
    );
    served_by(
        &world.a(2).ns,
        Proto::Tcp,
        svc.cluster(false),
        &[&world.a(1).name],
    )?;
    let none = list(vec![objects(&svc, &[]).remove(0)]);
    ask(&socket, "PUT", "/v1/snapshot", Some(&none), 200)?;
    refused(&world.a(2).ns, Proto::Tcp, svc.cluster(false))
}

#[test]
fn objects_of_manifests_are_shown_and_left_to_their_file() -> Result<()> {
    let world = World::builder().pods(1, 0).build()?;
    let (socket, svc) = (socket(&world)?, Svc::new("filed", 1));
    world.put(&svc, &[Ep::of(world.a(1))])?;
    let path = "/v1/namespaces/default/services/filed";
    let shown = ask(&socket, "GET", path, None, 200)?;
    let source = &shown["metadata"]["annotations"]["tidegate.io/source"];
    ensure!(
        source.as_str().is_some_and(|it| it.contains("filed.json")),
        "{shown}"
    );
    for (method, body) in [("PUT", Some(&shown)), ("DELETE", None)] {
        let answer = ask(&socket, method, path, body, 409)?;
        let message = answer["message"].as_str().unwrap_or_default();
        ensure!(message.contains("filed.json: change it there"), "{answer}");
    }
    Ok(())
}

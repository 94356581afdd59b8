//! A program of a network's author that drives a node from nothing through the socket alone: it makes a
//! device and declares it, gives the whole state, changes it, and takes it away again.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tidegate_e2e::{Ep, Proto, Svc, World, refused, served_by, silent};

use crate::{http, plugin::socket, pod::Pod};

/// One request that must succeed.
fn done(world: &World, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
    let (status, answer) = http::ask(&socket(world)?, method, path, body)?;
    ensure!((200..300).contains(&status), "{method} {path}: {answer}");
    Ok(answer)
}

/// The same for each slice that a Service with these endpoints has.
fn each_slice(world: &World, method: &str, svc: &Svc, endpoints: &[Ep]) -> Result<()> {
    for slice in svc.slices("all", endpoints) {
        let name = slice["metadata"]["name"].as_str().unwrap_or_default();
        let path = format!("/v1/namespaces/default/endpointslices/{name}");
        let body = (method == "PUT").then_some(&slice);
        let _answer = done(world, method, &path, body)?;
    }
    Ok(())
}

#[test]
fn a_program_drives_a_node_from_nothing_through_the_socket_alone() -> Result<()> {
    let mut world = World::builder().pods(1, 1).build()?;
    let pod = Pod::routed(&mut world, 51)?;
    let svc = Svc::new("alone", 51);
    let list = |endpoints: &[Ep]| json!({ "apiVersion": "v1", "kind": "List", "items": svc.objects(endpoints) });
    let device = format!("/v1/devices/{}", pod.device);
    let declaration = json!({ "role": "pod", "addresses": pod.addresses() });
    let row = done(&world, "PUT", &device, Some(&declaration))?;
    ensure!(
        row["hooks"] != "" && row["addresses"] == declaration["addresses"],
        "{row}"
    );
    let ask_all = |pods: &[&str]| -> Result<()> {
        for v6 in [false, true] {
            served_by(&pod.ns, Proto::Tcp, svc.cluster(v6), pods)?;
            let node_port = svc.node_port(world.node_address(v6));
            served_by(&world.scene.client, Proto::Udp, node_port, pods)?;
        }
        Ok(())
    };
    let (own, other) = (pod.endpoint(), Ep::of(world.b(1)));
    // Only to say what would be changes nothing.
    let body = list(std::slice::from_ref(&own));
    done(&world, "PUT", "/v1/snapshot?dryRun=true", Some(&body))?;
    silent(&pod.ns, Proto::Tcp, svc.cluster(false))?;
    done(&world, "PUT", "/v1/snapshot", Some(&body))?;
    ask_all(&[&pod.name])?;
    // The whole state again, and then one object of it.
    done(
        &world,
        "PUT",
        "/v1/snapshot",
        Some(&list(&[own, other.clone()])),
    )?;
    ask_all(&[&pod.name, &world.b(1).name])?;
    each_slice(&world, "PUT", &svc, &[other])?;
    ask_all(&[&world.b(1).name])?;
    each_slice(&world, "DELETE", &svc, &[])?;
    refused(&pod.ns, Proto::Tcp, svc.cluster(false))?;
    done(
        &world,
        "DELETE",
        "/v1/namespaces/default/services/alone",
        None,
    )?;
    ensure!(world.frontends()?.is_empty());
    done(&world, "DELETE", &device, None)?;
    let rows = done(&world, "GET", "/v1/devices", None)?;
    let names = rows["items"].as_array().into_iter().flatten();
    ensure!(
        names.clone().all(|row| row["name"] != pod.device.as_str()),
        "{rows}"
    );
    Ok(())
}

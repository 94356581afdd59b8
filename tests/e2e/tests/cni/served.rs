//! ADD, CHECK and DEL: a pod is served from the moment that ADD returns.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tidegate_e2e::{Ep, Proto, Svc, World, served_by};
use tidegate_rig::binary;

use crate::{
    http,
    plugin::{config, run, run_with, socket, start},
    pod::Pod,
    world,
};

/// The row of a device, if there is one.
fn row(world: &World, device: &str) -> Result<Option<Value>> {
    let (status, row) = http::ask(
        &socket(world)?,
        "GET",
        &format!("/v1/devices/{device}"),
        None,
    )?;
    Ok((status == 200).then_some(row))
}

/// The pod reaches a Service by its clusterIP, and is itself reached by NodePort and clusterIP.
fn is_served(world: &World, pod: &Pod, to: &Svc, of: &Svc) -> Result<()> {
    for v6 in [false, true] {
        let node_port = of.node_port(world.node_address(v6));
        for proto in Proto::BOTH {
            served_by(&pod.ns, proto, to.cluster(v6), &[&world.b(1).name])?;
            served_by(&world.scene.client, proto, node_port, &[&pod.name])?;
            served_by(&world.scene.a.ns, proto, of.cluster(v6), &[&pod.name])?;
            // Its own backend, which comes back through the device.
            served_by(&pod.ns, proto, of.cluster(v6), &[&pod.name])?;
        }
    }
    Ok(())
}

fn local_pods(world: &World) -> Result<u64> {
    world.spec.status()?["localPods"]
        .as_u64()
        .context("localPods")
}

#[test]
fn a_pod_is_served_from_the_moment_that_add_returns_until_del() -> Result<()> {
    let mut world = world()?;
    let pod = Pod::routed(&mut world, 71)?;
    let (to, of) = (Svc::new("other", 71), Svc::new("own", 72));
    world.put(&to, &[Ep::of(world.b(1))])?;
    world.put(&of, &[pod.endpoint()])?;
    ensure!(row(&world, &pod.device)?.is_none(), "no glob matches it");
    let before = local_pods(&world)?;
    for _again in 0..2 {
        let printed = run(&world, "ADD", &pod)?.ok()?;
        ensure!(printed == pod.result("1.1.0"), "{printed}");
        is_served(&world, &pod, &to, &of)?;
    }
    ensure!(local_pods(&world)? == before + 2);
    let row = row(&world, &pod.device)?.context("a row")?;
    let addresses = pod.addresses().map(|ip| ip.to_string());
    ensure!(
        row["addresses"] == json!(addresses) && row["declared"] == true,
        "{row}"
    );
    ensure!(
        row["role"] == "pod" && row["hooks"] != "" && row["owner"]["podName"] == "web-1",
        "{row}"
    );
    ensure!(run(&world, "CHECK", &pod)?.ok()? == Value::Null);
    for _again in 0..2 {
        let ran = run(&world, "DEL", &pod)?;
        ensure!(ran.stderr.is_empty() && ran.ok()? == Value::Null);
        ensure!(self::row(&world, &pod.device)?.is_none(), "still attached");
    }
    ensure!(local_pods(&world)? == before);
    run(&world, "CHECK", &pod)?.failed(101, "the agent does not know it")?;
    pod.remove_link()
}

#[test]
fn a_pod_behind_a_bridge_is_known_before_anybody_has_seen_it_speak() -> Result<()> {
    let mut world = world()?;
    let pod = Pod::bridged(&mut world, 73)?;
    let (to, of) = (Svc::new("other", 73), Svc::new("own", 74));
    world.put(&to, &[Ep::of(world.b(1))])?;
    world.put(&of, &[pod.endpoint()])?;
    for node in [&world.scene.b.ns, &world.scene.client] {
        node.ip("route replace 10.245.0.0/24 via 192.168.1.2\nroute replace fd00:245::/64 via fd00:1::2")?;
    }
    run(&world, "ADD", &pod)?.ok()?;
    let row = row(&world, &pod.device)?.context("a row")?;
    ensure!(
        row["addresses"]
            .as_array()
            .is_some_and(|ips| ips.len() == 2),
        "{row}"
    );
    is_served(&world, &pod, &to, &of)?;
    run(&world, "CHECK", &pod)?.ok()?;
    run(&world, "DEL", &pod)?.ok()?;
    pod.remove_link()?;
    world.scene.a.ns.ip("link del cni0")
}

#[test]
fn check_finds_addresses_that_are_not_what_add_has_told() -> Result<()> {
    let mut world = world()?;
    let pod = Pod::routed(&mut world, 75)?;
    let mut config = config(&world, "0.4.0")?;
    config["prevResult"] = pod.result("0.4.0");
    config["prevResult"]["ips"][0]["version"] = json!("4");
    let printed = run_with(&world, "ADD", Some(&pod), &config)?.ok()?;
    ensure!(
        printed == config["prevResult"],
        "old versions pass through: {printed}"
    );
    config["prevResult"]["ips"][0]["address"] = json!("10.244.0.99/32");
    run_with(&world, "CHECK", Some(&pod), &config)?.failed(101, "other addresses")?;
    run(&world, "DEL", &pod)?.ok()?;
    pod.remove_link()
}

#[test]
fn the_subcommand_does_the_same_as_the_link_without_arguments() -> Result<()> {
    let world = world()?;
    let config = config(&world, "1.1.0")?;
    let printed = run_with(&world, "VERSION", None, &config)?.ok()?;
    ensure!(printed["cniVersion"] == "1.1.0", "{printed}");
    let mut plugin = world.scene.a.ns.command(binary()?);
    let ran = start(plugin.arg("cni").env("CNI_COMMAND", "VERSION"), &config)?;
    ensure!(ran.ok()? == printed);
    ensure!(run_with(&world, "STATUS", None, &config)?.ok()? == Value::Null);
    run_with(&world, "UPDATE", None, &config)?.failed(4, "UPDATE")
}

#[test]
fn a_device_without_another_end_on_this_host_is_refused_and_said_why() -> Result<()> {
    let mut world = world()?;
    let pod = Pod::routed(&mut world, 76)?;
    pod.remove_link()?;
    run(&world, "ADD", &pod)?.failed(3, "no device eth0")?;
    pod.ns.ip("link add eth0 type bridge")?;
    run(&world, "ADD", &pod)?.failed(7, "needs a veth pair")?;
    // Both ends inside: the number of the other end may be any device's on the host.
    pod.ns
        .ip("link del eth0\nlink add eth0 type veth peer name eth9")?;
    run(&world, "ADD", &pod)?.failed(7, "needs a veth pair")?;
    pod.ns.ip("link del eth0")
}

#[test]
fn many_pods_that_start_at_once_are_all_served_when_their_add_returns() -> Result<()> {
    let mut world = world()?;
    let pods = (31..43).map(|number| Pod::routed(&mut world, number));
    let pods = pods.collect::<Result<Vec<_>>>()?;
    let svc = Svc::new("many", 31);
    world.put(&svc, &[Ep::of(world.b(1))])?;
    let (world, svc) = (&*world, &svc);
    std::thread::scope(|scope| -> Result<()> {
        let start = |pod| {
            scope.spawn(move || {
                run(world, "ADD", pod)?.ok()?;
                served_by(&pod.ns, Proto::Udp, svc.cluster(false), &[&world.b(1).name])?;
                run(world, "CHECK", pod)?.ok()?;
                run(world, "DEL", pod)?.ok()
            })
        };
        let starting: Vec<_> = pods.iter().map(start).collect();
        for it in starting {
            let ended = it.join().map_err(|_panic| anyhow::anyhow!("a panic"))?;
            ended.map(|_nothing| ())?;
        }
        Ok(())
    })?;
    for pod in &pods {
        ensure!(
            row(world, &pod.device)?.is_none(),
            "{} is still there",
            pod.device
        );
        pod.remove_link()?;
    }
    Ok(())
}

//! Devices that go: by GC, with their pod, and not by a restart of the agent.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tidegate_e2e::{Ep, Proto, Svc, World, served_by, soon};

use crate::{
    plugin::{config, run, run_with},
    pod::Pod,
    world,
};

/// Names of declared devices.
fn declared(world: &World) -> Result<Vec<String>> {
    let devices = world.spec.get("devices")?;
    let rows = devices["items"].as_array().context("no items")?.iter();
    let declared = rows.filter(|row| row["declared"] == true);
    Ok(declared
        .filter_map(|row| Some(row["name"].as_str()?.to_owned()))
        .collect())
}

#[test]
fn gc_forgets_the_containers_that_the_runtime_does_not_name() -> Result<()> {
    let mut world = world()?;
    let pods = [81, 82, 83].map(|number| Pod::routed(&mut world, number));
    let pods = pods.into_iter().collect::<Result<Vec<_>>>()?;
    for pod in &pods {
        run(&world, "ADD", pod)?.ok()?;
    }
    let mut config = config(&world, "1.1.0")?;
    run_with(&world, "GC", None, &config)?.failed(7, "would forget every attachment")?;
    config["cni.dev/valid-attachments"] =
        json!([{ "containerID": pods[1].name, "ifname": "eth0" }]);
    config["name"] = json!("others");
    run_with(&world, "GC", None, &config)?.ok()?;
    let devices: Vec<&str> = pods.iter().map(|pod| pod.device.as_str()).collect();
    ensure!(declared(&world)? == devices, "another network's");
    config["name"] = json!("pods");
    ensure!(run_with(&world, "GC", None, &config)?.ok()? == Value::Null);
    ensure!(declared(&world)? == [pods[1].device.as_str()]);
    run(&world, "CHECK", &pods[1])?.ok()?;
    run(&world, "DEL", &pods[1])?.ok()?;
    pods.iter().try_for_each(Pod::remove_link)
}

#[test]
fn declared_devices_outlive_the_agent_and_go_with_their_pod() -> Result<()> {
    let mut world = World::builder().pods(1, 1).build()?;
    let (stays, goes) = (Pod::routed(&mut world, 84)?, Pod::routed(&mut world, 85)?);
    let svc = Svc::new("kept", 84);
    world.put(&svc, &[Ep::of(world.b(1))])?;
    for pod in [&stays, &goes] {
        run(&world, "ADD", pod)?.ok()?;
    }
    world.kill_agent()?;
    served_by(
        &stays.ns,
        Proto::Tcp,
        svc.cluster(false),
        &[&world.b(1).name],
    )?;
    goes.remove_link()?;
    world.replace_agent()?;
    // `ready` means that the devices are as they should be: no waiting here.
    served_by(
        &stays.ns,
        Proto::Tcp,
        svc.cluster(true),
        &[&world.b(1).name],
    )?;
    ensure!(declared(&world)? == [stays.device.as_str()]);
    run(&world, "CHECK", &stays)?.ok()?;
    let file = world.scene.dir("nodea/state")?.join("devices.json");
    let remembered = || -> Result<String> { Ok(std::fs::read_to_string(&file)?) };
    soon(|| {
        let text = remembered()?;
        ensure!(
            text.contains(&stays.device) && !text.contains(&goes.device),
            "{text}"
        );
        Ok(())
    })?;
    // And while an agent looks on, without DEL.
    stays.remove_link()?;
    soon(|| {
        let left = declared(&world)?;
        ensure!(
            left.is_empty() && !remembered()?.contains(&stays.device),
            "{left:?}"
        );
        Ok(())
    })?;
    let problems = &world.spec.status()?["problems"];
    ensure!(problems == &json!([]), "{problems}");
    run(&world, "DEL", &stays)?.ok().map(|_nothing| ())
}

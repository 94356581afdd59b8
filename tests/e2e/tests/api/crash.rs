//! What is stored outlives the agent, however it ends.

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Ep, Proto, Svc, World, served_by};

use crate::{ask, list, objects, socket};

#[test]
fn objects_and_their_numbers_are_there_after_a_kill() -> Result<()> {
    let mut world = World::builder().pods(2, 0).build()?;
    let (socket, svc) = (socket(&world)?, Svc::new("outlives", 1));
    let all = list(objects(&svc, &[Ep::of(world.a(1))]));
    ask(&socket, "PUT", "/v1/snapshot", Some(&all), 200)?;
    let given = serde_json::json!({ "metadata": { "name": "given" }, "spec": { "ports": [{ "port": 80 }] } });
    ask(
        &socket,
        "POST",
        "/v1/namespaces/default/services",
        Some(&given),
        201,
    )?;
    let version = |list: &serde_json::Value| -> Result<u64> {
        let version = list["metadata"]["resourceVersion"].as_str();
        Ok(version.context("no version")?.parse()?)
    };
    let shown = || -> Result<(u64, serde_json::Value)> {
        let mut list = ask(&socket, "GET", "/v1/snapshot", None, 200)?;
        let version = version(&list)?;
        for item in list["items"].as_array_mut().context("no items")? {
            item["metadata"]["resourceVersion"].take();
        }
        Ok((version, list["items"].take()))
    };
    let (before, items) = shown()?;
    for _ in 0..3 {
        world.replace_agent()?;
        // The agent is ready, so it has the maps as they were to be; nothing was empty meanwhile.
        served_by(
            &world.a(2).ns,
            Proto::Tcp,
            svc.cluster(false),
            &[&world.a(1).name],
        )?;
        let (after, again) = shown()?;
        ensure!(again == items, "{again} after {items}");
        ensure!(after >= before, "version {after} after {before}");
    }
    Ok(())
}

#[test]
fn a_kill_in_the_middle_of_changes_leaves_one_of_the_states() -> Result<()> {
    let mut world = World::builder().pods(1, 0).build()?;
    let socket = socket(&world)?;
    for round in 0..5_u64 {
        let writer = std::thread::spawn({
            let socket = socket.clone();
            move || {
                let mut answered = 0;
                for count in 1..10_000_u64 {
                    // Every state has a hundred Services of one port.
                    let items = (0..100).map(|number| {
                        let ports = serde_json::json!([{ "port": count }]);
                        serde_json::json!({
                            "apiVersion": "v1", "kind": "Service", "metadata": { "name": format!("s{number}") },
                            "spec": { "clusterIP": format!("10.96.1.{number}"), "ports": ports },
                        })
                    });
                    if ask(
                        &socket,
                        "PUT",
                        "/v1/snapshot",
                        Some(&list(items.collect())),
                        200,
                    )
                    .is_err()
                    {
                        break;
                    }
                    answered = count;
                }
                answered
            }
        });
        std::thread::sleep(std::time::Duration::from_millis(300 + 70 * round));
        world.kill_agent()?;
        let answered = writer.join().map_err(|_panic| anyhow::anyhow!("a panic"))?;
        world.replace_agent()?;
        let list = ask(&socket, "GET", "/v1/services", None, 200)?;
        let items = list["items"].as_array().context("no items")?;
        let port = |item: &serde_json::Value| item["spec"]["ports"][0]["port"].as_u64();
        let first = items.first().and_then(port).unwrap_or(0);
        ensure!(items.len() == 100 || answered == 0, "{} items", items.len());
        ensure!(
            items.iter().all(|item| port(item) == Some(first)),
            "mixed states"
        );
        ensure!(
            first == answered || first == answered + 1,
            "state {first}, and {answered} was answered last"
        );
    }
    Ok(())
}

#[test]
fn a_damaged_store_ends_the_start_with_one_line() -> Result<()> {
    let world = World::builder().pods(1, 0).no_agent().build()?;
    let state = world.scene.dir("nodea/state")?;
    std::fs::write(state.join("objects.log"), "something else entirely\n")?;
    let output = world.spec.command().output()?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(
        output.status.code() == Some(1),
        "{:?}: {said}",
        output.status
    );
    ensure!(said.lines().count() == 1, "not one line: {said}");
    for part in ["objects.log is damaged", "restore it from a backup"] {
        ensure!(said.contains(part), "{said}");
    }
    Ok(())
}

//! `apply` and `delete`: the agent's own store, through the socket.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tidegate_e2e::{Ep, Svc, World};

use crate::{
    ran::{run, run_with},
    world,
};

fn text(objects: &[Value]) -> String {
    json!({ "apiVersion": "v1", "kind": "List", "items": objects }).to_string()
}

fn serves(world: &World, name: &str) -> Result<bool> {
    let frontends = world.frontends()?;
    Ok(frontends
        .iter()
        .any(|row| row["service"] == name && row["backends"] == 1))
}

#[test]
fn what_is_applied_is_served_changed_and_deleted_again() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("applied", 41);
    let objects = text(&svc.objects(&[Ep::of(world.a(1))]));
    let apply = ["apply", "-f", "-"];
    let dry = run_with(&world, &["apply", "-f", "-", "--dry-run"], &objects)?
        .ok()?
        .out;
    ensure!(dry.contains("service/applied created (dry run)"), "{dry}");
    run(&world, &["get", "services", "applied"])?.fails(1, "nothing found")?;
    let created = run_with(&world, &apply, &objects)?.ok()?.out;
    ensure!(
        created
            == "service/applied created\nendpointslice/applied-all-ipv4 created\n\
                endpointslice/applied-all-ipv6 created\n",
        "{created}"
    );
    // The answer comes when the maps have it.
    ensure!(serves(&world, "applied")?);
    let again = run_with(&world, &apply, &objects)?.ok()?.out;
    ensure!(
        again.lines().all(|line| line.ends_with(" unchanged")),
        "{again}"
    );
    let changed = svc.clone().affinity(60);
    let changed = run_with(&world, &apply, &text(&[changed.object]))?
        .ok()?
        .out;
    ensure!(changed == "service/applied configured\n", "{changed}");
    let deleted = run(&world, &["delete", "service", "default/applied"])?
        .ok()?
        .out;
    ensure!(deleted == "service/applied deleted\n", "{deleted}");
    ensure!(!serves(&world, "applied")?);
    run(&world, &["delete", "service", "applied"])?.fails(1, "default/applied")?;
    run(
        &world,
        &["delete", "service", "applied", "--ignore-not-found"],
    )?
    .ok()?;
    let rest = run_with(
        &world,
        &["delete", "-f", "-", "--ignore-not-found"],
        &objects,
    )?
    .ok()?
    .out;
    ensure!(
        rest.contains("endpointslice/applied-all-ipv4 deleted"),
        "{rest}"
    );
    Ok(())
}

#[test]
fn a_fault_names_file_document_and_field_and_nothing_is_changed() -> Result<()> {
    let world = world()?;
    let dir = std::env::temp_dir().join(format!("tidegate-faults-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let file = dir.join("two.yaml");
    let good =
        "apiVersion: v1\nkind: Service\nmetadata: {name: good}\nspec: {ports: [{port: 80}]}\n";
    let bad = good.replace("good", "bad").replace("80", "0");
    std::fs::write(&file, format!("{good}---\n{bad}"))?;
    let path = file.to_str().context("a path")?;
    let ran = run(&world, &["apply", "-f", path]);
    std::fs::write(
        &file,
        good.replace("ports:", "sesionAffinity: ClientIP, ports:"),
    )?;
    let warned = run(&world, &["apply", "-f", path, "--dry-run"]);
    std::fs::remove_dir_all(&dir)?;
    ran?.fails(
        1,
        "two.yaml: document 2: Service default/bad: spec.ports[0].port: ",
    )?;
    run(&world, &["get", "services", "good"])?.fails(1, "nothing found")?;
    let warned = warned?;
    // An unknown field is a warning, once, and the rest works.
    ensure!(
        warned.code == Some(0)
            && warned.err.lines().count() == 1
            && warned.err.starts_with("warning: ")
            && warned.err.contains("spec.sesionAffinity: "),
        "{warned:?}"
    );
    ensure!(
        warned.out == "service/good created (dry run)\n",
        "{warned:?}"
    );
    Ok(())
}

#[test]
fn the_whole_store_can_be_replaced_at_once() -> Result<()> {
    let world = world()?;
    let (old, new) = (Svc::internal("old", 42), Svc::internal("new", 43));
    run_with(&world, &["apply", "-f", "-"], &text(&[old.object]))?.ok()?;
    let args = ["apply", "-f", "-", "--replace-all"];
    let replaced = run_with(&world, &args, &text(std::slice::from_ref(&new.object)))?
        .ok()?
        .out;
    ensure!(
        replaced == "service/new created\nservice/old deleted\n",
        "{replaced}"
    );
    let names = run(&world, &["get", "services", "-o", "json"])?
        .ok()?
        .json()?;
    let names = names["items"].as_array().context("no items")?;
    ensure!(
        names.iter().all(|row| row["name"] != "old")
            && names.iter().any(|row| row["name"] == "new")
    );
    run(&world, &["delete", "service", "new"])?.ok()?;
    Ok(())
}

#[test]
fn thousands_of_objects_go_in_parts_and_all_arrive() -> Result<()> {
    const COUNT: usize = 1_500;
    let world = world()?;
    let padding = "x".repeat(4_000);
    let services: Vec<Value> = (0..COUNT)
        .map(|n| {
            json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": {
                    "name": format!("many-{n}"), "namespace": "many",
                    "annotations": { "example.com/padding": padding },
                },
                "spec": { "ports": [{ "port": 80 }] },
            })
        })
        .collect();
    let ran = run_with(&world, &["apply", "-f", "-"], &text(&services))?.ok()?;
    ensure!(
        ran.out.lines().count() == COUNT,
        "{}",
        ran.out.lines().count()
    );
    ensure!(ran.out.lines().all(|line| line.ends_with(" created")));
    let list = run(&world, &["get", "services", "-n", "many", "-o", "json"])?
        .ok()?
        .json()?;
    let rows = list["items"].as_array().context("no items")?.len();
    ensure!(rows == COUNT, "{rows}");
    let ran = run_with(&world, &["delete", "-f", "-"], &text(&services))?.ok()?;
    ensure!(ran.out.lines().all(|line| line.ends_with(" deleted")));
    Ok(())
}

//! `flows flush`: clients choose anew.

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Ep, Proto, Svc, World, ask};

use crate::{ran::run, world};

fn flows_to(world: &World, service: &str) -> Result<usize> {
    rows(world, &["--service", &format!("default/{service}")])
}

fn rows(world: &World, filter: &[&str]) -> Result<usize> {
    let args = ["get", "flows", "-o", "json"].iter().chain(filter);
    let args: Vec<&str> = args.copied().collect();
    let list = run(world, &args)?.ok()?.json()?;
    Ok(list["items"].as_array().context("no items")?.len())
}

#[test]
fn flows_are_found_by_what_they_have() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("found", 63);
    world.put(&svc, &[Ep::of(world.a(1))])?;
    let to = svc.node_port(world.node_address(false));
    let _answer = world.scene.client.run(|| ask(Proto::Udp, to))?;
    let (client, frontend) = (world.client_address(false).to_string(), to.to_string());
    for filter in [
        &["found"][..],
        &["found", "-n", "default"],
        &["default/found"],
        &["--service", "default/found"],
        &["--frontend", &frontend],
        &[
            "--frontend",
            &frontend,
            "--proto",
            "udp",
            "--client",
            &client,
            "--limit",
            "1",
        ],
    ] {
        ensure!(rows(&world, filter)? == 1, "{filter:?}");
    }
    for filter in [
        &["found", "-n", "nosuch"][..],
        &["--frontend", &frontend, "--proto", "tcp"],
        &["--frontend", &frontend, "--client", "192.0.2.0/24"],
        &["--frontend", &frontend, "--state", "open"],
    ] {
        let ran = run(&world, &[&["get", "flows", "-o", "json"], filter].concat())?;
        let is_none = ran.out.contains("\"items\": []") || ran.err.contains("nothing found");
        ensure!(is_none, "{filter:?}: {ran:?}");
    }
    world.remove(&svc)
}

#[test]
fn only_flows_that_pass_the_filters_are_flushed() -> Result<()> {
    let world = world()?;
    let (one, two) = (Svc::new("flushed", 61), Svc::new("kept", 62));
    world.put(&one, &[Ep::of(world.a(1))])?;
    world.put(&two, &[Ep::of(world.a(1))])?;
    let open = || -> Result<()> {
        for svc in [&one, &two] {
            let to = svc.node_port(world.node_address(false));
            let _answer = world.scene.client.run(|| ask(Proto::Udp, to))?;
        }
        Ok(())
    };
    let backend = format!("{}:8080", world.a(1).addresses()[0]);
    for filter in [
        &["--service", "default/flushed"][..],
        &[
            "--service",
            "default/flushed",
            "--proto",
            "udp",
            "--backend",
            &backend,
        ],
    ] {
        open()?;
        ensure!(flows_to(&world, "flushed")? > 0 && flows_to(&world, "kept")? > 0);
        let args: Vec<&str> = ["flows", "flush"].iter().chain(filter).copied().collect();
        let said = run(&world, &args)?.ok()?.out;
        ensure!(
            said.ends_with(" flows flushed\n") && !said.starts_with("0 "),
            "{said}"
        );
        ensure!(flows_to(&world, "flushed")? == 0 && flows_to(&world, "kept")? > 0);
    }
    let client = world.client_address(false).to_string();
    let _said = run(&world, &["flows", "flush", "--client", &client])?.ok()?;
    ensure!(flows_to(&world, "kept")? == 0);
    open()?;
    let _said = run(&world, &["flows", "flush"])?.ok()?;
    ensure!(flows_to(&world, "flushed")? == 0 && flows_to(&world, "kept")? == 0);
    let none = run(&world, &["flows", "flush", "--client", "192.0.2.77"])?
        .ok()?
        .out;
    ensure!(none == "0 flows flushed\n", "{none}");
    run(&world, &["flows", "flush", "--service", "default/nosuch"])?
        .fails(1, "no Service default/nosuch is served here")?;
    let idle = run(&world, &["flows", "flush", "--service", "default/kept"])?.ok()?;
    ensure!(idle.out == "0 flows flushed\n", "{}", idle.out);
    world.remove(&one)?;
    world.remove(&two)
}

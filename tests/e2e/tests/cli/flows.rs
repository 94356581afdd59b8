//! `flows flush`: clients choose anew.

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Ep, Proto, Svc, World, ask};

use crate::{ran::run, world};

fn flows_to(world: &World, service: &str) -> Result<usize> {
    let list = run(world, &["get", "flows", "--limit", "100000", "-o", "json"])?.ok()?.json()?;
    let rows = list["items"].as_array().context("no items")?;
    Ok(rows.iter().filter(|row| row["service"] == service).count())
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
        &["--service", "default/flushed", "--proto", "udp", "--backend", &backend],
    ] {
        open()?;
        ensure!(flows_to(&world, "flushed")? > 0 && flows_to(&world, "kept")? > 0);
        let args: Vec<&str> = ["flows", "flush"].iter().chain(filter).copied().collect();
        let said = run(&world, &args)?.ok()?.out;
        ensure!(said.ends_with(" flows flushed\n") && !said.starts_with("0 "), "{said}");
        ensure!(flows_to(&world, "flushed")? == 0 && flows_to(&world, "kept")? > 0);
    }
    let client = world.client_address(false).to_string();
    let _said = run(&world, &["flows", "flush", "--client", &client])?.ok()?;
    ensure!(flows_to(&world, "kept")? == 0);
    open()?;
    let _said = run(&world, &["flows", "flush", "--all"])?.ok()?;
    ensure!(flows_to(&world, "flushed")? == 0 && flows_to(&world, "kept")? == 0);
    let none = run(&world, &["flows", "flush", "--client", "192.0.2.77"])?.ok()?.out;
    ensure!(none == "0 flows flushed\n", "{none}");
    world.remove(&one)?;
    world.remove(&two)
}

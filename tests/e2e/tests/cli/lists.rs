//! `get`: formats, and which rows show.

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Ep, Svc};

use crate::{ran::run, world};

#[test]
fn every_list_shows_in_every_format() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("formats", 21);
    world.put(&svc, &[Ep::of(world.a(1))])?;
    for what in [
        "services",
        "endpoints",
        "frontends",
        "backends",
        "flows",
        "devices",
    ] {
        let list = run(&world, &["get", what, "-o", "json"])?.ok()?.json()?;
        let rows = list["items"].as_array().context("no items")?.len();
        for format in ["table", "wide"] {
            let text = run(&world, &["get", what, "-o", format])?.ok()?.out;
            // Headings and rows, or one line that says that there are none.
            let lines = text.lines().count();
            // Others write meanwhile: devices and flows come and go.
            ensure!(
                lines == rows + 1 || what == "flows",
                "{what}: {rows} rows\n{text}"
            );
        }
        let yaml = run(&world, &["get", what, "-o", "yaml"])?.ok()?.out;
        ensure!(yaml.starts_with("items:"), "{yaml}");
    }
    world.remove(&svc)
}

#[test]
fn names_namespaces_and_aliases_choose_rows() -> Result<()> {
    let world = world()?;
    let (one, two) = (Svc::new("chosen", 22), Svc::new("other", 23));
    world.put(&one, &[Ep::of(world.a(1))])?;
    world.put(&two, &[])?;
    let names = |args: &[&str]| -> Result<Vec<String>> {
        let args: Vec<&str> = args.iter().copied().chain(["-o", "json"]).collect();
        let list = run(&world, &args)?.ok()?.json()?;
        let rows = list["items"].as_array().context("no items")?;
        let mut names: Vec<String> = rows
            .iter()
            .filter_map(|row| row["name"].as_str().or(row["service"].as_str()))
            .map(str::to_owned)
            .collect();
        names.sort();
        names.dedup();
        Ok(names)
    };
    for args in [
        &["get", "services", "chosen"][..],
        &["get", "svc", "default/chosen"],
        &["get", "service", "chosen", "-n", "default"],
        &["get", "endpoints", "chosen"],
        &["get", "ep", "default/chosen", "-A"],
        &["get", "frontends", "10.96.0.22"],
    ] {
        // The clusterIP's own entry has no Service.
        let found: Vec<String> = names(args)?
            .into_iter()
            .filter(|it| !it.is_empty())
            .collect();
        ensure!(found == ["chosen"], "{args:?}: {found:?}");
    }
    let both = names(&["get", "services", "chosen", "other"])?;
    ensure!(both == ["chosen", "other"], "{both:?}");
    let none = names(&["get", "services", "-n", "nosuch"])?;
    ensure!(none.is_empty(), "{none:?}");
    run(&world, &["get", "services", "chosen", "-n", "nosuch"])?
        .fails(1, "nosuch/chosen: nothing found")?;
    // What is there is shown all the same.
    let some = run(&world, &["get", "services", "chosen", "missing"])?;
    ensure!(some.out.contains(" chosen "), "{}", some.out);
    some.fails(1, "missing: nothing found")?;
    run(&world, &["get", "devices", "eth0", "-o", "json"])?.ok()?;
    world.remove(&one)?;
    world.remove(&two)
}

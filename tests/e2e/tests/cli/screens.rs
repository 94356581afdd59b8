//! What shows on a terminal: nothing wraps, and colours are for those who want them.

use anyhow::{Result, ensure};
use tidegate_e2e::{Ep, Svc, World, on_terminal, plain};

use crate::{ran::run, world};

fn shown(world: &World, args: &[&str], columns: u16) -> Result<String> {
    on_terminal(world.spec.cli(args.iter().copied()), columns)
}

#[test]
fn no_line_is_wider_than_the_terminal() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("a-name-that-is-as-long-as-names-of-services-may-be", 24).with_vip();
    world.put(&svc, &[Ep::of(world.a(1)), Ep::of(world.b(1)).unready()])?;
    let name = format!("default/{}", svc.name);
    for columns in [80_u16, 120, 200] {
        for args in [
            &["get", "services"][..],
            &["get", "endpoints"],
            &["get", "frontends"],
            &["get", "backends"],
            &["get", "devices"],
            &["status"],
            &["describe", "service", &name],
        ] {
            let text = plain(&shown(&world, args, columns)?);
            for line in text.lines() {
                // A path that is longer than the terminal is left whole, for who copies it.
                let has_room = line.chars().count() <= usize::from(columns);
                ensure!(
                    has_room || line.contains("/manifests/"),
                    "{args:?} at {columns}: {line}"
                );
            }
        }
    }
    // What does not show at 80 columns shows at 200.
    let [narrow, broad] = [80, 200].map(|columns| shown(&world, &["get", "services"], columns));
    ensure!(!narrow?.contains(&svc.name) && broad?.contains(&svc.name));
    // Who asks for everything gets it.
    let wide = plain(&shown(&world, &["get", "services", "-o", "wide"], 80)?);
    ensure!(
        wide.contains(&svc.name) && wide.contains("SOURCE"),
        "{wide}"
    );
    world.remove(&svc)
}

#[test]
fn colours_are_for_terminals_only_unless_somebody_says_otherwise() -> Result<()> {
    let world = world()?;
    let has_colours = |text: &str| text.contains('\u{1b}');
    ensure!(has_colours(&shown(&world, &["get", "devices"], 80)?));
    ensure!(!has_colours(&shown(
        &world,
        &["get", "devices", "--color", "never"],
        80
    )?));
    let mut command = world.spec.cli(["get", "devices"]);
    command.env("NO_COLOR", "1");
    ensure!(!has_colours(&on_terminal(command, 80)?));
    ensure!(!has_colours(&run(&world, &["get", "devices"])?.ok()?.out));
    ensure!(has_colours(
        &run(&world, &["get", "devices", "--color", "always"])?
            .ok()?
            .out
    ));
    ensure!(!has_colours(&shown(
        &world,
        &["get", "devices", "-o", "json"],
        80
    )?));
    Ok(())
}

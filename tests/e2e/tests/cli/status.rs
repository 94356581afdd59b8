//! `status`: what is where, and what is wrong.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::{ran::run, world};

#[test]
fn the_status_names_sources_and_how_long_the_last_sync_took() -> Result<()> {
    let world = world()?;
    world.settle()?;
    let status = run(&world, &["status", "-o", "json"])?.ok()?.json()?;
    let sources = status["sources"].as_array().context("no sources")?;
    let manifests = json!({ "name": "manifests", "read": true, "unreadable": 0 });
    ensure!(sources.contains(&manifests), "{sources:?}");
    ensure!(
        status["lastSyncMilliseconds"].as_f64() > Some(0.0),
        "{}",
        status["lastSyncMilliseconds"]
    );
    let text = run(&world, &["status"])?.ok()?.out;
    for word in [
        "Node:",
        "nodea",
        "Last sync:",
        ", took ",
        "Sources:",
        "manifests (read)",
        "Devices",
        "eth0",
        "virtual device",
        "Maps",
        "frontends4",
        "CAPACITY",
        "Problems",
    ] {
        ensure!(text.contains(word), "no {word}: {text}");
    }
    let yaml = run(&world, &["status", "-o", "yaml"])?.ok()?.out;
    ensure!(yaml.contains("lastSyncMilliseconds:"), "{yaml}");
    Ok(())
}

#[test]
fn what_cannot_be_read_is_a_problem_with_its_place() -> Result<()> {
    let world = world()?;
    world.spec.manifests.put_text("broken.yaml", "kind: [\n")?;
    tidegate_e2e::soon(|| {
        let text = run(&world, &["status"])?.ok()?.out;
        let has = text
            .lines()
            .any(|line| line.starts_with("  - ") && line.contains("broken.yaml: document 1"));
        ensure!(has, "{text}");
        Ok(())
    })?;
    world.spec.manifests.remove("broken.yaml")?;
    world.settle()
}

//! The agent is away: each command says so in the specification's way.

use anyhow::{Result, ensure};
use serde_json::json;
use tidegate_e2e::World;

use crate::{
    plugin::{config, run, run_with},
    pod::Pod,
};

#[test]
fn without_an_agent_add_is_to_be_tried_again_and_del_succeeds() -> Result<()> {
    let mut world = World::builder().pods(1, 1).no_agent().build()?;
    let pod = Pod::routed(&mut world, 91)?;
    let config = config(&world, "1.1.0")?;
    let away = |ran: crate::plugin::Ran, code: u32| -> Result<()> {
        ensure!(ran.stderr.lines().count() == 1, "{ran:?}");
        ran.failed(code, "no agent at ")
    };
    away(run(&world, "ADD", &pod)?, 11)?;
    away(run(&world, "CHECK", &pod)?, 11)?;
    away(run_with(&world, "STATUS", None, &config)?, 50)?;
    let mut gc = config.clone();
    gc["cni.dev/valid-attachments"] = json!([]);
    away(run_with(&world, "GC", None, &gc)?, 11)?;
    let ran = run(&world, "DEL", &pod)?;
    ensure!(ran.stderr.contains("no agent at "), "{ran:?}");
    ran.ok()?;
    run_with(&world, "VERSION", None, &config)?.ok()?;
    world.replace_agent()?;
    run_with(&world, "STATUS", None, &config)?.ok()?;
    run(&world, "ADD", &pod)?.ok()?;
    run(&world, "DEL", &pod)?.ok().map(|_nothing| ())
}

//! What else may happen while clients open connections all the time: tables that grow and shrink, and an
//! agent that dies and is replaced.

use std::time::Duration;

use anyhow::{Result, ensure};
use tidegate_e2e::{Ep, Shared, Svc, World};

use crate::load::Load;

/// Twenty pods, all of them serving all the time.
static WORLD: Shared = Shared::new(|| World::builder().pods(10, 10).build());

const RATE: u32 = 400;

fn first(world: &World, count: usize) -> Vec<Ep> {
    Ep::all(world.scene.pods().take(count))
}

#[test]
fn rule_5_1_12_a_table_that_grows_and_shrinks_all_the_time_fails_no_request() -> Result<()> {
    let world = WORLD.borrow()?;
    let svc = Svc::new("flapping", 1);
    world.put(&svc, &first(&world, 20))?;
    let load = Load::start(&world, &svc, RATE)?;
    for _ in 0..15 {
        for count in [1, 20, 3, 17] {
            // Twenty times a second, whether or not the agent has followed.
            world
                .spec
                .manifests
                .put(&svc.name, &svc.objects(&first(&world, count)))?;
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let (requests, seconds) = load.finish()?;
    ensure!(requests > 200, "only {requests} requests in {seconds:.1} s");
    Ok(())
}

#[test]
fn rule_5_1_8_and_5_1_9_an_agent_that_is_killed_and_replaced_fails_no_request() -> Result<()> {
    let mut world = WORLD.borrow()?;
    let svc = Svc::new("headless-for-a-moment", 2);
    world.put(&svc, &first(&world, 20))?;
    let load = Load::start(&world, &svc, RATE)?;
    for count in [3, 20] {
        load.some_more(50)?;
        world.kill_agent()?;
        load.some_more(50)?;
        // The next agent finds another list than the kernel has.
        world
            .spec
            .manifests
            .put(&svc.name, &svc.objects(&first(&world, count)))?;
        world.replace_agent()?;
        world.settle()?;
    }
    load.some_more(50)?;
    let (requests, seconds) = load.finish()?;
    ensure!(requests > 200, "only {requests} requests in {seconds:.1} s");
    Ok(())
}

//! Services that come and go, again and again, under connections: nothing is left of them.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Ep, Proto, Svc, World, ask};

use crate::{
    scaled,
    vitals::{Vitals, of_traffic},
};

/// Services that come in one turn and go in the next one.
const AT_A_TIME: u32 = 20;
/// Turns before anything is measured.
const WARM: u32 = 30;

#[test]
fn services_that_come_and_go_leave_no_map_descriptor_thread_or_memory_behind() -> Result<()> {
    let world = World::builder().build()?;
    let kept = Svc::new("kept", 1);
    world.put(&kept, &[Ep::of(world.a(1)), Ep::of(world.b(1))])?;
    let client = world.scene.client.clone();
    let to = kept.node_port(world.node_address(false));
    let turn = |nth: u32| -> Result<()> {
        let many: Vec<Svc> = (0..AT_A_TIME)
            .map(|it| Svc::new(&format!("passing-{nth}-{it}"), 100 + it as u8))
            .collect();
        let endpoints = if nth.is_multiple_of(2) {
            [Ep::of(world.a(2)), Ep::of(world.b(2))]
        } else {
            [Ep::of(world.a(3)), Ep::of(world.b(1))]
        };
        let objects: Vec<_> = many
            .iter()
            .flat_map(|svc| svc.objects(&endpoints))
            .collect();
        world.put_objects("passing", &objects)?;
        let one = many[0].node_port(world.node_address(false));
        let _answer = client
            .run(|| ask(Proto::Tcp, one))
            .context("a passing one")?;
        world.spec.manifests.remove("passing.json")?;
        world.settle()?;
        let _answer = client
            .run(|| ask(Proto::Tcp, to))
            .context("the one that stays")?;
        Ok(())
    };
    // What is allocated once is allocated by then, and the API remembers as many changes as it ever will.
    (0..WARM).try_for_each(turn)?;
    let before = Vitals::of(&world)?;
    let (turns, begun) = (scaled(20, 500), Instant::now());
    (WARM..WARM + turns).try_for_each(turn)?;
    let after = Vitals::of(&world)?;
    eprintln!(
        "{} Services came and went in {:?}\nbefore: {before:?}\nafter:  {after:?}",
        turns * AT_A_TIME,
        begun.elapsed()
    );
    let grown = after.resident_kib.saturating_sub(before.resident_kib);
    // An allocator keeps what it had once; a leak of a hundred bytes an object would be seen.
    let room = 4096 + u64::from(turns * AT_A_TIME);
    ensure!(grown < room, "{grown} KiB more than before");
    let same = Vitals {
        resident_kib: before.resident_kib,
        ..after.clone()
    };
    ensure!(same == before, "before: {before:?}\nafter: {after:?}");
    if scaled(0, 1) == 1 {
        flows_end(&world)?;
    }
    Ok(())
}

/// Closed connections rest for 60 ticks (rule 5.3.6), then the sweep has ten seconds.
fn flows_end(world: &World) -> Result<()> {
    let (most, begun) = (of_traffic(world)?, Instant::now());
    let is_patient = || begun.elapsed() < Duration::from_secs(180);
    let mut left = most;
    while left > 0 && is_patient() {
        thread::sleep(Duration::from_secs(1));
        left = of_traffic(world)?;
    }
    eprintln!(
        "{most} records of traffic, {left} {:?} later",
        begun.elapsed()
    );
    ensure!(most > 0 && left == 0, "{left} of {most} records are left");
    Ok(())
}

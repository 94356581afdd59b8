//! Frames of any bytes, as fast as they can be sent: the data path answers its clients meanwhile.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Ep, Proto, Svc, World, ask};
use tidegate_frames::{Frame, Rng, frame::tcp::SYN};
use tidegate_rig::{Wire, mac_of};

use crate::{scaled, vitals::Vitals};

/// Frames between two questions.
const BETWEEN: u32 = 5_000;

/// `TIDEGATE_SEED` repeats a run.
fn seed() -> Result<u64> {
    match std::env::var("TIDEGATE_SEED") {
        Ok(seed) => seed.parse().context("TIDEGATE_SEED"),
        Err(_) => Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64),
    }
}

#[test]
fn frames_of_any_bytes_harm_nobody() -> Result<()> {
    let world = World::builder().build()?;
    let svc = Svc::new("web", 1);
    world.put(&svc, &[Ep::of(world.a(1)), Ep::of(world.b(1))])?;
    let client = world.scene.client.clone();
    let to = svc.node_port(world.node_address(false));
    let wire = Wire::open(&client, "eth0")?;
    let macs = (mac_of(&client, "eth0")?, mac_of(&world.scene.a.ns, "eth0")?);
    let seed = seed()?;
    let mut rng = Rng::new(seed);
    let templates = [false, true].map(|v6| {
        let from = (world.client_address(v6), 45_000).into();
        let to = svc.node_port(world.node_address(v6));
        [
            Frame::tcp(from, to).flags(SYN).macs(macs.0, macs.1).build(),
            Frame::udp(from, to)
                .payload("noise")
                .macs(macs.0, macs.1)
                .build(),
        ]
    });
    let before = Vitals::of(&world)?;
    let (count, begun) = (scaled(60_000, 3_000_000), Instant::now());
    for nth in 0..count {
        let of_kind = &templates[rng.below(2)][rng.below(2)];
        let mut frame = of_kind.clone();
        // Anything behind the addresses of the link, in a few places or all over.
        for _ in 0..=rng.below(if nth % 3 == 0 { 40 } else { 3 }) {
            let at = 12 + rng.below(frame.len() - 12);
            frame[at] = rng.below(256) as u8;
        }
        frame.truncate(14 + rng.below(frame.len() - 13));
        // The kernel refuses some lengths.
        let _refused = wire.send(&frame);
        if nth % BETWEEN == 0 {
            let answer = client.run(|| ask(Proto::Tcp, to));
            let _answer = answer.with_context(|| format!("after {nth} frames of seed {seed}"))?;
        }
    }
    eprintln!("{count} frames in {:?}", begun.elapsed());
    let _answer = client.run(|| ask(Proto::Udp, to))?;
    let after = Vitals::of(&world)?;
    let held = |it: &Vitals| (it.descriptors, it.threads, it.kernel_objects);
    ensure!(held(&before) == held(&after), "{before:?}, then {after:?}");
    let problems = &world.spec.status()?["problems"];
    ensure!(problems.as_array().is_some_and(Vec::is_empty), "{problems}");
    Ok(())
}

//! `get --watch`: what is there, then every change.

use std::{
    io::{self, BufRead as _, BufReader},
    process::{Child, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tidegate_e2e::{Ep, Svc, World};

use crate::world;

/// Much longer than a change takes to be seen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Killed when dropped.
struct Watching {
    child: Child,
    lines: Receiver<io::Result<String>>,
}

impl Watching {
    fn start(world: &World, args: &[&str]) -> Result<Self> {
        let mut child = world
            .spec
            .cli(args.iter().copied())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().context("no stdout")?;
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            // Until the pipe ends, or the test has.
            for line in BufReader::new(out).lines() {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, lines })
    }

    fn next(&mut self) -> Result<String> {
        let line = self.lines.recv_timeout(PATIENCE);
        Ok(line.context("the watch has ended, or says nothing")??)
    }

    fn next_event(&mut self) -> Result<(String, Value)> {
        let event: Value = serde_json::from_str(&self.next()?)?;
        let kind = event["type"].as_str().context("no type")?.to_owned();
        Ok((kind, event["object"].clone()))
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_watch_in_json_is_one_event_a_line() -> Result<()> {
    let world = world()?;
    let svc = Svc::internal("watched", 51);
    world.put(&svc, &[Ep::of(world.a(1))])?;
    let mut watch = Watching::start(
        &world,
        &["get", "endpoints", "watched", "--watch", "-o", "json"],
    )?;
    // TCP and UDP in two families.
    for _ in 0..4 {
        let (kind, row) = watch.next_event()?;
        ensure!(kind == "ADDED" && row["ready"] == true, "{kind} {row}");
    }
    world.put(&svc, &[Ep::of(world.a(1)).unready()])?;
    for _ in 0..4 {
        let (kind, row) = watch.next_event()?;
        ensure!(kind == "MODIFIED" && row["ready"] == false, "{kind} {row}");
    }
    world.remove(&svc)?;
    for _ in 0..4 {
        let (kind, row) = watch.next_event()?;
        ensure!(
            kind == "DELETED" && row["service"] == "watched",
            "{kind} {row}"
        );
    }
    Ok(())
}

#[test]
fn a_watch_as_a_table_has_its_headings_once() -> Result<()> {
    let world = world()?;
    let svc = Svc::internal("tabled", 52);
    world.put(&svc, &[])?;
    let mut watch = Watching::start(&world, &["get", "services", "tabled", "-w"])?;
    ensure!(watch.next()?.starts_with("EVENT     NAMESPACE  NAME"));
    for _ in 0..4 {
        let line = watch.next()?;
        ensure!(line.starts_with("ADDED     default    tabled"), "{line}");
    }
    world.remove(&svc)?;
    let line = watch.next()?;
    ensure!(line.starts_with("DELETED   default    tabled"), "{line}");
    Ok(())
}

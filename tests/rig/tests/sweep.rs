//! What an interrupted run leaves is removed; what a living one uses stays.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tidegate_rig::{Pins, Scene, sweep};

const MAKE: &str = "TIDEGATE_RIG_MAKE_AND_WAIT";

/// Not a test on its own: with the variable set this is the run that is interrupted.
#[test]
fn helper_makes_a_scene_and_waits() {
    let Ok(told) = env::var(MAKE) else {
        return;
    };
    let mut scene = Scene::new().unwrap();
    let ns = scene.netns("lost").unwrap();
    let pins = Pins::new().unwrap();
    let mut sleeper = ns.command("sleep").arg("600").spawn().unwrap();
    let dir = scene.dir("x").unwrap();
    let lines = [ns.name(), pins.to_str().unwrap(), dir.to_str().unwrap()].join("\n");
    fs::write(format!("{told}.new"), format!("{lines}\n{}", sleeper.id())).unwrap();
    fs::rename(format!("{told}.new"), told).unwrap();
    sleeper.wait().unwrap();
}

#[test]
fn a_killed_run_is_swept_and_a_living_one_is_not() {
    let mut scene = Scene::new().unwrap();
    let mine = scene.netns("mine").unwrap();
    let my_pins = Pins::new().unwrap();
    let told = scene.dir("told").unwrap().join("told");

    let mut run = Command::new(env::current_exe().unwrap())
        .arg("helper_makes_a_scene_and_waits")
        .env(MAKE, &told)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_until(|| told.exists());
    let told = fs::read_to_string(&told).unwrap();
    let [name, pins, dir, sleeper]: [&str; 4] =
        told.lines().collect::<Vec<_>>().try_into().unwrap();
    let netns = Path::new("/run/netns").join(name);

    sweep();
    assert!(
        netns.exists() && Path::new(pins).exists(),
        "a living run was swept"
    );

    run.kill().unwrap();
    run.wait().unwrap();
    let swept = sweep();
    assert!(
        swept.namespaces >= 1 && swept.pins >= 1 && swept.processes >= 1,
        "{swept}"
    );
    for path in [netns.as_path(), Path::new(pins), Path::new(dir)] {
        assert!(!path.exists(), "{} is still there", path.display());
    }
    wait_until(|| !Path::new("/proc").join(sleeper).join("exe").exists());
    assert!(
        mine.path().exists() && my_pins.exists(),
        "the sweeping run swept itself"
    );
}

fn wait_until(done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < deadline, "not within 10 s");
        std::thread::sleep(Duration::from_millis(10));
    }
}

//! Crashes and disks that are full, as far as a process can see them.

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
};

use super::*;

#[tokio::test]
async fn what_was_answered_is_there_after_a_crash() {
    let mut world = World::new();
    for index in 0..5 {
        let name = format!("s{index}");
        world
            .write(
                What::Apply,
                vec![service(&name, &format!("10.96.0.{index}"))],
            )
            .await
            .unwrap();
        let before = world.objects.snapshot().1;
        world = world.restart();
        let strip = |items: Vec<Value>| -> Vec<Value> {
            let items = items.into_iter().map(|mut item| {
                item["metadata"]["resourceVersion"].take();
                item
            });
            items.collect()
        };
        assert_eq!(strip(world.objects.snapshot().1), strip(before));
        assert_eq!(world.held.files().count(), index + 1);
    }
}

#[tokio::test]
async fn of_two_services_of_one_age_the_first_stays_the_first_after_a_restart() {
    let mut world = World::new();
    let same = |name: &str| {
        let mut it = service(name, "10.96.0.1");
        it["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
        it
    };
    world
        .write(What::Apply, vec![same("z"), same("a")])
        .await
        .unwrap();
    let mut changed = same("z");
    changed["metadata"]["labels"] = json!({"x": "y"});
    world.write(What::Apply, vec![changed]).await.unwrap();
    let world = world.restart();
    let first = world.held.services_by_age()[0].object.key.name.clone();
    assert_eq!(first, "z");
}

/// A small file system of this thread's own; what is mounted in it nobody else sees.
fn small_disk(at: &Path) {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    mount(
        Some("tidegate-test"),
        at,
        Some("tmpfs"),
        MsFlags::empty(),
        Some("size=256k"),
    )
    .unwrap();
}

/// Blocking tasks must run on the thread that has the disk: this one.
fn on_a_small_disk(test: impl FnOnce(&Path) + Send + 'static) {
    let is_root = nix::unistd::geteuid().is_root();
    assert!(is_root, "this test mounts a file system: run it as root");
    let thread = std::thread::spawn(move || {
        let dir = tempfile::tempdir().unwrap();
        small_disk(dir.path());
        test(dir.path());
        umount2(dir.path(), MntFlags::MNT_DETACH).unwrap();
    });
    thread.join().unwrap();
}

#[test]
fn a_full_disk_refuses_a_change_and_changes_nothing_until_there_is_room_again() {
    on_a_small_disk(|dir| {
        let (out, mut batches) = mpsc::channel(64);
        let objects = Objects::open(dir, PORTS, out).unwrap();
        let small = order(What::Apply, vec![service("a", "10.96.0.1")]);
        drop(objects.commit(small).unwrap());
        let before = objects.snapshot();
        let ballast = dir.join("ballast");
        std::fs::write(&ballast, vec![0; 200 << 10]).unwrap();
        let mut large = service("b", "10.96.0.2");
        large["metadata"]["annotations"] = json!({"ballast": "x".repeat(100 << 10)});
        for what in [What::Apply, What::Snapshot] {
            let refusal = objects
                .commit(order(what, vec![large.clone()]))
                .unwrap_err();
            let Refusal::NoRoom(line) = refusal else {
                panic!("{refusal:?}")
            };
            assert!(line.starts_with("nothing is changed: no room"), "{line}");
            assert_eq!(objects.snapshot(), before);
        }
        assert!(batches.try_recv().is_ok());
        assert!(
            batches.try_recv().is_err(),
            "the loop heard of a refused change"
        );
        let again = Objects::open(dir, PORTS, mpsc::channel(1).0).unwrap();
        assert_eq!(
            again.snapshot().1.len(),
            1,
            "an agent that starts on a full disk"
        );
        std::fs::remove_file(ballast).unwrap();
        drop(objects.commit(order(What::Apply, vec![large])).unwrap());
        let again = Objects::open(dir, PORTS, mpsc::channel(1).0).unwrap();
        assert_eq!(again.snapshot().1.len(), 2);
    });
}

#[test]
fn a_read_only_disk_is_told_in_one_line_and_does_not_hinder_reading() {
    on_a_small_disk(|dir| {
        let objects = Objects::open(dir, PORTS, mpsc::channel(64).0).unwrap();
        drop(objects.commit(order(What::Apply, vec![service("a", "10.96.0.1")])));
        drop(objects);
        let none = None::<&str>;
        mount(
            none,
            dir,
            none,
            MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY,
            none,
        )
        .unwrap();
        let objects = Objects::open(dir, PORTS, mpsc::channel(64).0).unwrap();
        assert_eq!(objects.snapshot().1.len(), 1);
        let refusal = objects
            .commit(order(What::Apply, vec![service("b", "10.96.0.2")]))
            .unwrap_err();
        assert!(
            matches!(&refusal, Refusal::Disk(line) if line.contains("--state-dir writable")),
            "{refusal:?}"
        );
        assert_eq!(objects.snapshot().1.len(), 1);
    });
}

use std::sync::Arc;

use super::*;

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub(crate) struct FakeClock(Arc<Mutex<Moment>>);

impl FakeClock {
    /// The clock, and a proxy that lives by it.
    pub(crate) fn with_health() -> (Self, Arc<Health>) {
        let start = Moment {
            steady: Instant::now(),
            wall: "2026-11-21T07:00:00Z".parse().unwrap(),
        };
        let clock = Self(Arc::new(Mutex::new(start)));
        let own = clock.clone();
        let health = Health::with_clock(move || own.now());
        (clock, Arc::new(health))
    }

    fn now(&self) -> Moment {
        *self.0.lock().unwrap()
    }

    pub(crate) fn pass(&self, seconds: u64) {
        let passed = Duration::from_secs(seconds);
        let mut now = self.0.lock().unwrap();
        now.steady += passed;
        now.wall += passed;
    }
}

/// What the loop says after a sync.
pub(in crate::health) fn synced(health: &Health) {
    for family in FAMILIES {
        health.updated(family);
    }
}

#[test]
fn rule_3_10_3_an_update_that_waits_for_60_seconds_makes_the_proxy_unhealthy() {
    let (clock, health) = FakeClock::with_health();
    synced(&health);
    health.queued();
    clock.pass(59);
    assert!(health.report().healthy);
    // More news do not make the old ones younger.
    health.queued();
    clock.pass(1);
    assert!(!health.report().healthy);
    synced(&health);
    assert!(health.report().healthy);
}

#[test]
fn rule_3_10_3_without_news_the_proxy_is_healthy_for_ever() {
    let (clock, health) = FakeClock::with_health();
    synced(&health);
    clock.pass(1_000_000);
    assert!(health.report().healthy);
}

#[test]
fn rule_3_10_3_one_family_that_waits_is_enough() {
    for (done, late) in [(Family::V4, 1), (Family::V6, 0)] {
        let (clock, health) = FakeClock::with_health();
        health.queued();
        health.updated(done);
        clock.pass(60);
        let report = health.report();
        assert!(!report.healthy);
        assert!(!report.families[late].healthy && report.families[1 - late].healthy);
    }
}

#[test]
fn rule_3_10_3_a_loop_that_hangs_is_unhealthy_whatever_it_was_told() {
    let (clock, health) = FakeClock::with_health();
    synced(&health);
    health.turned();
    clock.pass(89);
    assert!(health.report().healthy);
    clock.pass(1);
    assert!(!health.report().healthy);
    health.turned();
    assert!(health.report().healthy);
}

#[test]
fn rule_3_10_5_before_the_first_sync_the_proxy_is_healthy_and_has_no_time() {
    let (clock, health) = FakeClock::with_health();
    clock.pass(1000);
    let report = health.report();
    assert!(report.healthy);
    assert_eq!(report.updated, None);
}

#[test]
fn rule_3_10_5_the_time_is_that_of_the_most_recent_sync_of_any_family() {
    let (clock, health) = FakeClock::with_health();
    health.updated(Family::V6);
    clock.pass(5);
    health.updated(Family::V4);
    let report = health.report();
    assert_eq!(report.updated, report.families[0].updated);
    assert!(report.families[0].updated > report.families[1].updated);
}

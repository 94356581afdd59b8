//! An agent that dies between any two changes of the kernel: what packets meet at that moment is consistent, and
//! the next start repairs it (rules 5.1.2, 5.1.9 and 5.1.12).

mod picture;
mod steps;

use super::*;
use picture::{Picture, consistent};
use steps::{STEPS, Step};

/// The kernel after an agent that made the first state, and died when it was told of the second one and had
/// made so many changes; `None`: it did not die any more.
fn crash(step: &Step, after: u32) -> Option<Fake> {
    let kernel = Fake::default();
    let mut first = agent(&kernel);
    first.take_batch(batch(step.before));
    first.converge().unwrap();
    kernel.state().fuel = Some(after);
    (step.also)(&mut first);
    first.take_batch(batch(step.after));
    let died = first.converge().is_err();
    kernel.state().fuel = None;
    died.then_some(kernel)
}

/// What an agent makes of the second state that finds an empty kernel.
fn fresh(step: &Step) -> Picture {
    let kernel = Fake::default();
    restart(&kernel, step).unwrap();
    Picture::of(&kernel)
}

fn restart(kernel: &Fake, step: &Step) -> Result<(), Error> {
    let mut next = agent(kernel);
    (step.also)(&mut next);
    next.take_batch(batch(step.after));
    next.converge()
}

#[test]
fn rule_5_1_12_packets_meet_a_consistent_kernel_after_every_single_change() {
    let mut points = 0;
    for step in &STEPS {
        for after in 0.. {
            let Some(kernel) = crash(step, after) else {
                assert!(after > 0, "{}: nothing was changed", step.name);
                break;
            };
            points += 1;
            consistent(&kernel, step).unwrap_or_else(|error| {
                panic!("{}: after {after} changes: {error}", step.name);
            });
        }
    }
    assert!(points > 100, "only {points} points");
}

#[test]
fn rule_5_1_9_the_next_start_repairs_what_a_crash_left_at_any_point() {
    for step in &STEPS {
        let expected = fresh(step);
        for after in 0.. {
            let Some(kernel) = crash(step, after) else {
                break;
            };
            restart(&kernel, step).unwrap();
            let found = Picture::of(&kernel);
            assert_eq!(found, expected, "{}: after {after} changes", step.name);
        }
    }
}

#[test]
fn an_agent_that_dies_while_it_repairs_leaves_nothing_that_the_third_one_cannot_repair() {
    for step in &STEPS {
        let expected = fresh(step);
        for after in (0..).step_by(7) {
            let Some(kernel) = crash(step, after) else {
                break;
            };
            // Each start gets a little further than the one before.
            for fuel in (0..).step_by(3) {
                kernel.state().fuel = Some(fuel);
                // Nobody is left who could tell: that the agent could not be made, or the maps not be written.
                let done = std::panic::catch_unwind(|| restart(&kernel, step));
                kernel.state().fuel = None;
                consistent(&kernel, step).unwrap_or_else(|error| {
                    panic!("{}: after {after} and {fuel} changes: {error}", step.name);
                });
                if matches!(done, Ok(Ok(()))) {
                    break;
                }
                assert!(fuel < 1000, "{}: never done", step.name);
            }
            assert_eq!(Picture::of(&kernel), expected, "{}", step.name);
        }
    }
}

#[test]
fn while_another_version_serves_no_program_is_attached_before_the_maps_are_complete() {
    let kernel = Fake::default();
    kernel.state().predecessor = Some(7);
    let mut next = agent(&kernel);
    next.converge().unwrap();
    assert!(kernel.state().attached.is_empty(), "attached too early");
    assert!(kernel.state().devices.len() == 2, "devices are known first");
    assert!(next.problems.all().is_empty(), "{:?}", next.problems.all());
    next.repair();
    assert!(kernel.state().attached.is_empty(), "attached by a repair");
    next.take_batch(batch(WEB));
    kernel.state().failures = 1;
    let error = next.converge().unwrap_err();
    next.start_over(&error);
    assert!(kernel.state().attached.is_empty(), "not all was written");
    assert!(kernel.state().predecessor.is_some());
    next.converge().unwrap();
    assert_eq!(kernel.state().attached.len(), 2);
    assert!(kernel.state().predecessor.is_none(), "it was left there");
}

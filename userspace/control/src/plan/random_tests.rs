//! Thousands of random changes, each write checked; and crashes between any two writes.

use super::{
    Image, Limits, Plan, Planner, Write,
    testing::{Change, Dice, Kernel, assert_holds, delta, desired4, port, random},
};
use crate::desired::{Desired, canonical};
use tidegate_abi::{BackendId, Frontend, Ip4, Pool, SourceRangeKey};

/// Small enough that slots and ids are given out again and again.
const TIGHT: Limits = Limits {
    frontends: 64,
    backends: 64,
    slots: 256,
    source_ranges: 64,
};

fn carry_out(kernel: &mut Kernel, planner: &mut Planner, from: &[&Desired], to: &Desired) {
    kernel.next_plan();
    let plan = planner.plan(to);
    walk(&plan, (kernel, planner), from, to);
}

/// Carries a plan out, and looks at the maps after each write.
fn walk(
    plan: &Plan,
    (kernel, planner): (&mut Kernel, &mut Planner),
    from: &[&Desired],
    to: &Desired,
) {
    assert_eq!(plan.problems, []);
    let mut change = Change::new(&[from, &[to]].concat());
    for write in &plan.writes {
        kernel.apply(write);
        change.is_listed |= !matches!(write, Write::Backend4(..) | Write::Backend6(..));
        kernel.check(&change, planner);
        kernel.read();
    }
    change.is_listed = true;
    kernel.check(&change, planner);
    assert_holds(&kernel.image, to, planner);
}

#[test]
fn rule_5_1_12_no_write_ever_shows_a_packet_what_is_in_neither_state() {
    let mut dice = Dice(0x7469_6465);
    for _ in 0..20 {
        let mut kernel = Kernel::default();
        let mut planner = Planner::adopt(Image::default(), TIGHT);
        let mut state = Desired::default();
        for _ in 0..30 {
            let next = random(&mut dice);
            carry_out(&mut kernel, &mut planner, &[&state], &next);
            state = next;
        }
    }
}

#[test]
fn rule_5_1_12_a_plan_for_the_change_alone_shows_a_packet_nothing_else_either() {
    let mut dice = Dice(0x6465_6c74);
    for _ in 0..20 {
        let mut kernel = Kernel::default();
        let mut planner = Planner::adopt(Image::default(), TIGHT);
        let mut state = random(&mut dice);
        carry_out(&mut kernel, &mut planner, &[], &state);
        for _ in 0..30 {
            let next = random(&mut dice);
            kernel.next_plan();
            let plan = planner.advance(&delta(&state, &next));
            walk(&plan, (&mut kernel, &mut planner), &[&state], &next);
            assert_eq!(
                planner.plan(&next).writes,
                [],
                "a plan for everything agrees"
            );
            kernel.next_plan();
            state = next;
        }
    }
}

#[test]
fn what_did_not_fit_into_full_maps_is_there_when_there_is_room_again() {
    let mut dice = Dice(0x6675_6c6c);
    let full = Limits {
        frontends: 12,
        backends: 16,
        slots: 24,
        source_ranges: 6,
    };
    let mut shortages = 0;
    for _ in 0..200 {
        let mut kernel = Kernel::default();
        let mut planner = Planner::adopt(Image::default(), full);
        let mut state = Desired::default();
        let _nothing = planner.plan(&state);
        let mut advance = |next: Desired| {
            let plan = planner.advance(&delta(&state, &next));
            shortages += plan.problems.len();
            kernel.next_plan();
            plan.writes.iter().for_each(|write| kernel.apply(write));
            state = next;
        };
        for _ in 0..10 {
            advance(random(&mut dice));
        }
        let small = desired4(vec![port("a", 1, &[1, 2, 3])]);
        for _ in 0..4 {
            advance(small.clone());
        }
        assert_holds(&kernel.image, &small, &planner);
    }
    assert!(shortages > 100, "{shortages}");
}

#[test]
fn rule_1_1_14_the_same_desired_state_again_writes_nothing() {
    let mut dice = Dice(0x6761_7465);
    let mut planner = Planner::adopt(Image::default(), TIGHT);
    for _ in 0..200 {
        let state = random(&mut dice);
        let _first = planner.plan(&state);
        assert_eq!(planner.plan(&state).writes, []);
        let mut adopted = Planner::adopt(planner.image().clone(), TIGHT);
        assert_eq!(
            adopted.plan(&state).writes,
            [],
            "a restart with nothing changed"
        );
    }
}

#[test]
fn a_crash_between_any_two_writes_is_repaired_by_adopting_what_is_there() {
    let mut dice = Dice(0x6372_6173);
    for _ in 0..10 {
        let (before, during, after) = (random(&mut dice), random(&mut dice), random(&mut dice));
        let mut start = Planner::adopt(Image::default(), TIGHT);
        let mut first = Kernel::default();
        carry_out(&mut first, &mut start, &[], &before);
        let broken_off = start.plan(&during).writes;
        for done in 0..=broken_off.len() {
            let mut kernel = Kernel::holding(first.image.clone());
            broken_off[..done]
                .iter()
                .for_each(|write| kernel.apply(write));
            kernel.restart();
            let mut planner = Planner::adopt(kernel.image.clone(), TIGHT);
            let target = if done % 2 == 0 { &during } else { &after };
            carry_out(&mut kernel, &mut planner, &[&before, &during], target);
            carry_out(&mut kernel, &mut planner, &[target], target);
            carry_out(&mut kernel, &mut planner, &[target], &before);
        }
    }
}

#[test]
fn maps_full_of_garbage_are_put_right() {
    let mut dice = Dice(0x6772_6221);
    for _ in 0..300 {
        let mut planner = Planner::adopt(Image::default(), TIGHT);
        let _before = planner.plan(&random(&mut dice));
        let mut image = planner.image().clone();
        spoil(&mut image, &mut dice);
        let mut kernel = Kernel::holding(image.clone());
        let mut planner = Planner::adopt(image, TIGHT);
        let after = random(&mut dice);
        let plan = planner.plan(&after);
        assert_eq!(plan.problems, []);
        plan.writes.iter().for_each(|write| kernel.apply(write));
        assert_holds(&kernel.image, &after, &planner);
        kernel.restart();
        carry_out(&mut kernel, &mut planner, &[&after], &random(&mut dice));
    }
}

fn spoil(image: &mut Image, dice: &mut Dice) {
    let any = |dice: &mut Dice| match dice.roll(4) {
        0 => u32::MAX - dice.roll(3) as u32,
        _ => dice.roll(20) as u32,
    };
    let mut keys: Vec<_> = image.v4.frontends.keys().copied().collect();
    keys.sort_unstable();
    for key in keys {
        if dice.roll(2) == 0 {
            let pool = |dice: &mut Dice| Pool {
                start: any(dice),
                len: any(dice),
            };
            let (cluster, local) = (pool(dice), pool(dice));
            let (service, flags, affinity_seconds) = (any(dice), any(dice), any(dice));
            let value = Frontend {
                service,
                flags,
                cluster,
                local,
                affinity_seconds,
            };
            image.v4.frontends.insert(key, value);
        }
    }
    for _ in 0..dice.roll(6) {
        let key = SourceRangeKey {
            prefix_len: dice.roll(65) as u32,
            service: any(dice),
            addr: Ip4::new([203, 0, 113, dice.roll(4) as u8]),
        };
        // A trie has one entry for a prefix, however the bits behind it are.
        let held = &mut image.v4.source_ranges;
        if held.iter().all(|it| canonical(*it) != canonical(key)) {
            held.insert(key);
        }
    }
    for slot in &mut image.slots {
        if dice.roll(4) == 0 {
            *slot = BackendId(any(dice));
        }
    }
    for index in 1..image.v4.backends.len() {
        if dice.roll(3) == 0 {
            let from = 1 + dice.index(image.v4.backends.len() - 1);
            image.v4.backends[index] = image.v4.backends[from];
        }
    }
}

//! The life of flows, in any order: segments of all kinds in both directions, time, backends that go and come
//! back, tables and Services that change, records that the map forgets, datagrams in pieces.
//!
//! A model of a few lines knows which flows must hold ([`model`]); everything else is compared with it:
//! no two living flows share a tuple at a backend (rule 3.2.2), replies carry the dialled address (3.2.6), UDP
//! goes to backends that serve only (5.2.1), TCP keeps its backend (5.1.1), and no old record captures a
//! flow that is not its own.

mod model;
mod pieces;
mod talk;
mod world;

use crate::input::Input;
use world::World;

/// So many things happen at most, to keep a run short.
const STEPS: usize = 60;

/// The first byte chooses family, transport and hooks; the others are what happens.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World::new(&mut input);
    for _ in 0..STEPS {
        if input.is_over() {
            return;
        }
        step(&mut world, &mut input);
        world.flows_that_must_hold_do();
    }
}

fn step(world: &mut World, input: &mut Input<'_>) {
    match input.below(20) {
        0 => world.wait(input.pick(&[1, 1, 2, 40, 61, 110, 121, 3_601, 7_000, 80_001])),
        1 => world.remove_backend(input.below(world::BACKENDS)),
        2 => world.add_backend(input.below(world::BACKENDS)),
        3 => world.change_table(input.below(world::FRONTENDS), input.byte()),
        4 => world.change_service(input.below(world::FRONTENDS)),
        5 => world.forget(input.byte()),
        6 | 7 => pieces::datagram(world, input),
        8..=10 => talk::backend(world, input),
        11 => talk::directly(world, input),
        _ => talk::client(world, input),
    }
}

//! Any frames, in any order, at any device of a node with every kind of Service.
//!
//! Whatever comes in: what is passed or dropped is not touched, what is translated or answered is what the
//! oracle of `tests/frames` makes of it, flow records come in pairs, a packet that was translated can be
//! answered, and nothing leaves for a service address.

mod check;
mod datagrams;
mod expected;
mod node;

use crate::input::Input;
use node::Node;

/// So many steps at most, to keep a run short.
const STEPS: usize = 24;

/// The first byte is the node's settings; the others are steps.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut node = Node::new(&mut input);
    for _ in 0..STEPS {
        if input.is_over() {
            return;
        }
        node.step(&mut input);
    }
}

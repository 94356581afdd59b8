//! Kubernetes objects to map contents: pure, no clock, no network.
//!
//! The way of an object, and the order of the modules:
//!
//! ```text
//! manifest -> validate -> store -> model -> desired -> plan
//! text        one object  sources  service  frontends  ordered
//!                                  ports               map writes
//! ```
//!
//! Between store and model, `allocate` fills in the numbers that manifests leave out.
//!
//! Every stage is a function from values to values and tells what it did not like as [`Problem`]s.
//! Nothing here reads a file, a clock or a map: the agent does that and carries the writes out.
#![forbid(unsafe_code)]

pub mod problem;
pub mod object;
pub mod manifest;
pub mod address;
pub mod validate;
pub mod store;
pub mod node;
pub mod allocate;
pub mod slices;
pub mod model;
pub mod desired;
pub mod compiler;
pub mod plan;
pub mod view;
pub mod health;

pub use compiler::Compiler;
pub use desired::{Delta, Desired};
pub use model::{Model, PortKey, ServicePort};
pub use node::NodeFacts;
pub use object::{Body, Kind, Object, ObjectKey};
pub use plan::{Image, Limits, Plan, Planner, Write};
pub use problem::{Problem, Severity};
pub use store::Store;

/// What a store means on a node: the service ports, what the maps should hold, and what is wrong.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Every service port that is programmed, oldest Service first.
    pub ports: Vec<ServicePort>,
    /// What the maps should hold.
    pub desired: Desired,
    /// Conflicts between objects; what is wrong with one object was told when it was stored.
    pub problems: Vec<Problem>,
}

/// From the stored objects to the desired maps, in one step: what [`Compiler`] must agree with, whatever came
/// to it in whichever order.
pub fn compile(store: &Store, node: &NodeFacts) -> Compiled {
    let Model {
        ports,
        mut problems,
    } = model::build(store, node);
    let (desired, clashes) = desired::build(&ports, node);
    problems.extend(clashes);
    Compiled {
        ports,
        desired,
        problems,
    }
}

#[cfg(test)]
mod tests;

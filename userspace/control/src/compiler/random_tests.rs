//! Any sequence of changes: what is remembered says the same as a compilation from nothing, and the maps hold it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Compiler, Tally, Update, testing::file};
use crate::{
    Compiled, NodeFacts, ObjectKey, Store, compile, health, manifest,
    node::zone_of,
    plan::{
        Image, Limits, Planner,
        testing::{Dice, Kernel, assert_holds},
    },
    problem::Problem,
};

#[derive(Clone, Debug)]
enum Step {
    /// A file is written anew.
    Write {
        file: u8,
        objects: usize,
        seed: u64,
    },
    Remove {
        file: u8,
    },
    /// Pods come to this node, or leave it.
    Pods {
        seed: u64,
    },
    /// The node has other addresses.
    Addresses {
        seed: u64,
    },
    /// The node has another name.
    Rename {
        seed: u64,
    },
    /// Services are looked at of which nobody said anything.
    Doubt,
    /// A write failed: the maps are read anew.
    StartOver,
}

fn step() -> impl Strategy<Value = Step> {
    let seed = 1..u64::MAX;
    prop_oneof![
        12 => (0..6_u8, 0..4_usize, seed.clone())
            .prop_map(|(file, objects, seed)| Step::Write { file, objects, seed }),
        2 => (0..6_u8).prop_map(|file| Step::Remove { file }),
        2 => seed.clone().prop_map(|seed| Step::Pods { seed }),
        1 => seed.clone().prop_map(|seed| Step::Addresses { seed }),
        1 => seed.prop_map(|seed| Step::Rename { seed }),
        1 => Just(Step::Doubt),
        1 => Just(Step::StartOver),
    ]
}

/// An agent, and the maps.
struct World {
    store: Store,
    node: NodeFacts,
    compiler: Compiler,
    planner: Planner,
    kernel: Kernel,
    is_planned: bool,
    /// As they were told, by Service.
    problems: BTreeMap<ObjectKey, Vec<Problem>>,
}

impl World {
    fn new() -> Self {
        let node = NodeFacts {
            name: "node-a".to_owned(),
            addresses: vec!["192.0.2.10".parse().unwrap()],
            ..NodeFacts::default()
        };
        Self {
            store: Store::new(node.node_port_range.clone()),
            node,
            compiler: Compiler::default(),
            planner: Planner::adopt(Image::default(), Limits::default()),
            kernel: Kernel::default(),
            is_planned: false,
            problems: BTreeMap::new(),
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Write {
                file: number,
                objects,
                seed,
            } => {
                let name = format!("{number}.yaml");
                let text = file(&mut Dice(*seed), *objects);
                let _problems = self
                    .store
                    .replace_file(&name, manifest::parse(&name, &text));
            }
            Step::Remove { file } => self.store.remove_file(&format!("{file}.yaml")),
            Step::Pods { seed } => {
                let mut dice = Dice(*seed);
                let some = (1..4).filter(|_| dice.roll(2) == 0);
                let some = some.map(|host| format!("10.0.0.{host}").parse().unwrap());
                self.node.local_pod_addresses = some.collect();
            }
            Step::Addresses { seed } => {
                let mut dice = Dice(*seed);
                let hosts = [10, 1 + dice.roll(3)];
                let all = hosts.map(|host| format!("192.0.2.{host}").parse().unwrap());
                self.node.addresses = all.to_vec();
                self.node.own_addresses = all.into_iter().collect();
            }
            Step::Rename { seed } => {
                let number = Dice(*seed).index(3);
                self.node.name = ["node-a", "node-b", ""][number].to_owned();
            }
            Step::Doubt => {
                let update = self.compiler.doubted(&self.store, 2);
                assert_eq!(update.delta, Default::default(), "a change was missed");
            }
            Step::StartOver => {
                let image = self.kernel.image.clone();
                self.planner = Planner::adopt(image, Limits::default());
                self.is_planned = false;
            }
        }
    }

    /// What the agent does after each change.
    fn converge(&mut self) {
        self.node.zone = zone_of(&self.store, &self.node.name);
        let changed = self.store.take_changed();
        let update = self.compiler.update(&self.store, &changed, &self.node);
        self.carry_out(&update);
        self.problems.extend(update.problems);
    }

    fn carry_out(&mut self, update: &Update) {
        self.kernel.next_plan();
        let plan = if std::mem::replace(&mut self.is_planned, true) {
            self.planner.advance(&update.delta)
        } else {
            self.planner.plan(&self.compiler.desired())
        };
        assert_eq!(plan.problems, []);
        plan.writes
            .iter()
            .for_each(|write| self.kernel.apply(write));
    }

    fn check(&self) {
        let Compiled {
            ports,
            desired,
            problems,
        } = compile(&self.store, &self.node);
        let known: Vec<_> = self.compiler.ports().cloned().collect();
        assert_eq!(known, ports);
        assert_eq!(self.compiler.desired(), desired);
        assert_eq!(lines(self.compiler.problems()), lines(&problems));
        assert_eq!(lines(self.problems.values().flatten()), lines(&problems));
        let checks: Vec<_> = self.compiler.checks().cloned().collect();
        assert_eq!(checks, health::checks(&ports));
        assert_eq!(*self.compiler.tally(), Tally::of(&ports, &self.node));
        for port in &ports {
            assert_eq!(self.compiler.port(&port.key), Some(port));
        }
        assert_holds(&self.kernel.image, &desired, &self.planner);
    }

    /// After that the planner knows everything, whatever it had forgotten.
    fn check_plans(&mut self) {
        let desired = self.compiler.desired();
        assert_eq!(
            self.planner.plan(&desired).writes,
            [],
            "a plan for everything"
        );
        // Who has lost all its frontends to others is a stranger after a restart.
        let ports4 = desired.v4.ports.iter().map(|port| port.frontends.len());
        let ports6 = desired.v6.ports.iter().map(|port| port.frontends.len());
        if ports4.chain(ports6).all(|count| count > 0) {
            let mut adopted = Planner::adopt(self.kernel.image.clone(), Limits::default());
            assert_eq!(adopted.plan(&desired).writes, [], "another agent");
        }
    }
}

fn lines<'a>(problems: impl IntoIterator<Item = &'a Problem>) -> Vec<String> {
    let mut lines: Vec<_> = problems.into_iter().map(Problem::to_string).collect();
    lines.sort_unstable();
    lines
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_any_changes_all_is_as_if_it_had_been_compiled_from_nothing(
        steps in prop::collection::vec(step(), 1..25),
    ) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            world.converge();
            world.check();
        }
        world.check_plans();
    }
}

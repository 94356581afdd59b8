//! A plan in the making: the writes of each step, and what did not fit.

use tidegate_abi::{Address, Family, maps};

use super::{Plan, Write};
use crate::{
    desired::DesiredPort,
    problem::{Problem, Severity},
};

#[derive(Default)]
pub(super) struct Draft {
    pub(super) backends: Vec<Write>,
    pub(super) slots: Vec<Write>,
    pub(super) admitted: Vec<Write>,
    pub(super) unguarded: Vec<Write>,
    pub(super) barred: Vec<Write>,
    pub(super) frontends: Vec<Write>,
    pub(super) removed: Vec<Write>,
    pub(super) retired: Vec<Write>,
    pub(super) problems: Vec<Problem>,
    /// A backend that stops serving is, or may be, a UDP one.
    pub(super) lost_udp: bool,
}

/// What there was no room for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shortage {
    Frontends,
    Backends,
    Slots,
    SourceRanges,
}

impl Draft {
    /// Tells what of a service port did not fit, and what becomes of it.
    pub(super) fn no_room<A: Address>(
        &mut self,
        port: &DesiredPort<A>,
        shortage: Shortage,
        state: &str,
    ) {
        let (what, map) = shortage.describe(A::FAMILY);
        let reason = format!(
            "no room for the {what} of {} in map {map}; {state}",
            port.key
        );
        let problem = Problem::at(&port.origin, Severity::Error, reason);
        self.problems.push(problem.object(port.key.object()));
    }

    pub(super) fn into_plan(self) -> Plan {
        let Self {
            backends,
            slots,
            admitted,
            unguarded,
            barred,
            frontends,
            removed,
            retired,
            problems,
            lost_udp,
        } = self;
        let steps = [
            backends, slots, admitted, unguarded, barred, frontends, removed, retired,
        ];
        let writes = steps.into_iter().flatten().collect();
        Plan {
            writes,
            problems,
            lost_udp,
            new_services: Vec::new(),
            gone_services: Vec::new(),
        }
    }
}

impl Shortage {
    fn describe(self, family: Family) -> (&'static str, &'static str) {
        let of_family = |[v4, v6]: [&'static str; 2]| match family {
            Family::V4 => v4,
            Family::V6 => v6,
        };
        match self {
            Self::Frontends => ("frontends", of_family(maps::FRONTENDS)),
            Self::Backends => ("backends", of_family(maps::BACKENDS)),
            Self::Slots => ("tables", maps::SLOTS),
            Self::SourceRanges => ("source ranges", of_family(maps::SOURCE_RANGES)),
        }
    }
}

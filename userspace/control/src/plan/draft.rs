//! A plan in the making: the writes of each step, and what did not fit.

use tidegate_abi::{Address, Family, FrontendKey, Proto, maps};

use super::{Plan, Write, write::Maps};
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
    /// A UDP frontend is taken away from a service port.
    pub(super) moved_udp: bool,
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

    pub(super) fn remove<A: Maps>(&mut self, frontends: Vec<FrontendKey<A>>) {
        self.moved_udp |= frontends.iter().any(|key| key.proto == Proto::UDP);
        self.removed.extend(frontends.into_iter().map(A::remove));
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
            moved_udp,
        } = self;
        let steps = [
            backends, slots, admitted, unguarded, barred, frontends, removed, retired,
        ];
        let writes = steps.into_iter().flatten().collect();
        Plan {
            writes,
            problems,
            lost_udp,
            moved_udp,
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

//! Which programs are measured, with which packets.

use tidegate_journeys::textbook::{POD, UPLINK};

use crate::driver::Hook;

/// Which packets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// Of flows that are recorded, from the client.
    Known,
    /// Of flows that are recorded, from the backend.
    Reply,
    /// The first one of each flow.
    New,
    /// To no Service.
    Stranger,
}

/// One line of the table.
pub(super) struct Case {
    pub(super) program: &'static str,
    pub(super) hook: Hook,
    pub(super) device: u32,
    pub(super) v6: bool,
    pub(super) tcp: bool,
    pub(super) kind: Kind,
    pub(super) flows: u32,
    pub(super) remote: bool,
    /// One of them is dialled.
    pub(super) services: u32,
}

/// Services of a large cluster.
const MANY: u32 = 50_000;

/// Numbers of flows.
pub(super) fn counts(quick: bool) -> &'static [u32] {
    if quick {
        &[1, 1 << 16]
    } else {
        &[1, 1 << 10, 1 << 16, 1 << 20]
    }
}

pub(super) fn cases(quick: bool) -> Vec<Case> {
    let counts = counts(quick);
    let mut cases = Vec::new();
    for v6 in [false, true] {
        for (program, hook, device, remote) in [
            ("xdp_uplink", Hook::Xdp, UPLINK, true),
            ("tc_uplink", Hook::Tc, UPLINK, false),
            ("tc_uplink", Hook::Tc, UPLINK, true),
            ("tc_pod", Hook::Tc, POD, false),
        ] {
            let case = |kind, tcp, flows| Case {
                program,
                hook,
                device,
                v6,
                tcp,
                kind,
                flows,
                remote,
                services: 1,
            };
            let among_many = |case: Case| Case {
                services: MANY,
                ..case
            };
            let kind = if program == "tc_pod" {
                Kind::Reply
            } else {
                Kind::Known
            };
            // Before the large ones, behind which records lie scattered in memory; with one Service by turns.
            cases.push(among_many(case(kind, true, 1 << 10)));
            for tcp in [true, false] {
                cases.extend(counts.iter().map(|flows| case(kind, tcp, *flows)));
            }
            if program != "tc_pod" {
                cases.push(case(Kind::New, false, 1 << 20));
                cases.push(among_many(case(Kind::New, false, 1 << 20)));
            }
            cases.push(case(Kind::Stranger, true, 1 << 16));
        }
    }
    cases
}

impl Case {
    pub(super) fn label(&self) -> Vec<String> {
        let kind = match self.kind {
            Kind::Known => "established",
            Kind::Reply => "reply",
            Kind::New => "new flow",
            Kind::Stranger => "no service",
        };
        let to = if self.remote { "remote" } else { "local" };
        let transport = if self.tcp { "TCP" } else { "UDP" };
        let family = if self.v6 { "IPv6" } else { "IPv4" };
        let mut label = [self.program, family, transport, kind, to]
            .map(str::to_owned)
            .to_vec();
        label.push(self.flows.to_string());
        if self.services > 1 {
            label.push(format!("{} services", self.services));
        }
        label
    }
}

//! Who asks whom, and how: every cell of the comparison.

use std::fmt;

use crate::cases::Case;

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Client {
    /// A pod of node A that is the endpoint itself.
    Itself,
    /// A pod of node A that is no endpoint.
    Pod,
    /// A process of node A.
    Node,
    /// A machine on the LAN.
    Outside,
    /// A pod of node B that is no endpoint.
    PodElsewhere,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum To {
    ClusterIp,
    /// Of node A.
    NodePort,
    ExternalIp,
    LoadBalancer,
    /// A port of the clusterIP that no Service has.
    OtherPort,
    /// An address of the service range that no Service has.
    Unowned,
    /// The NodePort's number at an address of node A where NodePorts do not answer.
    Excluded,
    /// The same at the loopback.
    Loopback,
}

/// A cell: one client, one address, one protocol.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Cell {
    pub(crate) service: String,
    pub(crate) client: Client,
    pub(crate) v6: bool,
    pub(crate) way: Way,
    pub(crate) to: To,
}

/// How it is asked.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Way {
    Tcp,
    /// An unconnected socket, which hears of whoever answers.
    Udp,
    /// A connected one.
    ConnectedUdp,
}

impl Client {
    const ALL: &[Self] = &[
        Self::Itself,
        Self::Pod,
        Self::Node,
        Self::Outside,
        Self::PodElsewhere,
    ];
}

impl Way {
    const GROUPS: [&[Self]; 2] = [&[Self::Tcp], &[Self::Udp, Self::ConnectedUdp]];
}

impl To {
    /// The frontends of a Service.
    const SERVED: &[Self] = &[
        Self::ClusterIp,
        Self::NodePort,
        Self::ExternalIp,
        Self::LoadBalancer,
    ];
    /// What is none.
    const STRAY: &[Self] = &[
        Self::OtherPort,
        Self::Unowned,
        Self::Excluded,
        Self::Loopback,
    ];
}

/// All cells; those that share affinity records, or might, are together and asked one after the other.
pub(crate) fn cells(cases: &[Case]) -> Vec<Vec<Cell>> {
    let mut groups = Vec::new();
    for case in cases {
        for &client in Client::ALL {
            for v6 in [false, true] {
                for ways in Way::GROUPS {
                    groups.push(group(case, client, v6, ways));
                }
            }
        }
    }
    groups
}

fn group(case: &Case, client: Client, v6: bool, ways: &[Way]) -> Vec<Cell> {
    let stray = if case.asks_strays() { To::STRAY } else { &[] };
    let targets = To::SERVED.iter().chain(stray);
    let targets = targets.filter(|&&to| to != To::Loopback || client == Client::Node);
    let cell = |(&way, &to): (&Way, &To)| Cell {
        service: case.svc.name.clone(),
        client,
        v6,
        way,
        to,
    };
    targets
        .flat_map(|to| ways.iter().map(move |way| (way, to)))
        .map(cell)
        .collect()
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            service,
            client,
            v6,
            way,
            to,
        } = self;
        let family = if *v6 { "IPv6" } else { "IPv4" };
        write!(f, "{service}: {client:?} to {to:?}, {family} {way:?}")
    }
}

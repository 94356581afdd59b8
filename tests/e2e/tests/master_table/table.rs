//! The table, as one reads it in the specification.

use tidegate_e2e::{Proto, Svc};

/// Who asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    /// A pod of this node that is no endpoint.
    Pod,
    /// A process of this node.
    Node,
    /// A machine on the LAN.
    OffCluster,
}

/// What is dialled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum To {
    ClusterIp,
    NodePort,
    Loopback,
    LoadBalancer,
    ExternalIp,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Column {
    BothCluster,
    ExternalLocal,
    InternalLocal,
    BothLocal,
    /// Policy as [`Self::ExternalLocal`].
    NoDetector,
    /// Policy as [`Self::BothCluster`].
    MasqueradeAll,
}

pub(crate) struct Row {
    pub(crate) id: &'static str,
    pub(crate) source: Source,
    pub(crate) to: &'static [To],
    cells: [&'static str; 6],
}

use Source::{Node, OffCluster, Pod};
use To::{ClusterIp, ExternalIp, LoadBalancer, Loopback, NodePort};

const VIPS: &[To] = &[LoadBalancer, ExternalIp];
const KEPT: &str = "both –";
const NODE: &str = "both M";
const MIXED: &str = "local –, remote M";
const HERE: &str = "local –";
const HERE_M: &str = "local M";

#[rustfmt::skip]
pub(crate) const TABLE: &[Row] = &[
    //                                            Cluster/Cluster ETP=Local ITP=Local both Local no detector masqueradeAll
    row("3.1.1",  Pod,        &[ClusterIp],       [KEPT,          KEPT,     HERE,     HERE,      MIXED,      NODE]),
    row("3.1.2",  Node,       &[ClusterIp],       [NODE,          NODE,     HERE_M,   HERE_M,    NODE,       NODE]),
    row("3.1.3",  OffCluster, &[ClusterIp],       [MIXED,         MIXED,    HERE,     HERE,      MIXED,      NODE]),
    row("3.1.4",  Pod,        &[NodePort],        [MIXED,         KEPT,     MIXED,    KEPT,      HERE,       MIXED]),
    row("3.1.5",  Pod,        VIPS,               [MIXED,         KEPT,     MIXED,    KEPT,      HERE,       MIXED]),
    row("3.1.6",  Node,       &[NodePort],        [NODE,          NODE,     NODE,     NODE,      NODE,       NODE]),
    row("3.1.7",  Node,       &[Loopback],        [NODE,          NODE,     NODE,     NODE,      NODE,       NODE]),
    row("3.1.8",  Node,       VIPS,               [NODE,          NODE,     NODE,     NODE,      NODE,       NODE]),
    row("3.1.9",  OffCluster, &[NodePort],        [MIXED,         HERE,     MIXED,    HERE,      HERE,       MIXED]),
    row("3.1.10", OffCluster, VIPS,               [MIXED,         HERE,     MIXED,    HERE,      HERE,       MIXED]),
];

const fn row(id: &'static str, source: Source, to: &'static [To], cells: [&'static str; 6]) -> Row {
    Row {
        id,
        source,
        to,
        cells,
    }
}

impl Row {
    pub(crate) fn expected(&self, column: Column) -> &'static str {
        self.cells[column as usize]
    }

    /// What each cell is run with.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = (To, bool, Proto)> {
        let both = |to| [false, true].map(|v6| (to, v6));
        let protos = |(to, v6)| [Proto::Tcp, Proto::Udp].map(|proto| (to, v6, proto));
        self.to.iter().copied().flat_map(both).flat_map(protos)
    }
}

impl Column {
    pub(crate) const ALL: [Self; 6] = [
        Self::BothCluster,
        Self::ExternalLocal,
        Self::InternalLocal,
        Self::BothLocal,
        Self::NoDetector,
        Self::MasqueradeAll,
    ];
    /// Those that differ in their Service.
    pub(crate) const POLICIES: [Self; 4] = [
        Self::BothCluster,
        Self::ExternalLocal,
        Self::InternalLocal,
        Self::BothLocal,
    ];

    pub(crate) fn name(self) -> &'static str {
        [
            "Cluster/Cluster",
            "ETP=Local",
            "ITP=Local",
            "both Local",
            "no detector",
            "masqueradeAll",
        ][self as usize]
    }

    pub(crate) fn service(self) -> Svc {
        let (name, number, internal, external) = match self {
            Self::BothCluster | Self::MasqueradeAll => ("cluster", 1, "Cluster", "Cluster"),
            Self::ExternalLocal | Self::NoDetector => ("external-local", 2, "Cluster", "Local"),
            Self::InternalLocal => ("internal-local", 3, "Local", "Cluster"),
            Self::BothLocal => ("both-local", 4, "Local", "Local"),
        };
        Svc::new(name, number)
            .with_vip()
            .with_external_ip()
            .internal_policy(internal)
            .external_policy(external)
    }
}

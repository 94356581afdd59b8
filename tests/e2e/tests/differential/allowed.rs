//! The differences that are meant, each with the decision of the design or the limit that it comes from.
//!
//! A row covers every combination of what it lists, and each of these cells must differ in just this
//! way: a row whose difference is gone fails, and so does one that covers nothing.

use crate::matrix::{Cell, Client, To, Way};

use Client::{Node, Outside, Pod, PodElsewhere};
use To::{ClusterIp, ExternalIp, LoadBalancer, Loopback, NodePort, OtherPort, Unowned};
use Way::{ConnectedUdp, Tcp, Udp};

/// A difference between kube-proxy and tidegate.
pub(crate) struct Allowed {
    pub(crate) why: &'static str,
    clients: &'static [Client],
    to: &'static [To],
    ways: &'static [Way],
    services: &'static [&'static str],
    /// Where chance decides, all that may be seen.
    pub(crate) kube_proxy: &'static [&'static str],
    pub(crate) tidegate: &'static str,
}

impl Allowed {
    pub(crate) fn covers(&self, cell: &Cell) -> bool {
        self.services.contains(&cell.service.as_str())
            && self.clients.contains(&cell.client)
            && self.to.contains(&cell.to)
            && self.ways.contains(&cell.way)
    }

    pub(crate) fn is(&self, kube_proxy: &str, tidegate: &str) -> bool {
        self.kube_proxy.contains(&kube_proxy) && self.tidegate == tidegate
    }
}

const KEEPS: &str = "decision 2: who dials keeps its address when the backend is on this node";
const GUARDED: &str = "decision 4: clusterIPs are not served to the uplink by default";
const LOOPBACK: &str = "decision 7: NodePorts on the loopback, through the socket hook";
const LOCAL: &str = "decision 11: a pod's packet to another node's NodePort meets local endpoints \
                     only (kube-proxy's answer comes from the pod's own address, if at all)";
const ANSWERED: &str = "decision 3: a pod that is known by its address is not bound by policy Local either; \
                        here it is answered, since a remote backend sees the node";
const ERRNO: &str = "docs/limits.md, Clients and backends: what a process of the node is told";

const EVERY: &[Way] = &[Tcp, Udp, ConnectedUdp];
const DATAGRAMS: &[Way] = &[Udp, ConnectedUdp];
/// Sockets that take an answer from the address that they dialled only.
const STRICT: &[Way] = &[Tcp, ConnectedUdp];
/// Policy Cluster outside, with an endpoint on each node.
const SPREAD: &[&str] = &[
    "plain",
    "internal-local",
    "ranges-client",
    "ranges-node-pods",
    "proxy-mode",
];
/// Nobody serves them.
const EMPTY: &[&str] = &["nobody", "nobody-local", "unready"];
/// Policy Local outside; whoever may serve is on the other node.
const FAR: &[&str] = &[
    "fallback",
    "remote-local",
    "remote-external-local",
    "ranges-remote-local",
];
const NO_RANGES: &[&str] = &["plain", "internal-local"];

/// With default flags.
#[rustfmt::skip]
pub(crate) const DEFAULT: &[Allowed] = &[
    row(KEEPS, &[Pod, Outside, PodElsewhere], &[NodePort], EVERY, SPREAD,
        &["poda1 sees nodea, podb1 sees nodea"], "poda1 sees client, podb1 sees nodea"),
    row(KEEPS, &[Pod, Outside], &[ExternalIp], EVERY, SPREAD,
        &["poda1 sees nodea, podb1 sees nodea"], "poda1 sees client, podb1 sees nodea"),
    row(KEEPS, &[Pod, Outside], &[LoadBalancer], EVERY, NO_RANGES,
        &["poda1 sees nodea, podb1 sees nodea"], "poda1 sees client, podb1 sees nodea"),
    row(KEEPS, &[Pod], &[LoadBalancer], EVERY, &["ranges-node-pods"],
        &["poda1 sees nodea, podb1 sees nodea"], "poda1 sees client, podb1 sees nodea"),
    row(KEEPS, &[Outside], &[LoadBalancer], EVERY, &["ranges-client"],
        &["poda1 sees nodea, podb1 sees nodea"], "poda1 sees client, podb1 sees nodea"),
    row(KEEPS, &[PodElsewhere], &[ExternalIp], EVERY, SPREAD,
        &["poda1 sees nodeb, podb1 sees nodeb"], "poda1 sees nodeb, podb1 sees client"),
    row(KEEPS, &[PodElsewhere], &[LoadBalancer], EVERY, NO_RANGES,
        &["poda1 sees nodeb, podb1 sees nodeb"], "poda1 sees nodeb, podb1 sees client"),
    row(KEEPS, &[PodElsewhere], &[ExternalIp, LoadBalancer], EVERY, &["remote", "remote-internal-local"],
        &["podb1 sees nodeb"], "podb1 sees client"),

    row(GUARDED, &[Outside], &[ClusterIp], EVERY, &["external-local"],
        &["poda1 sees nodea, podb1 sees nodea"], "silent"),
    row(GUARDED, &[Outside], &[ClusterIp], EVERY, &["plain", "ranges-client", "ranges-node-pods", "proxy-mode"],
        &["poda1 sees nodea, podb1 sees nodea"], "silent"),
    row(GUARDED, &[Outside], &[ClusterIp], EVERY, &["internal-local", "both-local", "terminating"],
        &["poda1 sees nodea"], "silent"),
    row(GUARDED, &[Outside], &[ClusterIp], EVERY, &["remote", "remote-external-local", "fallback"],
        &["podb1 sees nodea"], "silent"),
    row(GUARDED, &[Outside], &[ClusterIp], EVERY, &["hosts"],
        &["nodea sees client, nodeb sees nodea"], "silent"),
    row(GUARDED, &[Outside], &[ClusterIp], EVERY, &["hosts-local"], &["nodea sees client"], "silent"),
    row(GUARDED, &[Outside], &[ClusterIp], EVERY, &["sticky", "sticky-local"], &["1 of the pods"], "silent"),
    row(GUARDED, &[Outside], &[ClusterIp], EVERY, EMPTY, &["refused"], "silent"),
    row(GUARDED, &[Outside], &[ClusterIp], EVERY, &["ranges-nobody"], &["refused"], "silent"),
    row(GUARDED, &[Outside], &[OtherPort], EVERY, &["plain", "nobody"], &["refused"], "silent"),

    row(LOOPBACK, &[Node], &[Loopback], EVERY, &["plain"],
        &["refused"], "poda1 sees nodea, podb1 sees nodea"),

    row(LOCAL, &[PodElsewhere], &[NodePort], STRICT, &["external-local", "both-local", "terminating"],
        &["silent", "poda1 sees client, silent"], "poda1 sees client"),
    row(LOCAL, &[PodElsewhere], &[NodePort], &[Udp], &["external-local", "both-local", "terminating"],
        &["poda1 sees client, podb1 sees client from its own address"], "poda1 sees client"),
    row(LOCAL, &[PodElsewhere], &[NodePort], STRICT, &["fallback"], &["silent"], "poda1 sees client"),
    row(LOCAL, &[PodElsewhere], &[NodePort], &[Udp], &["fallback"],
        &["podb1 sees client from its own address"], "poda1 sees client"),
    row(LOCAL, &[PodElsewhere], &[NodePort], &[Udp], &["remote-local", "remote-external-local", "ranges-remote-local"],
        &["podb1 sees client from its own address"], "silent"),
    row(LOCAL, &[PodElsewhere], &[NodePort], STRICT, &["hosts-local"],
        &["silent", "nodea sees client, silent"], "nodea sees client"),
    row(LOCAL, &[PodElsewhere], &[NodePort], &[Udp], &["hosts-local"],
        &["nodea sees client, nodeb sees client from its own address"], "nodea sees client"),
    // A client that kube-proxy sticks to the pod of this node is served.
    row(LOCAL, &[PodElsewhere], &[NodePort], STRICT, &["sticky-local"],
        &["silent", "1 of the pods"], "1 of the pods"),

    row(ERRNO, &[Node], &[OtherPort], DATAGRAMS, &["plain", "nobody"], &["not permitted"], "refused"),
    row(ERRNO, &[Node], &[ClusterIp, ExternalIp, LoadBalancer], DATAGRAMS, EMPTY, &["not permitted"], "refused"),
    row(ERRNO, &[Node], &[ClusterIp, ExternalIp], DATAGRAMS, &["ranges-nobody"], &["not permitted"], "refused"),
    row(ERRNO, &[Node], &[Unowned], DATAGRAMS, &["plain", "nobody"], &["not permitted"], "no route"),
    row(ERRNO, &[Node], &[ClusterIp], DATAGRAMS, &["remote-local", "remote-internal-local", "ranges-remote-local"],
        &["not permitted"], "no route"),
    row(ERRNO, &[Node], &[LoadBalancer], DATAGRAMS, &["ranges-client", "ranges-nobody", "ranges-remote-local"],
        &["not permitted"], "no route"),
    row(ERRNO, &[Node], &[Unowned], &[Tcp], &["plain", "nobody"], &["silent"], "no route"),
    row(ERRNO, &[Node], &[ClusterIp], &[Tcp], &["remote-local", "remote-internal-local", "ranges-remote-local"],
        &["silent"], "no route"),
    row(ERRNO, &[Node], &[LoadBalancer], &[Tcp], &["ranges-client", "ranges-nobody", "ranges-remote-local"],
        &["silent"], "no route"),
];

/// With `--external-clusterip`, a client outside to clusterIPs.
#[rustfmt::skip]
pub(crate) const EXTERNAL_CLUSTER_IP: &[Allowed] = &[
    row(KEEPS, &[Outside], &[ClusterIp], EVERY,
        &["plain", "external-local", "ranges-client", "ranges-node-pods", "proxy-mode"],
        &["poda1 sees nodea, podb1 sees nodea"], "poda1 sees client, podb1 sees nodea"),
    row(KEEPS, &[Outside], &[ClusterIp], EVERY, &["internal-local", "both-local", "terminating"],
        &["poda1 sees nodea"], "poda1 sees client"),
];

/// With `--pod-cidr`, a pod of the other node to NodePorts.
#[rustfmt::skip]
pub(crate) const POD_CIDR: &[Allowed] = &[
    row(KEEPS, &[PodElsewhere], &[NodePort], EVERY, SPREAD,
        &["poda1 sees nodea, podb1 sees nodea"], "poda1 sees client, podb1 sees nodea"),
    row(ANSWERED, &[PodElsewhere], &[NodePort], STRICT, &["external-local", "both-local", "terminating"],
        &["silent", "poda1 sees client, silent"], "poda1 sees client, podb1 sees nodea"),
    row(ANSWERED, &[PodElsewhere], &[NodePort], &[Udp], &["external-local", "both-local", "terminating"],
        &["poda1 sees client, podb1 sees client from its own address"], "poda1 sees client, podb1 sees nodea"),
    row(ANSWERED, &[PodElsewhere], &[NodePort], STRICT, FAR, &["silent"], "podb1 sees nodea"),
    row(ANSWERED, &[PodElsewhere], &[NodePort], &[Udp], FAR,
        &["podb1 sees client from its own address"], "podb1 sees nodea"),
    row(ANSWERED, &[PodElsewhere], &[NodePort], STRICT, &["hosts-local"],
        &["silent", "nodea sees client, silent"], "nodea sees client, nodeb sees nodea"),
    row(ANSWERED, &[PodElsewhere], &[NodePort], &[Udp], &["hosts-local"],
        &["nodea sees client, nodeb sees client from its own address"], "nodea sees client, nodeb sees nodea"),
    row(ANSWERED, &[PodElsewhere], &[NodePort], STRICT, &["sticky-local"],
        &["silent", "1 of the pods"], "1 of the pods"),
];

const fn row(
    why: &'static str,
    clients: &'static [Client],
    to: &'static [To],
    ways: &'static [Way],
    services: &'static [&'static str],
    kube_proxy: &'static [&'static str],
    tidegate: &'static str,
) -> Allowed {
    Allowed {
        why,
        clients,
        to,
        ways,
        services,
        kube_proxy,
        tidegate,
    }
}

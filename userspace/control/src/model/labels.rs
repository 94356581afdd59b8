//! The labels and annotations that decide what belongs to whom, and how it behaves.

/// On a slice: the Service it belongs to.
pub(crate) const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// On a slice: who keeps it.
pub(crate) const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// The value that Kubernetes' own controller writes there.
pub(crate) const CLUSTER_CONTROLLER: &str = "endpointslice-controller.k8s.io";
/// On a slice, with any value: no proxy looks at it (rule 1.2.2).
pub(crate) const HEADLESS: &str = "service.kubernetes.io/headless";
/// On a Service, with any value: another proxy serves it (rule 1.2.1).
pub(crate) const PROXY_NAME: &str = "service.kubernetes.io/service-proxy-name";
/// On a Service: `all` extends its source ranges to external IPs and NodePorts (decision 9).
pub(crate) const SOURCE_RANGES: &str = "tidegate.io/source-ranges";
/// On a Service: `false` leaves pings to its addresses without an answer.
pub(crate) const PING: &str = "tidegate.io/ping";
/// On a Service: `Auto` spreads its traffic to zones in proportion to their processors (rule 2.2.9).
pub(crate) const TOPOLOGY_MODE: &str = "service.kubernetes.io/topology-mode";
/// The older name of [`TOPOLOGY_MODE`], which wins.
pub(crate) const TOPOLOGY_HINTS: &str = "service.kubernetes.io/topology-aware-hints";

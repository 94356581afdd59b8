//! What a user may say about `tidegate run`: the same names as flags, as `TIDEGATE_*` and in a TOML file.
//!
//! Nothing has a default here, so that "not said" can be told from "said": [`super::Config`] fills the gaps.

use std::{net::IpAddr, path::PathBuf};

use clap::Args;
use serde::Deserialize;

use super::{
    file::{list, scalar},
    pool::Pool,
    values::{
        AttachMode, CgroupChoice, HealthAddress, LogFormat, MetricsAddress, NodePortAddresses,
    },
};
use crate::{
    cidr::{Cidr, PortRange},
    glob::Glob,
};

/// Flags of `tidegate run`; lists may be comma separated, repeated, or both.
#[derive(Args, Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Options {
    /// TOML file with the same names as these flags; flags and environment win over it
    #[arg(long, env = "TIDEGATE_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,
    /// Files and directories of Kubernetes YAML or JSON, watched for changes
    #[arg(long, env = "TIDEGATE_MANIFESTS", value_name = "PATH", value_delimiter = ',', num_args = 1..)]
    #[serde(deserialize_with = "list")]
    pub(crate) manifests: Vec<PathBuf>,
    /// Read Services and endpoints from the Kubernetes API server that this kubeconfig file is for
    #[arg(long, env = "TIDEGATE_KUBECONFIG", value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Read Services and endpoints from the Kubernetes API server of the cluster in which this is a pod [default: false]
    #[arg(long, env = "TIDEGATE_IN_CLUSTER", value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) in_cluster: Option<bool>,
    /// Where the Kubernetes API server is, in place of what kubeconfig or pod say: an address that works without Services
    #[arg(long, env = "TIDEGATE_KUBE_API_SERVER", value_name = "URL")]
    pub(crate) kube_api_server: Option<String>,
    /// Name of this node, as endpoints name it [default: the host name]
    #[arg(long, env = "TIDEGATE_NODE_NAME", value_name = "NAME")]
    pub(crate) node_name: Option<String>,
    /// Outside devices [default: those of the default route]
    #[arg(long, env = "TIDEGATE_UPLINK", value_name = "GLOB", value_delimiter = ',', num_args = 1..)]
    #[serde(deserialize_with = "list")]
    pub(crate) uplink: Vec<Glob>,
    /// Host ends of pods' links [default: veth*,lxc*,cali*,eni*]
    #[arg(long, env = "TIDEGATE_POD_DEVICE", value_name = "GLOB", value_delimiter = ',', num_args = 1..)]
    #[serde(deserialize_with = "list")]
    pub(crate) pod_device: Vec<Glob>,
    /// Tunnel devices [default: none]
    #[arg(long, env = "TIDEGATE_OVERLAY_DEVICE", value_name = "GLOB", value_delimiter = ',', num_args = 1..)]
    #[serde(deserialize_with = "list")]
    pub(crate) overlay_device: Vec<Glob>,
    /// Addresses of this node, the primary one of each family first [default: the uplinks' own]
    #[arg(long, env = "TIDEGATE_NODE_ADDRESS", value_name = "IP", value_delimiter = ',', num_args = 1..)]
    #[serde(deserialize_with = "list")]
    pub(crate) node_address: Vec<IpAddr>,
    /// Where NodePorts answer: primary, all, or address blocks [default: primary]
    #[arg(long, env = "TIDEGATE_NODEPORT_ADDRESSES", value_name = "primary|all|CIDR", value_delimiter = ',', num_args = 1..)]
    #[serde(deserialize_with = "list")]
    pub(crate) nodeport_addresses: Vec<NodePortAddresses>,
    /// Ports that a nodePort may have [default: 30000-32767]
    #[arg(long, env = "TIDEGATE_NODEPORT_RANGE", value_name = "A-B")]
    #[serde(deserialize_with = "scalar")]
    pub(crate) nodeport_range: Option<PortRange>,
    /// Blocks that clusterIPs come from, at most 4 of each family [default: 10.96.0.0/12]
    #[arg(long, env = "TIDEGATE_SERVICE_CIDR", value_name = "CIDR", value_delimiter = ',', num_args = 1..)]
    #[serde(deserialize_with = "list")]
    pub(crate) service_cidr: Vec<Cidr>,
    /// Addresses for Services of type LoadBalancer, the pool to be used first first [default: none]
    #[arg(long, env = "TIDEGATE_LB_POOL", value_name = "CIDR|A-B", value_delimiter = ',', num_args = 1..)]
    #[serde(deserialize_with = "list")]
    pub(crate) lb_pool: Vec<Pool>,
    /// Blocks that pods' addresses come from: a client at an uplink or in a tunnel with such an address counts as a pod [default: none]
    #[arg(long, env = "TIDEGATE_POD_CIDR", value_name = "CIDR", value_delimiter = ',', num_args = 1..)]
    #[serde(deserialize_with = "list")]
    pub(crate) pod_cidr: Vec<Cidr>,
    /// Serve clusterIPs to clients outside the cluster too [default: false]
    #[arg(long, env = "TIDEGATE_EXTERNAL_CLUSTERIP", value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) external_clusterip: Option<bool>,
    /// Hide the clients of clusterIPs: backends see an address of this node [default: false]
    #[arg(long, env = "TIDEGATE_MASQUERADE_ALL", value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) masquerade_all: Option<bool>,
    /// Which hook to use on devices [default: auto]
    #[arg(long, env = "TIDEGATE_ATTACH", value_name = "MODE")]
    #[serde(deserialize_with = "scalar")]
    pub(crate) attach: Option<AttachMode>,
    /// Use tcx for the tc programs where the kernel has it; else filters on clsact qdiscs [default: true]
    #[arg(long, env = "TIDEGATE_TCX", value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) tcx: Option<bool>,
    /// Cgroup v2 directory for the socket hooks, or off [default: where cgroup2 is mounted]
    #[arg(long, env = "TIDEGATE_CGROUP", value_name = "PATH|off")]
    #[serde(deserialize_with = "scalar")]
    pub(crate) cgroup: Option<CgroupChoice>,
    /// Flow records of each family, two for each connection [default: 262144]
    #[arg(long, env = "TIDEGATE_FLOWS", value_name = "N", value_parser = clap::value_parser!(u32).range(1024..))]
    pub(crate) flows: Option<u32>,
    /// Service ports, and backends of each family, whose traffic is counted; 48 bytes each for each CPU [default: 16384]
    #[arg(long, env = "TIDEGATE_TRAFFIC_COUNTERS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 18))]
    pub(crate) traffic_counters: Option<u32>,
    /// Source ports of masqueraded connections; must be free of nodePorts and of local ports [default: 20000-29999]
    #[arg(long, env = "TIDEGATE_MASQUERADE_PORTS", value_name = "A-B")]
    #[serde(deserialize_with = "scalar")]
    pub(crate) masquerade_ports: Option<PortRange>,
    /// Unix socket of the local API [default: /run/tidegate/api.sock]
    #[arg(long, env = "TIDEGATE_API", value_name = "PATH")]
    pub(crate) api: Option<PathBuf>,
    /// Group that may use the local API, by name or number [default: the agent's own]
    #[arg(long, env = "TIDEGATE_API_GROUP", value_name = "NAME|GID")]
    #[serde(deserialize_with = "scalar")]
    pub(crate) api_group: Option<String>,
    /// Directory for what outlives the agent [default: /var/lib/tidegate]
    #[arg(long, env = "TIDEGATE_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Directory for pinned maps and programs, on a bpffs [default: /sys/fs/bpf/tidegate]
    #[arg(long, env = "TIDEGATE_BPFFS", value_name = "DIR")]
    pub(crate) bpffs: Option<PathBuf>,
    /// Where /healthz and /livez are answered, or off; 0.0.0.0 means IPv6 too [default: 0.0.0.0:10256]
    #[arg(long, env = "TIDEGATE_HEALTH_ADDRESS", value_name = "IP:PORT|off")]
    #[serde(deserialize_with = "scalar")]
    pub(crate) health_address: Option<HealthAddress>,
    /// Where /metrics and /proxyMode are answered, or off; 0.0.0.0 means IPv6 too [default: 127.0.0.1:10249]
    #[arg(long, env = "TIDEGATE_METRICS_ADDRESS", value_name = "IP:PORT|off")]
    #[serde(deserialize_with = "scalar")]
    pub(crate) metrics_address: Option<MetricsAddress>,
    /// Series at /metrics that tell backends apart, six for each; Services are told apart in any case [default: 10000]
    #[arg(long, env = "TIDEGATE_METRICS_SERIES_MAX", value_name = "N")]
    pub(crate) metrics_series_max: Option<u32>,
    /// How log lines on stderr look [default: text]
    #[arg(long, env = "TIDEGATE_LOG_FORMAT", value_name = "text|json")]
    #[serde(deserialize_with = "scalar")]
    pub(crate) log_format: Option<LogFormat>,
    /// Remove programs and maps at exit; without it the data path stays and serves [default: false]
    #[arg(long, env = "TIDEGATE_DETACH_ON_EXIT", value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) detach_on_exit: Option<bool>,
}

/// A value that may not have been said.
trait Said {
    fn or_else_said(self, other: Self) -> Self;
}

impl<T> Said for Option<T> {
    fn or_else_said(self, other: Self) -> Self {
        self.or(other)
    }
}

impl<T> Said for Vec<T> {
    fn or_else_said(self, other: Self) -> Self {
        if self.is_empty() { other } else { self }
    }
}

/// Destructures both sides completely, so that a new field cannot be forgotten.
macro_rules! merge {
    ($first:expr, $second:expr; $($field:ident)+) => {{
        let first = $first;
        let Options { $($field),+ } = $second;
        Options { $($field: first.$field.or_else_said($field)),+ }
    }};
}

impl Options {
    /// What `self` says, and where it says nothing, what `other` says.
    pub(crate) fn or(self, other: Self) -> Self {
        merge!(self, other;
            config manifests kubeconfig in_cluster kube_api_server node_name uplink pod_device overlay_device node_address nodeport_addresses
            nodeport_range service_cidr lb_pool pod_cidr external_clusterip masquerade_all attach tcx cgroup
            flows traffic_counters masquerade_ports api api_group state_dir bpffs health_address metrics_address metrics_series_max log_format detach_on_exit)
    }
}

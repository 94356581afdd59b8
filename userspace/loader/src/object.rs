//! The embedded BPF object, and what is in it.

use std::path::{Path, PathBuf};

/// The object that the build script made.
pub(crate) static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tidegate-ebpf"));

/// The packet programs.
pub const PROGRAMS: [&str; 9] = [
    "xdp_uplink",
    "tc_uplink",
    "tc_pod",
    "tc_overlay",
    HOST,
    ASIDES[0],
    ASIDES[1],
    SWEEP,
    ASK,
];

/// The program that removes old flows.
pub(crate) const SWEEP: &str = "tc_sweep";

/// The program that asks for routes and sockets as a packet would.
pub(crate) const ASK: &str = "tc_ask";

/// The programs that the others hand rare packets to, by their place in the map `asides`.
pub(crate) const ASIDES: [&str; 2] = ["tc_aside4", "tc_aside6"];

/// That map. Programs of one version must not reach those of another through it: versions never share it.
pub(crate) const ASIDES_MAP: &str = "asides";

/// The program at egress.
pub(crate) const HOST: &str = "tc_host";

/// The socket programs, one for each hook of a cgroup.
pub const CGROUP_PROGRAMS: [&str; 8] = [
    "connect4",
    "connect6",
    "sendmsg4",
    "sendmsg6",
    "recvmsg4",
    "recvmsg6",
    "getpeername4",
    "getpeername6",
];

/// The maps that outlive the agent. Fragments do not: they live for seconds.
pub(crate) const PINNED: [&str; 26] = [
    "frontends4",
    "frontends6",
    "slots",
    "backends4",
    "backends6",
    "flows4",
    "flows6",
    "opening_flows4",
    "opening_flows6",
    "affinity4",
    "affinity6",
    "source_ranges4",
    "source_ranges6",
    "local_pods4",
    "local_pods6",
    "sockets4",
    "sockets6",
    "devices",
    "settings",
    "counters",
    "service_traffic",
    "backend_traffic4",
    "backend_traffic6",
    "event_filter",
    ASIDES_MAP,
    "events",
];

/// Where the pins of a version are: `<bpffs>/v1/{maps,links}`.
#[derive(Clone, Debug)]
pub(crate) struct Pins {
    pub(crate) version: u32,
    pub(crate) root: PathBuf,
    pub(crate) maps: PathBuf,
    pub(crate) links: PathBuf,
}

impl Pins {
    pub(crate) fn below(bpffs: &Path, version: u32) -> Self {
        let root = bpffs.join(format!("v{version}"));
        Self {
            version,
            maps: root.join("maps"),
            links: root.join("links"),
            root,
        }
    }

    /// Those of all versions that left some, the newest first.
    pub(crate) fn all_below(bpffs: &Path) -> Vec<Self> {
        let entries = std::fs::read_dir(bpffs).into_iter().flatten();
        let name = |entry: std::fs::DirEntry| entry.file_name().into_string().ok();
        let mut versions: Vec<u32> = entries
            .filter_map(|entry| name(entry.ok()?)?.strip_prefix('v')?.parse().ok())
            .collect();
        versions.sort_unstable_by(|a, b| b.cmp(a));
        let pins = versions.into_iter().map(|it| Self::below(bpffs, it));
        pins.collect()
    }
}

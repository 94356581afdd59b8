//! Names of the maps: part of the operator's interface, and of the pins under bpffs.

/// Frontend to service port, tables and policy.
pub const FRONTENDS: [&str; 2] = ["frontends4", "frontends6"];
/// Backend id to endpoint.
pub const BACKENDS: [&str; 2] = ["backends4", "backends6"];
/// Flow records of flows that both sides have confirmed.
pub const FLOWS: [&str; 2] = ["flows4", "flows6"];
/// Flow records of all others: a flood of first packets pushes out its like, and nothing else.
pub const OPENING: [&str; 2] = ["opening_flows4", "opening_flows6"];
/// Pod address to device.
pub const LOCAL_PODS: [&str; 2] = ["local_pods4", "local_pods6"];
/// Last backend of a client.
pub const AFFINITY: [&str; 2] = ["affinity4", "affinity6"];
/// Clients that a service port admits.
pub const SOURCE_RANGES: [&str; 2] = ["source_ranges4", "source_ranges6"];
/// Ports of datagrams that come in fragments.
pub const FRAGMENTS: [&str; 2] = ["fragments4", "fragments6"];
/// Fragments that came before the first one of their datagram; both families share it.
pub const HELD_FRAGMENTS: &str = "held_fragments";
/// Sockets of host processes.
pub const SOCKETS: [&str; 2] = ["sockets4", "sockets6"];
/// All selection tables, end to end; both families share it.
pub const SLOTS: &str = "slots";
/// Attached devices.
pub const DEVICES: &str = "devices";
/// The node's settings, one entry.
pub const SETTINGS: &str = "settings";
/// How often routes, neighbours or devices have changed, one entry; 0: next hops are not to be remembered.
pub const ROUTE_EPOCH: &str = "route_epoch";
/// The tick in which an address was last taken away from a Service, or given to another one, one entry.
pub const MOVED: &str = "moved";
/// Packets and bytes by reason, per CPU.
pub const COUNTERS: &str = "counters";
/// Packets, bytes and flows by service port, per CPU.
pub const SERVICE_TRAFFIC: &str = "service_traffic";
/// The same by backend.
pub const BACKEND_TRAFFIC: [&str; 2] = ["backend_traffic4", "backend_traffic6"];
/// Packets that somebody asked to hear of.
pub const EVENTS: &str = "events";
/// Which those are, one entry.
pub const EVENT_FILTER: &str = "event_filter";

/// Flows that one run of the sweeping program removes at most.
pub const SWEEP_MOST: u32 = 16;

/// Default number of flow records of each family (two for each flow); `--flows` sets another.
pub const FLOWS_MAX: u32 = 1 << 18;
/// So many records of flows there are for one of a flow that is not confirmed.
pub const OPENING_SHARE: u32 = 4;
/// The least number of those.
pub const OPENING_LEAST: u32 = 1 << 10;
/// Frontends of each family.
pub const FRONTENDS_MAX: u32 = 1 << 18;
/// Backends of each family.
pub const BACKENDS_MAX: u32 = 1 << 18;
/// Slots of all tables together.
pub const SLOTS_MAX: u32 = 1 << 20;
/// Pods on this node, each family.
pub const LOCAL_PODS_MAX: u32 = 1 << 12;
/// Clients with affinity, each family: the oldest is forgotten, which costs it its backend only (rule 4.20).
pub const AFFINITY_MAX: u32 = 1 << 17;
/// Source ranges of each family.
pub const SOURCE_RANGES_MAX: u32 = 1 << 16;
/// Datagrams in fragments, each family.
pub const FRAGMENTS_MAX: u32 = 1 << 13;
/// Held fragments, 2 KiB each.
pub const HELD_FRAGMENTS_MAX: u32 = 1 << 10;
/// Sockets of host processes, each family.
pub const SOCKETS_MAX: u32 = 1 << 16;
/// Devices.
pub const DEVICES_MAX: u32 = 1 << 12;
/// Default number of service ports, and of backends of each family, whose traffic is counted: those with the
/// lowest ids. Each takes 48 bytes for each CPU.
pub const TRAFFIC_MAX: u32 = 1 << 14;
/// Size of the event ring in bytes: a power of two and a multiple of the page size.
pub const EVENTS_BYTES: u32 = 1 << 18;

/// How many records of flows that are not confirmed go with `--flows`.
pub const fn opening(flows: u32) -> u32 {
    let share = flows / OPENING_SHARE;
    if share < OPENING_LEAST {
        OPENING_LEAST
    } else {
        share
    }
}

/// Maps whose keys or values came to mean something else, and the `ABI_VERSION` that did it. All other maps
/// are handed over from version to version as they are, with what is in them.
///
/// Flow records name backends by id and generation: whoever changes `backends4/6` must see that old records
/// do not name new backends.
pub const CHANGED: &[(&str, u32)] = &[];

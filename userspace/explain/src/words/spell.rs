//! How addresses, flags and times are written.

use std::net::SocketAddr;

use tidegate_abi::{Address, FlowKey, Frontend, Port, Proto, flow::TICK_SHIFT, frontend::flags};
use tidegate_api::explain::{ExplainedService, ExplainedTuple};
use tidegate_datapath::{sctp, tcp};

pub(super) fn at<A: Address>(addr: A, port: Port) -> SocketAddr {
    SocketAddr::new(addr.to_ip(), port.get())
}

pub(super) fn proto(proto: Proto) -> String {
    match proto {
        Proto::ICMP | Proto::ICMP6 => "ICMP".to_owned(),
        other => other
            .name()
            .map_or_else(|| format!("protocol {}", other.0), str::to_owned),
    }
}

/// "10.96.0.10:80/TCP".
pub(super) fn dialled<A: Address>(addr: A, port: Port, transport: Proto) -> String {
    format!("{}/{}", at(addr, port), proto(transport))
}

pub(super) fn tuple<A: Address>(key: &FlowKey<A>) -> ExplainedTuple {
    ExplainedTuple {
        from: at(key.src, key.src_port),
        to: at(key.dst, key.dst_port),
    }
}

pub(super) fn way(tuple: &ExplainedTuple) -> String {
    format!("{} > {}", tuple.from, tuple.to)
}

/// " SYN ACK" and the like; for SCTP what the first chunk does.
pub(super) fn flags(transport: Proto, set: u8) -> String {
    let names = match transport {
        Proto::TCP => [
            ("FIN", tcp::flag::FIN),
            ("SYN", tcp::flag::SYN),
            ("RST", tcp::flag::RST),
            ("PSH", 0x08),
            ("ACK", tcp::flag::ACK),
            ("URG", 0x20),
        ],
        Proto::SCTP if set == sctp::as_tcp_flags(1) => return " INIT".to_owned(),
        _ => return String::new(),
    };
    let named = names.iter().filter(|(_, flag)| set & flag != 0);
    named.fold(String::new(), |text, (name, _)| text + " " + name)
}

/// Seconds between two ticks.
pub(super) fn seconds(now: u32, then: u32) -> u64 {
    (u64::from(now.saturating_sub(then)) << TICK_SHIFT) / 1_000_000_000
}

/// "default/web:http".
pub(super) fn service(service: Option<&ExplainedService>, id: u32) -> String {
    match service {
        Some(it) if it.port_name.is_empty() => format!("{}/{}", it.namespace, it.name),
        Some(it) => format!("{}/{}:{}", it.namespace, it.name, it.port_name),
        None => format!("a Service that has no name any more (id {id})"),
    }
}

/// As `get frontends` says it.
pub(super) fn kind(it: &Frontend) -> &'static str {
    if it.has(flags::INTERNAL) {
        "ClusterIP"
    } else if it.has(flags::NODE_PORT) {
        "NodePort"
    } else if it.has(flags::LOAD_BALANCER) {
        "LoadBalancer"
    } else {
        "ExternalIP"
    }
}

/// The kind in a sentence.
pub(super) fn a_kind(it: &Frontend) -> &'static str {
    match kind(it) {
        "ClusterIP" => "the clusterIP",
        "NodePort" => "a NodePort",
        "LoadBalancer" => "a load-balancer address",
        _ => "an external IP",
    }
}

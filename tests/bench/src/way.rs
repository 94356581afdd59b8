//! What makes packets go where they should: tidegate, kube-proxy's rules, nothing, or a redirect that does not think.

use std::{
    any::Any,
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use anyhow::{Context as _, Result};
use serde_json::Value;
use tidegate_rig::{Agent, AgentSpec, Endpoint, Port, endpoint_slice, service};

use crate::{
    lane::Lane,
    rules::{self, By, NODE_PORT, To, cluster_ip},
};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    /// The backend itself is dialled.
    Plain,
    Tidegate {
        attach: &'static str,
        services: u32,
    },
    Nftables(u32),
    Iptables(u32),
    Ceiling(&'static str),
}

/// All that can be compared on this road.
pub(crate) fn ways(by: By, to: To, quick: bool) -> Vec<Way> {
    let counts: &[u32] = if quick {
        &[1, 1_000]
    } else {
        &[1, 1_000, 10_000]
    };
    let mut ways = vec![Way::Plain];
    // XDP is for what comes in by an uplink and leaves by it; pods' packets are tc's.
    let is_turned = (by, to) == (By::NodePort, To::OtherNode);
    let attach: &[&str] = if is_turned { &["tc", "xdp"] } else { &["tc"] };
    // kube-proxy's rules for so many would take minutes to be read.
    let more: &[u32] = if quick { &[] } else { &[50_000] };
    for attach in attach {
        ways.extend(
            counts
                .iter()
                .chain(more)
                .map(|&services| Way::Tidegate { attach, services }),
        );
    }
    ways.extend(counts.iter().map(|count| Way::Nftables(*count)));
    ways.extend(counts.iter().map(|count| Way::Iptables(*count)));
    let ceilings: &[&'static str] = match to {
        To::Pod => &["ceiling_peer"],
        To::OtherNode if is_turned => &["ceiling_neigh", "ceiling_redirect", "ceiling_tx"],
        To::OtherNode => &["ceiling_neigh"],
    };
    ways.extend(ceilings.iter().map(|name| Way::Ceiling(name)));
    ways
}

impl Way {
    pub(crate) fn is_ceiling(self) -> bool {
        matches!(self, Self::Ceiling(_))
    }

    /// How many Services there are; the dialled one is the last.
    pub(crate) fn services(self) -> u32 {
        match self {
            Self::Tidegate { services, .. }
            | Self::Nftables(services)
            | Self::Iptables(services) => services,
            Self::Plain | Self::Ceiling(_) => 0,
        }
    }

    /// Makes it so; what is returned keeps it so. Ceilings are attached by who has the programs.
    pub(crate) fn set_up(
        self,
        to: To,
        proto: &'static str,
        lane: &Lane,
    ) -> Result<Option<Box<dyn Any>>> {
        match self {
            Self::Plain | Self::Ceiling(_) => Ok(None),
            Self::Nftables(count) => {
                rules::nftables(&lane.node.ns, count, proto, to).map(|()| None)
            }
            Self::Iptables(count) => {
                rules::iptables(&lane.node.ns, count, proto, to).map(|()| None)
            }
            Self::Tidegate { attach, services } => {
                Ok(Some(Box::new(agent(lane, attach, services, proto, to)?)))
            }
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => out.write_str("plain forwarding"),
            Self::Tidegate { attach, services } => {
                write!(out, "tidegate ({attach}), {services} services")
            }
            Self::Nftables(services) => write!(out, "nftables, {services} services"),
            Self::Iptables(services) => write!(out, "iptables, {services} services"),
            Self::Ceiling(name) => write!(out, "{name}, no logic"),
        }
    }
}

fn agent(
    lane: &Lane,
    attach: &str,
    services: u32,
    proto: &'static str,
    to: To,
) -> Result<(Agent, AgentSpec)> {
    let spec = AgentSpec::new(&lane.scene, &lane.node)?
        .attach(attach)
        .args([
            "--flows",
            "524288",
            "--masquerade-ports",
            "1024-29999",
            "--nodeport-range",
            "30000-32767",
        ])
        .args([
            "--cgroup",
            "off",
            "--health-address",
            "off",
            "--metrics-address",
            "off",
        ]);
    spec.manifests
        .put("services", &objects(services, proto, to))?;
    let agent = spec.start().context("the agent")?;
    Ok((agent, spec))
}

fn objects(services: u32, proto: &'static str, to: To) -> Vec<Value> {
    let mut objects = Vec::new();
    for number in 0..services {
        let is_dialled = number == services - 1;
        let name = format!("svc-{number}");
        let ip: IpAddr = cluster_ip(number + 1).into();
        let mut port = Port::new("main", proto, 80, 8080);
        if is_dialled {
            port = port.node_port(NODE_PORT);
        }
        let elsewhere = Ipv4Addr::new(10, 244, 9, 9);
        let address: IpAddr = if is_dialled { to.address() } else { elsewhere }.into();
        let node = if is_dialled && to == To::Pod {
            "nodea"
        } else {
            "nodeb"
        };
        let endpoint = Endpoint {
            address,
            node: node.to_owned(),
            ready: true,
        };
        objects.push(service(&name, &[ip], &[port]));
        objects.push(endpoint_slice(&name, "4", &[port], &[endpoint]));
    }
    objects
}

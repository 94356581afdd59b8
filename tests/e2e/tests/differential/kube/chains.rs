//! One service port: the chains that its packets go through, and its entries in the maps.
//!
//! `external/…` decides by where a packet comes from, `service/…` and `local/…` pick an endpoint of
//! the cluster's or this node's, `endpoint/…` sends it there.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result};

use super::Here;
use super::pools::Pools;
use super::read::{Endpoint, ServicePort};

/// What a service port adds to the table.
#[derive(Default)]
pub(crate) struct PortChains {
    pub(crate) sets: String,
    pub(crate) chains: String,
    pub(crate) cluster_ips: Vec<String>,
    pub(crate) services: Vec<String>,
    pub(crate) at_node: Vec<String>,
    pub(crate) nobody: Vec<String>,
    pub(crate) nobody_at_node: Vec<String>,
    pub(crate) firewall: Vec<String>,
    /// Local endpoints, each with itself.
    pub(crate) hairpins: Vec<String>,
}

pub(crate) fn chains(port: &ServicePort, here: &Here) -> Result<PortChains> {
    let pools = Pools::of(port);
    let mut out = PortChains::default();
    for endpoint in pools.all() {
        endpoint_chain(port, endpoint, here, &mut out);
    }
    internal(port, &pools, here, &mut out);
    external(port, &pools, here, &mut out);
    firewall(port, here, &mut out)?;
    Ok(out)
}

/// Traffic to the clusterIP.
fn internal(port: &ServicePort, pools: &Pools<'_>, here: &Here, out: &mut PortChains) {
    let ip = here.family();
    // Off-cluster clients that were routed here, and processes of the node (rules 3.1.2, 3.1.3).
    let stranger = format!(
        "    {ip} daddr {} {} dport {} {ip} saddr != {} jump mark-for-masquerade\n",
        port.cluster_ip,
        port.proto,
        port.port,
        here.cluster_cidr()
    );
    let local = port.internal_local;
    let served = if local {
        !pools.local.is_empty()
    } else {
        pools.any()
    };
    out.cluster_ips.push(port.cluster_ip.to_string());
    let key = format!("{} . {} . {}", port.cluster_ip, port.proto, port.port);
    if served {
        let policy = if local { "local" } else { "service" };
        out.services
            .push(format!("{key} : goto {policy}/{}", port.name));
    } else {
        out.nobody.push(format!("{key} : {}", verdict(pools)));
    }
    for (policy, endpoints, is_internal) in [
        ("service", &pools.cluster, !local),
        ("local", &pools.local, local),
    ] {
        let before = if is_internal { stranger.as_str() } else { "" };
        policy_chain(port, policy, endpoints, before, here, out);
    }
}

/// Traffic to every other frontend.
fn external(port: &ServicePort, pools: &Pools<'_>, here: &Here, out: &mut PortChains) {
    let (ip, cidr, name) = (here.family(), here.cluster_cidr(), &port.name);
    let served = if port.external_local {
        !pools.local.is_empty()
    } else {
        pools.any()
    };
    let rules = if port.external_local {
        let policy = if served {
            format!("    goto local/{name}\n")
        } else {
            String::new()
        };
        format!(
            "    {ip} saddr {cidr} goto service/{name} comment \"short-circuit pod traffic\"\n    \
             fib saddr type local jump mark-for-masquerade comment \"masquerade local traffic\"\n    \
             fib saddr type local goto service/{name} comment \"short-circuit local traffic\"\n{policy}"
        )
    } else {
        format!("    jump mark-for-masquerade\n    goto service/{name}\n")
    };
    if pools.any() {
        out.chains += &format!("  chain external/{name} {{\n{rules}  }}\n");
    }
    for address in port.external_ips.iter().chain(&port.balancer_ips) {
        let key = format!("{address} . {} . {}", port.proto, port.port);
        if pools.any() {
            out.services.push(format!("{key} : goto external/{name}"));
        }
        if !served {
            out.nobody.push(format!("{key} : {}", verdict(pools)));
        }
    }
    if let Some(number) = port.node_port {
        let key = format!("{} . {number}", port.proto);
        if pools.any() {
            out.at_node.push(format!("{key} : goto external/{name}"));
        }
        if !served {
            out.nobody_at_node
                .push(format!("{key} : {}", verdict(pools)));
        }
    }
}

/// Nobody anywhere: refused. Nobody here: nothing is said (rules 2.4.1 and 2.4.2).
fn verdict(pools: &Pools<'_>) -> &'static str {
    if pools.any() {
        "drop"
    } else {
        "goto reject-chain"
    }
}

fn policy_chain(
    port: &ServicePort,
    policy: &str,
    endpoints: &[&Endpoint],
    before: &str,
    here: &Here,
    out: &mut PortChains,
) {
    if endpoints.is_empty() {
        return;
    }
    let mut rules = before.to_owned();
    if port.affinity.is_some() {
        for endpoint in endpoints {
            rules += &format!(
                "    {} saddr @{} goto {}\n",
                here.family(),
                affinity_set(port, endpoint),
                endpoint_name(port, endpoint)
            );
        }
    }
    let choices = endpoints.iter().enumerate();
    let choices = choices.map(|(nth, it)| format!("{nth} : goto {}", endpoint_name(port, it)));
    let (count, choices) = (endpoints.len(), choices.collect::<Vec<_>>().join(", "));
    rules += &format!("    numgen random mod {count} vmap {{ {choices} }}\n");
    out.chains += &format!("  chain {policy}/{} {{\n{rules}  }}\n", port.name);
}

fn endpoint_chain(port: &ServicePort, endpoint: &Endpoint, here: &Here, out: &mut PortChains) {
    let (ip, name) = (here.family(), endpoint_name(port, endpoint));
    let mut rules = String::new();
    if let Some(seconds) = port.affinity {
        let set = affinity_set(port, endpoint);
        let kind = here.address_type();
        out.sets += &format!(
            "  set {set} {{\n    type {kind}\n    flags dynamic,timeout\n    timeout {seconds}s\n  }}\n"
        );
        rules += &format!("    update @{set} {{ {ip} saddr }}\n");
    }
    let to = SocketAddr::new(endpoint.ip, endpoint.port);
    rules += &format!("    meta l4proto {} dnat to {to}\n", port.proto);
    out.chains += &format!("  chain {name} {{\n{rules}  }}\n");
    if endpoint.here {
        out.hairpins.push(format!("{0} . {0}", endpoint.ip));
    }
}

/// Guards the load balancer's addresses only, and before anything else is asked (rules 3.6.1, 3.6.5).
fn firewall(port: &ServicePort, here: &Here, out: &mut PortChains) -> Result<()> {
    if port.ranges.is_empty() || port.balancer_ips.is_empty() {
        return Ok(());
    }
    let mut allowed = port.ranges.clone();
    let holds = port.ranges.iter().map(|range| holds(range, here.address));
    if holds.collect::<Result<Vec<_>>>()?.contains(&true) {
        // A node to which the address is bound speaks from it (rule 3.6.4).
        allowed.extend(port.balancer_ips.iter().map(ToString::to_string));
    }
    let (ip, name) = (here.family(), &port.name);
    out.chains += &format!(
        "  chain firewall/{name} {{\n    {ip} saddr != {{ {} }} drop\n  }}\n",
        allowed.join(", ")
    );
    for address in &port.balancer_ips {
        let key = format!("{address} . {} . {}", port.proto, port.port);
        out.firewall.push(format!("{key} : goto firewall/{name}"));
    }
    Ok(())
}

fn holds(block: &str, ip: IpAddr) -> Result<bool> {
    let (base, length) = block
        .split_once('/')
        .with_context(|| format!("block {block}"))?;
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()) << 96,
        IpAddr::V6(ip) => ip.to_bits(),
    };
    let (base, length): (IpAddr, u32) = (base.parse()?, length.parse()?);
    let differing = bits(base) ^ bits(ip);
    Ok(base.is_ipv4() == ip.is_ipv4() && differing.leading_zeros() >= length)
}

/// A chain's name may hold no colon.
fn endpoint_name(port: &ServicePort, endpoint: &Endpoint) -> String {
    let ip = endpoint.ip.to_string().replace(':', ".");
    format!("endpoint/{}__{ip}/{}", port.name, endpoint.port)
}

fn affinity_set(port: &ServicePort, endpoint: &Endpoint) -> String {
    endpoint_name(port, endpoint).replacen("endpoint", "affinity", 1)
}

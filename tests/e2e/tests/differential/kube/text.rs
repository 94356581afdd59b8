//! The table: its base chains in the order in which a packet meets them, and the maps that lead from
//! an address to a service port's chains.

use anyhow::Result;

use super::Here;
use super::chains::{PortChains, chains};
use super::read::ServicePort;

/// Everything for one family, replacing what was there.
pub(crate) fn table(ports: &[ServicePort], here: &Here) -> Result<String> {
    let family = here.family();
    let ports = ports.iter().map(|port| chains(port, here));
    let ports: Vec<PortChains> = ports.collect::<Result<_>>()?;
    let mut text = format!(
        "table {family} kube-proxy {{}}\ndelete table {family} kube-proxy\ntable {family} kube-proxy {{\n"
    );
    for port in &ports {
        text += &port.sets;
    }
    text += &maps(&ports, here);
    for port in &ports {
        text += &port.chains;
    }
    text += &base_chains(here);
    Ok(text + "}\n")
}

fn maps(ports: &[PortChains], here: &Here) -> String {
    let addressed = format!(
        "{} . inet_proto . inet_service : verdict",
        here.address_type()
    );
    let number = "inet_proto . inet_service : verdict";
    let all = |pick: fn(&PortChains) -> &Vec<String>| {
        let mut elements: Vec<String> = ports.iter().flat_map(pick).cloned().collect();
        // Ports of one Service share their clusterIP.
        elements.sort();
        elements.dedup();
        elements
    };
    let address = here.address_type();
    let pair = format!("{address} . {address}");
    let node = here.address.to_string();
    [
        set(
            "set",
            "cluster-ips",
            address,
            &all(|port| &port.cluster_ips),
        ),
        set("set", "nodeport-ips", address, &[node]),
        set(
            "set",
            "hairpin-connections",
            &pair,
            &all(|port| &port.hairpins),
        ),
        set(
            "map",
            "no-endpoint-services",
            &addressed,
            &all(|port| &port.nobody),
        ),
        set(
            "map",
            "no-endpoint-nodeports",
            number,
            &all(|port| &port.nobody_at_node),
        ),
        set(
            "map",
            "firewall-ips",
            &addressed,
            &all(|port| &port.firewall),
        ),
        set(
            "map",
            "service-ips",
            &addressed,
            &all(|port| &port.services),
        ),
        set(
            "map",
            "service-nodeports",
            number,
            &all(|port| &port.at_node),
        ),
    ]
    .concat()
}

fn set(kind: &str, name: &str, of: &str, elements: &[String]) -> String {
    let elements = if elements.is_empty() {
        String::new()
    } else {
        format!("\n    elements = {{ {} }}", elements.join(",\n      "))
    };
    format!("  {kind} {name} {{\n    type {of}{elements}\n  }}\n")
}

/// The reference order of evaluation: firewall, then service and policy, then what has no endpoints,
/// then what is no service.
fn base_chains(here: &Here) -> String {
    let (ip, cidr) = (here.family(), here.service_cidr());
    let base = |name: &str, kind: &str, hook: &str, priority: &str, rules: &str| {
        format!(
            "  chain {name} {{\n    type {kind} hook {hook} priority {priority};\n{rules}  }}\n"
        )
    };
    let firewall = "    ct state new jump firewall-check\n";
    let stray = "    ct state new jump service-endpoints-check\n    \
                 ct state new jump cluster-ips-check\n";
    let inward = "    ct state new jump nodeport-endpoints-check\n    \
                  ct state new jump service-endpoints-check\n";
    let services = "    jump services\n";
    let chains = format!(
        "  chain firewall-check {{\n    {ip} daddr . meta l4proto . th dport vmap @firewall-ips\n  }}\n  \
         chain service-endpoints-check {{\n    \
         {ip} daddr . meta l4proto . th dport vmap @no-endpoint-services\n  }}\n  \
         chain nodeport-endpoints-check {{\n    {ip} daddr @nodeport-ips \
         meta l4proto . th dport vmap @no-endpoint-nodeports\n  }}\n  \
         chain cluster-ips-check {{\n    {ip} daddr @cluster-ips reject\n    \
         {ip} daddr {cidr} drop\n  }}\n  \
         chain services {{\n    {ip} daddr . meta l4proto . th dport vmap @service-ips\n    \
         {ip} daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports\n  }}\n  \
         chain reject-chain {{\n    reject\n  }}\n  \
         chain mark-for-masquerade {{\n    mark set mark or 0x4000\n  }}\n  \
         chain masquerading {{\n    ct status dnat {ip} saddr . {ip} daddr @hairpin-connections \
         masquerade fully-random\n    mark and 0x4000 == 0 return\n    \
         mark set mark xor 0x4000\n    masquerade fully-random\n  }}\n"
    );
    [
        chains,
        base(
            "filter-prerouting-pre-dnat",
            "filter",
            "prerouting",
            "dstnat - 10",
            firewall,
        ),
        base(
            "filter-output-pre-dnat",
            "filter",
            "output",
            "-110",
            firewall,
        ),
        base("filter-input", "filter", "input", "filter", inward),
        base("filter-forward", "filter", "forward", "filter", stray),
        base("filter-output", "filter", "output", "filter", stray),
        base("nat-prerouting", "nat", "prerouting", "dstnat", services),
        base("nat-output", "nat", "output", "-100", services),
        base(
            "nat-postrouting",
            "nat",
            "postrouting",
            "srcnat",
            "    jump masquerading\n",
        ),
    ]
    .concat()
}

//! The file's format. Names and shapes are a contract with the next version of the agent.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt::Debug,
    hash::Hash,
    net::IpAddr,
};

use serde::{Deserialize, Serialize};
use tidegate_abi::{Family, Proto};
use tidegate_control::{
    Kind, ObjectKey, address,
    allocate::{Assignment, Assignments, FamilyPolicy, NodePort},
};

/// A change that an older agent would misread gets another number.
const VERSION: u32 = 1;

/// Read first: the rest may have another shape.
#[derive(Deserialize)]
struct Header {
    version: u32,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    services: Vec<Service>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Service {
    namespace: String,
    name: String,
    ip_families: Vec<String>,
    ip_family_policy: String,
    #[serde(default, rename = "clusterIPs", skip_serializing_if = "Vec::is_empty")]
    cluster_ips: Vec<IpAddr>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    node_ports: Vec<Port>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    health_check_node_port: Option<u16>,
    #[serde(
        default,
        rename = "loadBalancerIPs",
        skip_serializing_if = "Vec::is_empty"
    )]
    load_balancer_ips: Vec<IpAddr>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Port {
    name: String,
    protocol: String,
    port: u16,
    node_port: u16,
}

/// The file's text.
pub(super) fn text(assignments: &Assignments) -> serde_json::Result<String> {
    let services = assignments
        .iter()
        .map(|(key, it)| service(key, it))
        .collect();
    let content = Content {
        version: VERSION,
        services,
    };
    Ok(serde_json::to_string_pretty(&content)? + "\n")
}

/// Reads the file's text; the error is one phrase. Two owners of one number are damage as well.
pub(super) fn parse(text: &str) -> Result<Assignments, String> {
    let header: Header = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if header.version != VERSION {
        let found = header.version;
        return Err(format!(
            "format {found}, this agent knows format {VERSION} only"
        ));
    }
    let content: Content = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut assignments = Assignments::new();
    let (mut ips, mut ports) = (HashMap::new(), HashMap::new());
    for service in content.services {
        let key = ObjectKey {
            kind: Kind::Service,
            namespace: service.namespace.clone(),
            name: service.name.clone(),
        };
        let assignment = assignment(service).map_err(|reason| format!("{key}: {reason}"))?;
        for ip in assignment.ips() {
            claim(&mut ips, ip, &key)?;
        }
        for (number, _) in assignment.numbers() {
            claim(&mut ports, number, &key)?;
        }
        let shown = key.to_string();
        if assignments.insert(key, assignment).is_some() {
            return Err(format!("{shown} is there twice"));
        }
    }
    Ok(assignments)
}

fn claim<N: Copy + Debug + Eq + Hash>(
    owners: &mut HashMap<N, ObjectKey>,
    number: N,
    key: &ObjectKey,
) -> Result<(), String> {
    match owners.entry(number) {
        Entry::Occupied(owner) if owner.get() != key => Err(format!(
            "{number:?} belongs to both {} and {key}",
            owner.get()
        )),
        Entry::Occupied(_) => Ok(()),
        Entry::Vacant(free) => {
            free.insert(key.clone());
            Ok(())
        }
    }
}

fn service(key: &ObjectKey, it: &Assignment) -> Service {
    let port = |port: &NodePort| Port {
        name: port.port_name.clone(),
        protocol: port.proto.name().unwrap_or_default().to_owned(),
        port: port.port,
        node_port: port.number,
    };
    let families = it.families.iter();
    Service {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        ip_families: families
            .map(|it| address::family_name(*it).to_owned())
            .collect(),
        ip_family_policy: it.policy.name().to_owned(),
        cluster_ips: it.cluster_ips.clone(),
        node_ports: it.node_ports.iter().map(port).collect(),
        health_check_node_port: it.health_check_node_port,
        load_balancer_ips: it.load_balancer_ips.clone(),
    }
}

fn assignment(it: Service) -> Result<Assignment, String> {
    let families = it.ip_families.iter().map(|name| family(name));
    let ports = it.node_ports.into_iter().map(|port| {
        Ok(NodePort {
            proto: proto(&port.protocol)?,
            port_name: port.name,
            port: port.port,
            number: port.node_port,
        })
    });
    let policy = it.ip_family_policy;
    Ok(Assignment {
        families: families.collect::<Result<_, String>>()?,
        policy: FamilyPolicy::of(&policy).ok_or_else(|| format!("no policy {policy:?}"))?,
        cluster_ips: it.cluster_ips,
        node_ports: ports.collect::<Result<_, String>>()?,
        health_check_node_port: it.health_check_node_port,
        load_balancer_ips: it.load_balancer_ips,
    })
}

fn family(name: &str) -> Result<Family, String> {
    let found = [Family::V4, Family::V6]
        .into_iter()
        .find(|it| address::family_name(*it) == name);
    found.ok_or_else(|| format!("no family {name:?}"))
}

fn proto(name: &str) -> Result<Proto, String> {
    let found = [Proto::TCP, Proto::UDP, Proto::SCTP]
        .into_iter()
        .find(|it| it.name() == Some(name));
    found.ok_or_else(|| format!("no protocol {name:?}"))
}

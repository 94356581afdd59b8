//! Services and EndpointSlices as a user writes them, in a directory that an agent watches.
//!
//! The objects are plain JSON values: a test that needs a field more sets it by its name.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::two_nodes::Pod;

/// A directory of manifests. Files appear in it whole or not at all.
#[derive(Debug)]
pub struct Manifests(PathBuf);

/// One port of a Service, the same for its slices.
#[derive(Clone, Copy, Debug)]
pub struct Port<'a> {
    pub name: &'a str,
    /// `TCP`, `UDP` or `SCTP`
    pub protocol: &'a str,
    pub port: u16,
    pub target: u16,
    pub node_port: Option<u16>,
}

/// One endpoint of a slice.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub address: IpAddr,
    pub node: String,
    pub ready: bool,
}

impl Manifests {
    /// `dir` must exist.
    pub fn new(dir: PathBuf) -> Self {
        Self(dir)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes objects as one `List` to `<name>.json`.
    pub fn put(&self, name: &str, objects: &[Value]) -> Result<()> {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        self.put_text(&format!("{name}.json"), &format!("{list:#}\n"))
    }

    /// Writes any text to `file`.
    pub fn put_text(&self, file: &str, text: &str) -> Result<()> {
        // Neither `.json` nor `.yaml` at the end, so that nobody reads it half written.
        let temporary = self.0.join(format!(".{file}.new"));
        let path = self.0.join(file);
        fs::write(&temporary, text)
            .and_then(|()| fs::rename(&temporary, &path))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    pub fn remove(&self, file: &str) -> Result<()> {
        let path = self.0.join(file);
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
    }
}

impl<'a> Port<'a> {
    pub fn new(name: &'a str, protocol: &'a str, port: u16, target: u16) -> Self {
        Self {
            name,
            protocol,
            port,
            target,
            node_port: None,
        }
    }

    pub fn node_port(mut self, port: u16) -> Self {
        self.node_port = Some(port);
        self
    }
}

/// A Service in namespace `default`: of type NodePort when a port has one, else ClusterIP; of
/// both families when it has an address of each.
pub fn service(name: &str, cluster_ips: &[IpAddr], ports: &[Port<'_>]) -> Value {
    let has_node_port = ports.iter().any(|port| port.node_port.is_some());
    let ports = ports.iter().map(|port| {
        let Port {
            name,
            protocol,
            port,
            target,
            node_port,
        } = port;
        let mut value = json!(
            { "name": name, "protocol": protocol, "port": port, "targetPort": target });
        if let Some(node_port) = node_port {
            value["nodePort"] = json!(node_port);
        }
        value
    });
    let families = cluster_ips.iter().map(|ip| family(ip));
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": name, "namespace": "default" },
        "spec": {
            "type": if has_node_port { "NodePort" } else { "ClusterIP" },
            "clusterIP": cluster_ips.first(),
            "clusterIPs": cluster_ips,
            "ipFamilies": families.collect::<Vec<_>>(),
            "ports": ports.collect::<Vec<_>>(),
        },
    })
}

/// A slice of `service`. All endpoints are of the first one's family; without any it is IPv4.
pub fn endpoint_slice(service: &str, suffix: &str, ports: &[Port<'_>], of: &[Endpoint]) -> Value {
    let ports = ports.iter().map(|port| {
        let Port {
            name,
            protocol,
            target,
            ..
        } = port;
        json!({ "name": name, "protocol": protocol, "port": target })
    });
    let endpoints = of.iter().map(|endpoint| {
        let Endpoint {
            address,
            node,
            ready,
        } = endpoint;
        json!({
            "addresses": [address],
            "nodeName": node,
            "conditions": { "ready": ready, "serving": ready, "terminating": false },
        })
    });
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{service}-{suffix}"),
            "namespace": "default",
            "labels": { "kubernetes.io/service-name": service },
        },
        "addressType": of.first().map_or("IPv4", |endpoint| family(&endpoint.address)),
        "ports": ports.collect::<Vec<_>>(),
        "endpoints": endpoints.collect::<Vec<_>>(),
    })
}

/// Both addresses of each pod, ready.
pub fn pod_endpoints<'a>(pods: impl IntoIterator<Item = &'a Pod>) -> Vec<Endpoint> {
    let both = |pod: &Pod| {
        let node = pod.node.to_owned();
        pod.addresses().map(|address| Endpoint {
            address,
            node: node.clone(),
            ready: true,
        })
    };
    pods.into_iter().flat_map(both).collect()
}

/// One slice of each family: `<service>-ipv4` and `<service>-ipv6`.
pub fn slices(service: &str, ports: &[Port<'_>], endpoints: &[Endpoint]) -> Vec<Value> {
    let (v4, v6): (Vec<_>, Vec<_>) = endpoints
        .iter()
        .cloned()
        .partition(|endpoint| endpoint.address.is_ipv4());
    let mut slices = vec![endpoint_slice(service, "ipv4", ports, &v4)];
    if !v6.is_empty() {
        slices.push(endpoint_slice(service, "ipv6", ports, &v6));
    }
    slices
}

fn family(address: &IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_port_makes_the_service_a_node_port_service_of_both_families() {
        let ips = [
            "10.96.0.10".parse().unwrap(),
            "fd00:96::10".parse().unwrap(),
        ];
        let web = service(
            "web",
            &ips,
            &[Port::new("http", "TCP", 80, 8080).node_port(30008)],
        );
        assert_eq!(web["spec"]["type"], "NodePort");
        assert_eq!(web["spec"]["ipFamilies"], json!(["IPv4", "IPv6"]));
        assert_eq!(web["spec"]["ports"][0]["nodePort"], 30008);
    }

    #[test]
    fn a_slice_has_endpoints_of_one_family_and_the_target_port() {
        let endpoint = |ip: &str| Endpoint {
            address: ip.parse().unwrap(),
            node: "nodea".to_owned(),
            ready: true,
        };
        let port = Port::new("http", "TCP", 80, 8080);
        let slices = slices(
            "web",
            &[port],
            &[endpoint("10.244.0.2"), endpoint("fd00:244::2")],
        );
        assert_eq!(slices[0]["addressType"], "IPv4");
        assert_eq!(slices[1]["addressType"], "IPv6");
        assert_eq!(
            slices[1]["endpoints"][0]["addresses"],
            json!(["fd00:244::2"])
        );
        assert_eq!(slices[0]["ports"][0]["port"], 8080);
    }
}

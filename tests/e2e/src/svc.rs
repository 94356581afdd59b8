//! Services as tests write them, with every frontend that a Service can have.
//!
//! Number N has clusterIPs 10.96.0.N and fd00:96::N, nodePort 30000 + N, load-balancer addresses
//! 198.51.100.N and 2001:db8:51::N, external IPs 203.0.113.N and 2001:db8:cb::N. Which of them it
//! really has, the test says; nothing here knows what tidegate makes of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde_json::{Value, json};
use tidegate_rig::{Port, service};

use crate::{
    endpoint::Ep,
    setup::{SERVICE_PORT, TARGET},
};

/// A Service of namespace `default`, TCP and UDP on port 80.
#[derive(Clone, Debug)]
pub struct Svc {
    pub name: String,
    number: u8,
    /// The object; a test may change whatever it likes.
    pub object: Value,
}

impl Svc {
    /// Of type NodePort, with both clusterIPs.
    pub fn new(name: &str, number: u8) -> Self {
        let node_port = node_port_of(number);
        let ports = [("tcp", "TCP"), ("udp", "UDP")].map(|(name, protocol)| {
            Port::new(name, protocol, SERVICE_PORT, TARGET).node_port(node_port)
        });
        let ips = [false, true].map(|v6| cluster_of(number, v6));
        Self {
            name: name.to_owned(),
            number,
            object: service(name, &ips, &ports),
        }
    }

    /// Of type ClusterIP.
    pub fn internal(name: &str, number: u8) -> Self {
        let mut svc = Self::new(name, number);
        for port in svc.object["spec"]["ports"]
            .as_array_mut()
            .into_iter()
            .flatten()
        {
            port.as_object_mut().map(|port| port.remove("nodePort"));
        }
        svc.spec("type", json!("ClusterIP"))
    }

    /// With this in its `spec`.
    pub fn spec(mut self, field: &str, value: Value) -> Self {
        self.object["spec"][field] = value;
        self
    }

    /// With this annotation.
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.object["metadata"]["annotations"][key] = json!(value);
        self
    }

    pub fn external_policy(self, policy: &str) -> Self {
        self.spec("externalTrafficPolicy", json!(policy))
    }

    pub fn internal_policy(self, policy: &str) -> Self {
        self.spec("internalTrafficPolicy", json!(policy))
    }

    /// With session affinity of so many seconds.
    pub fn affinity(self, seconds: u32) -> Self {
        self.spec("sessionAffinity", json!("ClientIP")).spec(
            "sessionAffinityConfig",
            json!({ "clientIP": { "timeoutSeconds": seconds } }),
        )
    }

    /// Of type LoadBalancer, with an address of each family in its status.
    pub fn with_vip(self) -> Self {
        self.with_vip_mode("VIP")
    }

    /// The same with another `ipMode`.
    pub fn with_vip_mode(self, mode: &str) -> Self {
        let mut svc = self.spec("type", json!("LoadBalancer"));
        let ingress =
            [false, true].map(|v6| json!({ "ip": vip_of(svc.number, v6), "ipMode": mode }));
        svc.object["status"] = json!({ "loadBalancer": { "ingress": ingress } });
        svc
    }

    /// With an external IP of each family.
    pub fn with_external_ip(self) -> Self {
        let ips = [false, true].map(|v6| external_of(self.number, v6));
        self.spec("externalIPs", json!(ips))
    }

    pub fn cluster(&self, v6: bool) -> SocketAddr {
        (cluster_of(self.number, v6), SERVICE_PORT).into()
    }

    pub fn vip(&self, v6: bool) -> SocketAddr {
        (vip_of(self.number, v6), SERVICE_PORT).into()
    }

    pub fn external(&self, v6: bool) -> SocketAddr {
        (external_of(self.number, v6), SERVICE_PORT).into()
    }

    pub fn node_port_number(&self) -> u16 {
        node_port_of(self.number)
    }

    /// The NodePort at an address.
    pub fn node_port(&self, at: impl Into<IpAddr>) -> SocketAddr {
        (at.into(), self.node_port_number()).into()
    }

    /// The Service with one slice of each family.
    pub fn objects(&self, endpoints: &[Ep]) -> Vec<Value> {
        let [v4, v6] = self.slices("all", endpoints);
        vec![self.object.clone(), v4, v6]
    }

    /// Slices of both families; `suffix` tells those of one Service apart. All endpoints have the
    /// first one's port.
    pub fn slices(&self, suffix: &str, endpoints: &[Ep]) -> [Value; 2] {
        let target = endpoints
            .first()
            .map_or(TARGET, |endpoint| endpoint.target());
        let listed = self.object["spec"]["ports"].as_array();
        let ports: Vec<Value> = listed
            .into_iter()
            .flatten()
            .map(|port| json!({ "name": port["name"], "protocol": port["protocol"], "port": target }))
            .collect();
        [("IPv4", 0), ("IPv6", 1)].map(|(family, index)| {
            let endpoints: Vec<Value> = endpoints
                .iter()
                .map(|endpoint| endpoint.json(index))
                .collect();
            json!({
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": format!("{}-{suffix}-{}", self.name, family.to_lowercase()),
                    "namespace": "default",
                    "labels": { "kubernetes.io/service-name": self.name },
                },
                "addressType": family,
                "ports": ports,
                "endpoints": endpoints,
            })
        })
    }
}

fn node_port_of(number: u8) -> u16 {
    30_000 + u16::from(number)
}

fn cluster_of(number: u8, v6: bool) -> IpAddr {
    address([10, 96, 0], [0xfd00, 0x96, 0], number, v6)
}

fn vip_of(number: u8, v6: bool) -> IpAddr {
    address([198, 51, 100], [0x2001, 0xdb8, 0x51], number, v6)
}

fn external_of(number: u8, v6: bool) -> IpAddr {
    address([203, 0, 113], [0x2001, 0xdb8, 0xcb], number, v6)
}

fn address(v4: [u8; 3], v6: [u16; 3], number: u8, want_v6: bool) -> IpAddr {
    if want_v6 {
        Ipv6Addr::new(v6[0], v6[1], v6[2], 0, 0, 0, 0, number.into()).into()
    } else {
        Ipv4Addr::new(v4[0], v4[1], v4[2], number).into()
    }
}

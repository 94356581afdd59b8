//! The scene of most tests: a laptop and two nodes on a LAN, each node with pods.
//!
//! ```text
//!  client 192.168.1.10      nodea 192.168.1.2             nodeb 192.168.1.3
//!         fd00:1::10              fd00:1::2                     fd00:1::3
//!      └────────── lan (bridge, router 192.168.1.1 that leads nowhere) ──┘
//!                           poda1.. 10.244.0.2..          podb1.. 10.244.1.2..
//!                                   fd00:244::2..                 fd00:244:1::2..
//! ```
//! Pods are routed, not bridged, as with Calico: the pod has a /32 and a default route through a
//! link-local gateway, the node a route to each pod. The nodes route each other's pods; the client
//! knows the LAN only. Nodes have a default route, so that what is not translated goes astray and
//! is seen, as it would be on a real machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Deref;

use anyhow::Result;

use crate::link::{link, offloads};
use crate::netns::Netns;
use crate::scene::Scene;

/// Two nodes with pods, and a client, on one LAN. Derefs to its [`Scene`].
#[derive(Debug)]
pub struct TwoNodes {
    pub client: Netns,
    /// Holds the bridge `br0` with the ports `client`, `nodea` and `nodeb`.
    pub lan: Netns,
    pub a: Node,
    pub b: Node,
    scene: Scene,
}

/// A machine: uplink `eth0`, and a `veth-*` for each pod.
#[derive(Debug)]
pub struct Node {
    pub name: &'static str,
    pub ns: Netns,
    pub v4: Ipv4Addr,
    pub v6: Ipv6Addr,
    pub pods: Vec<Pod>,
}

#[derive(Debug)]
pub struct Pod {
    pub name: String,
    pub node: &'static str,
    pub ns: Netns,
    pub v4: Ipv4Addr,
    pub v6: Ipv6Addr,
    /// The device's name at the node's end; the pod's own is `eth0`.
    pub device: String,
}

/// How many pods, and whether senders leave checksums and segmentation to the device.
#[derive(Clone, Copy, Debug)]
pub struct Builder {
    pods: [u8; 2],
    offloads: bool,
}

impl TwoNodes {
    /// Four pods a node, offloads on.
    pub fn builder() -> Builder {
        Builder {
            pods: [4, 4],
            offloads: true,
        }
    }

    /// Every pod of both nodes.
    pub fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.a.pods.iter().chain(&self.b.pods)
    }

    /// To add more to the scene.
    pub fn scene_mut(&mut self) -> &mut Scene {
        &mut self.scene
    }
}

impl Deref for TwoNodes {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

impl Node {
    /// The node's address of either family.
    pub fn addresses(&self) -> [IpAddr; 2] {
        [self.v4.into(), self.v6.into()]
    }
}

impl Pod {
    pub fn addresses(&self) -> [IpAddr; 2] {
        [self.v4.into(), self.v6.into()]
    }
}

impl Builder {
    /// Pods of node A and of node B, at most 200 each.
    pub fn pods(mut self, a: u8, b: u8) -> Self {
        self.pods = [a, b];
        self
    }

    pub fn offloads(mut self, on: bool) -> Self {
        self.offloads = on;
        self
    }

    pub fn build(self) -> Result<TwoNodes> {
        let mut scene = Scene::new()?;
        let lan = scene.netns("lan")?;
        quiet_ipv6(&lan)?;
        lan.ip(
            "link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n\
             link set br0 up\n\
             addr add 192.168.1.1/24 dev br0\n\
             addr add fd00:1::1/64 dev br0 nodad",
        )?;
        let client = self.machine(&mut scene, &lan, "client", 10)?;
        let a = self.node(&mut scene, &lan, 0)?;
        let b = self.node(&mut scene, &lan, 1)?;
        for (node, other) in [(&a, &b), (&b, &a)] {
            let subnet = other.subnet();
            node.ns.ip(&format!(
                "route add default via 192.168.1.1\n\
                 route add default via fd00:1::1\n\
                 route add 10.244.{subnet}.0/24 via {}\n\
                 route add fd00:244:{subnet}::/48 via {}",
                other.v4, other.v6
            ))?;
        }
        Ok(TwoNodes {
            client,
            lan,
            a,
            b,
            scene,
        })
    }

    /// A namespace with one cable to the LAN, called `eth0`.
    fn machine(self, scene: &mut Scene, lan: &Netns, name: &str, host: u8) -> Result<Netns> {
        let ns = scene.netns(name)?;
        quiet_ipv6(&ns)?;
        link(&ns, "eth0", lan, name)?;
        lan.ip(&format!("link set {name} master br0"))?;
        ns.ip(&format!(
            "addr add 192.168.1.{host}/24 dev eth0\n\
             addr add fd00:1::{host}/64 dev eth0 nodad"
        ))?;
        self.set_offloads(&[(&ns, "eth0"), (lan, name)])?;
        Ok(ns)
    }

    fn node(self, scene: &mut Scene, lan: &Netns, index: u8) -> Result<Node> {
        let name = ["nodea", "nodeb"][usize::from(index)];
        let host = 2 + index;
        let ns = self.machine(scene, lan, name, host)?;
        ns.sysctl("ipv4.ip_forward", 1)?;
        ns.sysctl("ipv6.conf.all.forwarding", 1)?;
        let mut node = Node {
            name,
            ns,
            v4: Ipv4Addr::new(192, 168, 1, host),
            v6: Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, host.into()),
            pods: Vec::new(),
        };
        for number in 1..=self.pods[usize::from(index)] {
            let pod = self.pod(scene, &node, index, number)?;
            node.pods.push(pod);
        }
        Ok(node)
    }

    fn pod(self, scene: &mut Scene, node: &Node, subnet: u8, number: u8) -> Result<Pod> {
        let letter = ['a', 'b'][usize::from(subnet)];
        let (name, device) = (
            format!("pod{letter}{number}"),
            format!("veth-{letter}{number}"),
        );
        let host = number + 1;
        let v4 = Ipv4Addr::new(10, 244, subnet, host);
        let v6 = Ipv6Addr::new(0xfd00, 0x244, subnet.into(), 0, 0, 0, 0, host.into());
        let ns = scene.netns(&name)?;
        quiet_ipv6(&ns)?;
        link(&ns, "eth0", &node.ns, &device)?;
        // The node answers for the gateway's address, which nobody has.
        node.ns
            .sysctl(&format!("ipv4.conf.{device}.proxy_arp"), 1)?;
        node.ns
            .sysctl(&format!("ipv4.neigh.{device}.proxy_delay"), 0)?;
        node.ns.ip(&format!(
            "addr add fe80::1/64 dev {device} nodad\n\
             route add {v4}/32 dev {device}\n\
             route add {v6}/128 dev {device}"
        ))?;
        ns.ip(&format!(
            "addr add {v4}/32 dev eth0\n\
             addr add {v6}/128 dev eth0 nodad\n\
             route add 169.254.1.1 dev eth0 scope link\n\
             route add default via 169.254.1.1 dev eth0\n\
             route add default via fe80::1 dev eth0"
        ))?;
        self.set_offloads(&[(&ns, "eth0"), (&node.ns, &device)])?;
        Ok(Pod {
            name,
            node: node.name,
            ns,
            v4,
            v6,
            device,
        })
    }

    fn set_offloads(self, ends: &[(&Netns, &str)]) -> Result<()> {
        if self.offloads {
            return Ok(());
        }
        ends.iter()
            .try_for_each(|(ns, dev)| offloads(ns, dev, false))
    }
}

impl Node {
    /// The number that this node's pods have in their addresses.
    fn subnet(&self) -> u8 {
        self.v4.octets()[3] - 2
    }
}

/// Addresses that work at once, without waiting to see whether somebody else has them; and routes that
/// stay as they are, whatever a node says about a packet that it sends back to the LAN.
fn quiet_ipv6(ns: &Netns) -> Result<()> {
    for scope in ["all", "default"] {
        ns.sysctl(&format!("ipv6.conf.{scope}.accept_dad"), 0)?;
        ns.sysctl(&format!("ipv6.conf.{scope}.accept_ra"), 0)?;
        ns.sysctl(&format!("ipv4.conf.{scope}.rp_filter"), 0)?;
        ns.sysctl(&format!("ipv4.conf.{scope}.accept_redirects"), 0)?;
        ns.sysctl(&format!("ipv6.conf.{scope}.accept_redirects"), 0)?;
    }
    Ok(())
}

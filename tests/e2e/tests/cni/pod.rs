//! Pods whose link is made by hand, as the plugins `ptp` and `bridge` make it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Result;
use serde_json::{Value, json};
use tidegate_e2e::{Ep, World};
use tidegate_rig::{EchoServer, Netns, link};

/// A pod on node A. The agent's globs do not match its device.
pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) ns: Netns,
    /// The host end.
    pub(crate) device: String,
    v4: Ipv4Addr,
    v6: Ipv6Addr,
    bridge: Option<&'static str>,
    _echo: EchoServer,
}

impl Pod {
    /// With addresses that end in `number`, behind a route, as `ptp` and Calico do it.
    pub(crate) fn routed(world: &mut World, number: u8) -> Result<Self> {
        let (v4, v6) = addresses(number);
        let pod = |world: &mut World| Self::linked(world, number, v4, v6, None);
        let pod = pod(world)?;
        let (node, device) = (&world.scene.a.ns, &pod.device);
        node.sysctl(&format!("ipv4.conf.{device}.proxy_arp"), 1)?;
        node.sysctl(&format!("ipv4.neigh.{device}.proxy_delay"), 0)?;
        node.ip(&format!(
            "addr add fe80::1/64 dev {device} nodad\n\
             route add {v4}/32 dev {device}\nroute add {v6}/128 dev {device}"
        ))?;
        pod.ns.ip(&format!(
            "addr add {v4}/32 dev eth0\naddr add {v6}/128 dev eth0 nodad\n\
             route add 169.254.1.1 dev eth0 scope link\n\
             route add default via 169.254.1.1 dev eth0\nroute add default via fe80::1 dev eth0"
        ))?;
        Ok(pod)
    }

    /// The same as a port of a bridge, which is the gateway.
    pub(crate) fn bridged(world: &mut World, number: u8) -> Result<Self> {
        let v4 = Ipv4Addr::new(10, 245, 0, number);
        let v6 = Ipv6Addr::new(0xfd00, 0x245, 0, 0, 0, 0, 0, number.into());
        let pod = Self::linked(world, number, v4, v6, Some("cni0"))?;
        world.scene.a.ns.ip(&format!(
            "link add cni0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n\
             link set cni0 up\nlink set {} master cni0\n\
             addr add 10.245.0.1/24 dev cni0\naddr add fd00:245::1/64 dev cni0 nodad",
            pod.device
        ))?;
        pod.ns.ip(&format!(
            "addr add {v4}/24 dev eth0\naddr add {v6}/64 dev eth0 nodad\n\
             route add default via 10.245.0.1\nroute add default via fd00:245::1"
        ))?;
        Ok(pod)
    }

    fn linked(
        world: &mut World,
        number: u8,
        v4: Ipv4Addr,
        v6: Ipv6Addr,
        bridge: Option<&'static str>,
    ) -> Result<Self> {
        let name = format!("cni{number}");
        let ns = world.scene.scene_mut().netns(&name)?;
        for scope in ["all", "default"] {
            ns.sysctl(&format!("ipv6.conf.{scope}.accept_dad"), 0)?;
        }
        let device = format!("odd{number}");
        link(&ns, "eth0", &world.scene.a.ns, &device)?;
        let echo = EchoServer::start(&ns, &name, 8080)?;
        Ok(Self {
            name,
            ns,
            device,
            v4,
            v6,
            bridge,
            _echo: echo,
        })
    }

    pub(crate) fn addresses(&self) -> [IpAddr; 2] {
        [self.v4.into(), self.v6.into()]
    }

    pub(crate) fn endpoint(&self) -> Ep {
        Ep::at(self.addresses(), "nodea")
    }

    /// What the plugin that made the link has printed.
    pub(crate) fn result(&self, version: &str) -> Value {
        let mut interfaces = Vec::new();
        interfaces.extend(self.bridge.map(|name| json!({ "name": name })));
        interfaces.push(json!({ "name": self.device }));
        interfaces.push(json!({ "name": "eth0", "sandbox": self.ns.path() }));
        let inside = interfaces.len() - 1;
        let [v4, v6] = [(self.v4.to_string(), 32), (self.v6.to_string(), 128)].map(
            |(ip, length)| json!({ "address": format!("{ip}/{length}"), "interface": inside }),
        );
        json!({ "cniVersion": version, "interfaces": interfaces, "ips": [v4, v6], "dns": {} })
    }

    /// The link goes, as it does with the pod's namespace.
    pub(crate) fn remove_link(&self) -> Result<()> {
        self.ns.ip("link del eth0")
    }
}

fn addresses(number: u8) -> (Ipv4Addr, Ipv6Addr) {
    (
        Ipv4Addr::new(10, 244, 0, number),
        Ipv6Addr::new(0xfd00, 0x244, 0, 0, 0, 0, 0, number.into()),
    )
}

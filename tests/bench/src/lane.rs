//! The road on which packets are sent: a sender outside, a node, two pods; one cable from the node to each.
//!
//! ```text
//!  sender 192.168.1.10      node 192.168.1.2           pod 10.244.128.2
//!         eth0 ───────────── eth0   veth-a1 ─────────── eth0
//!  and 10.244.1.0/24 behind it:     veth-a2 ─────────── eth0
//!  the pods of another node                            caller 10.244.0.0/24
//! ```

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result};
use aya::programs::{
    SchedClassifier, TcAttachType, TestRun as _, TestRunAttrs, TestRunOptions, Xdp, XdpMode,
    tc::TcAttach,
};
use nix::net::if_::if_nametoindex;
use tidegate_rig::{Netns, Node, Scene, link, mac_of};

use crate::{
    driver::{Driver, Plan, stay_on_one_cpu},
    rules::By,
};

pub(crate) const NODE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 2);
pub(crate) const POD: Ipv4Addr = Ipv4Addr::new(10, 244, 128, 2);
/// The pod of another node.
pub(crate) const REMOTE: Ipv4Addr = Ipv4Addr::new(10, 244, 1, 2);
/// The first client outside, and the first address of the pod that calls; the low half differs.
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 0);
pub(crate) const CALLER: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 0);

/// How many frames the kernel makes at once.
const BATCH: u32 = 64;
/// The length of a frame.
const LEN: usize = 64;

pub(crate) struct Lane {
    pub(crate) scene: Scene,
    pub(crate) sender: Netns,
    pub(crate) node: Node,
    pub(crate) pod: Netns,
    caller: Netns,
    /// Interface indexes at the node.
    pub(crate) uplink: u32,
    pub(crate) to_pod: u32,
}

/// By which devices packets leave their sender and enter the node.
pub(crate) struct Entry {
    pub(crate) device: u32,
    pub(crate) at_node: &'static str,
    /// Ethernet addresses of the sender and of the node's device.
    pub(crate) macs: [[u8; 6]; 2],
    /// The first client.
    pub(crate) client: Ipv4Addr,
}

impl Lane {
    pub(crate) fn new() -> Result<Self> {
        let mut scene = Scene::new()?;
        let (sender, ns, pod, caller) = (
            scene.netns("sender")?,
            scene.netns("node")?,
            scene.netns("pod")?,
            scene.netns("caller")?,
        );
        link(&sender, "eth0", &ns, "eth0")?;
        link(&pod, "eth0", &ns, "veth-a1")?;
        link(&caller, "eth0", &ns, "veth-a2")?;
        for scope in ["all", "default", "eth0"] {
            ns.sysctl(&format!("ipv4.conf.{scope}.rp_filter"), 0)?;
            ns.sysctl(&format!("ipv4.conf.{scope}.send_redirects"), 0)?;
        }
        ns.sysctl("ipv4.ip_forward", 1)?;
        sender.ip("addr add 192.168.1.10/24 dev eth0")?;
        pod.ip(&format!(
            "addr add {POD}/32 dev eth0\nroute add 169.254.1.1 dev eth0 scope link\n\
             route add default via 169.254.1.1 dev eth0"
        ))?;
        ns.sysctl("ipv4.conf.veth-a1.proxy_arp", 1)?;
        ns.sysctl("ipv4.neigh.veth-a1.proxy_delay", 0)?;
        let mac = |ns: &Netns| mac_of(ns, "eth0").map(text);
        ns.ip(&format!(
            "addr add 192.168.1.2/24 dev eth0\n\
             route add default via 192.168.1.10\n\
             route add 10.244.1.0/24 via 192.168.1.10\n\
             route add {POD}/32 dev veth-a1\n\
             route add {CALLER}/24 dev veth-a2\n\
             neigh replace 192.168.1.10 lladdr {} dev eth0 nud permanent\n\
             neigh replace {POD} lladdr {} dev veth-a1 nud permanent\n\
             neigh replace {CALLER} lladdr {} dev veth-a2 nud permanent",
            mac(&sender)?,
            mac(&pod)?,
            mac(&caller)?
        ))?;
        let (uplink, to_pod) = (index(&ns, "eth0")?, index(&ns, "veth-a1")?);
        let node = Node {
            name: "nodea",
            ns,
            v4: NODE,
            v6: std::net::Ipv6Addr::LOCALHOST,
            pods: Vec::new(),
        };
        Ok(Self {
            scene,
            sender,
            node,
            pod,
            caller,
            uplink,
            to_pod,
        })
    }

    /// Where those are who dial by this kind of address.
    pub(crate) fn from(&self, by: By) -> &Netns {
        match by {
            By::NodePort => &self.sender,
            By::ClusterIp => &self.caller,
        }
    }

    /// How their packets enter the node.
    pub(crate) fn entry(&self, by: By) -> Result<Entry> {
        let from = self.from(by);
        let (at_node, client) = match by {
            By::NodePort => ("eth0", CLIENT),
            By::ClusterIp => ("veth-a2", CALLER),
        };
        Ok(Entry {
            device: index(from, "eth0")?,
            at_node,
            macs: [mac_of(from, "eth0")?, mac_of(&self.node.ns, at_node)?],
            client,
        })
    }

    /// Sends so many packets; how many arrived in a second.
    pub(crate) fn send(
        from: &Netns,
        driver: &mut Driver,
        plan: &Plan,
        packets: u32,
    ) -> Result<f64> {
        driver.plan(plan)?;
        let before = driver.arrived()?;
        let (seconds, driver) = from.run(|| -> Result<_> {
            stay_on_one_cpu()?;
            let frame = [0; LEN];
            let mut options = TestRunOptions::new();
            options.data_in = Some(&frame);
            options.repeat = packets;
            options.attrs = TestRunAttrs::new().xdp_live_frames(BATCH);
            let program: &Xdp = driver.ebpf.program("send").context("send")?.try_into()?;
            let begun = std::time::Instant::now();
            program.test_run(options)?;
            Ok((begun.elapsed().as_secs_f64(), driver))
        })?;
        Ok((driver.arrived()? - before) as f64 / seconds)
    }
}

fn index(ns: &Netns, device: &str) -> Result<u32> {
    ns.run(|| if_nametoindex(device)).context("no device")
}

/// A program of the benchmark at a device, until it is dropped.
pub(crate) struct Attached(#[expect(dead_code, reason = "held")] Box<dyn std::any::Any + Send>);

pub(crate) fn attach_tc(
    driver: &mut Driver,
    name: &'static str,
    ns: &Netns,
    device: &str,
) -> Result<Attached> {
    ns.run(|| {
        let program: &mut SchedClassifier =
            driver.ebpf.program_mut(name).context(name)?.try_into()?;
        let attach = TcAttach::Tcx {
            attach_type: TcAttachType::Ingress,
            order: aya::programs::LinkOrder::default(),
        };
        let id = program
            .attach(if_nametoindex(device)?, attach)
            .with_context(|| format!("{name} at {device}"))?;
        Ok(Attached(Box::new(program.take_link(id)?)))
    })
}

pub(crate) fn attach_xdp(
    driver: &mut Driver,
    name: &'static str,
    ns: &Netns,
    device: &str,
) -> Result<Attached> {
    ns.run(|| {
        let program: &mut Xdp = driver.ebpf.program_mut(name).context(name)?.try_into()?;
        let id = program
            .attach(if_nametoindex(device)?, XdpMode::Driver)
            .with_context(|| format!("{name} at {device}"))?;
        Ok(Attached(Box::new(program.take_link(id)?)))
    })
}

fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

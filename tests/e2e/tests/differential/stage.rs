//! Two identical scenes: one with kube-proxy's rules on both nodes, one with tidegate on both.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tidegate_e2e::Svc;
use tidegate_rig::{Agent, AgentSpec, EchoServer, Netns, Node, TwoNodes, output_of};

use crate::cases::{Case, cases, objects};
use crate::kube::{self, Here};
use crate::matrix::{Client, To};

/// Where every backend listens.
const TARGET: u16 = 8080;
/// Above the masquerade ports and the NodePorts.
const FIRST_PORT: u16 = 33_000;
/// An address of node A at which no NodePort answers.
const EXCLUDED: [&str; 2] = ["192.0.2.22", "2001:db8:22::22"];

/// A scene in which Services work. Dropping it removes everything.
pub(crate) struct Stage {
    /// Held until the end, as the echo servers are.
    agents: Vec<(Agent, AgentSpec)>,
    _echoes: Vec<EchoServer>,
    pub(crate) cases: Vec<Case>,
    /// Where the next datagram comes from.
    port: AtomicU16,
    scene: TwoNodes,
}

impl Stage {
    /// With kube-proxy's rules.
    pub(crate) fn kube_proxy() -> Result<Self> {
        let stage = Self::bare()?;
        let objects = objects(&stage.cases);
        for node in [&stage.scene.a, &stage.scene.b] {
            for v6 in [false, true] {
                stage.install(node, v6, &objects)?;
            }
        }
        Ok(stage)
    }

    /// With tidegate.
    pub(crate) fn tidegate(args: &[&str]) -> Result<Self> {
        let mut stage = Self::bare()?;
        let objects = objects(&stage.cases);
        let specs = [&stage.scene.a, &stage.scene.b].map(|node| {
            let spec = AgentSpec::new(&stage.scene, node)?
                .args(["--service-cidr", "10.96.0.0/12,fd00:96::/112"])
                .args(args);
            spec.manifests.put("all", &objects).map(|()| spec)
        });
        // A debug build takes its time, so both at once.
        let agents = thread::scope(|scope| {
            let starting =
                specs.map(|spec| scope.spawn(|| spec.and_then(|it| Ok((it.start()?, it)))));
            starting.map(|it| {
                it.join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
        });
        for agent in agents {
            stage.agents.push(agent?);
        }
        Ok(stage)
    }

    fn bare() -> Result<Self> {
        let scene = TwoNodes::builder().pods(2, 2).build()?;
        for node in [&scene.a, &scene.b] {
            // Kernels send one refusal a second to each address; here a hundred are asked for at once.
            node.ns.sysctl("ipv4.icmp_ratelimit", 0)?;
            node.ns.sysctl("ipv4.icmp_msgs_per_sec", 1_000_000)?;
            node.ns.sysctl("ipv4.icmp_msgs_burst", 1_000_000)?;
            node.ns.sysctl("ipv6.icmp.ratelimit", 0)?;
        }
        let [v4, v6] = scene.a.addresses();
        let routes = format!(
            "route add 10.96.0.0/12 via {v4}\nroute add fd00:96::/112 via {v6}\n\
             route add 198.51.100.0/24 via {v4}\nroute add 2001:db8:51::/64 via {v6}\n\
             route add 203.0.113.0/24 via {v4}\nroute add 2001:db8:cb::/64 via {v6}\n"
        );
        let [excluded_v4, excluded_v6] = EXCLUDED;
        let excluded =
            format!("route add {excluded_v4} via {v4}\nroute add {excluded_v6} via {v6}");
        scene.client.ip(&(routes + &excluded))?;
        scene.b.ns.ip(&excluded)?;
        scene.a.ns.ip(&format!(
            "addr add {excluded_v4}/32 dev lo scope link\naddr add {excluded_v6}/128 dev lo nodad"
        ))?;
        let pods = scene.pods().map(|pod| (&pod.ns, pod.name.as_str()));
        let nodes = [&scene.a, &scene.b].map(|node| (&node.ns, node.name));
        let echoes = pods
            .chain(nodes)
            .map(|(ns, name)| EchoServer::start(ns, name, TARGET))
            .collect::<Result<_>>()?;
        Ok(Self {
            agents: Vec::new(),
            _echoes: echoes,
            cases: cases(&scene),
            port: AtomicU16::new(FIRST_PORT),
            scene,
        })
    }

    fn install(&self, node: &Node, v6: bool, objects: &[Value]) -> Result<()> {
        let here = Here {
            name: node.name,
            v6,
            address: node.addresses()[usize::from(v6)],
        };
        let family = if v6 { "ip6" } else { "ip" };
        let path = self.scene.dir(node.name)?.join(format!("{family}.nft"));
        fs::write(&path, kube::ruleset(objects, &here)?)?;
        output_of(node.ns.command("nft").arg("-f").arg(&path))
            .map(|_printed| ())
            .with_context(|| format!("kube-proxy's rules on {}", node.name))
    }

    /// A port that no datagram came from yet. What node B translates arrives at node A as a packet to the
    /// pod itself; from the port of an earlier packet to a NodePort of A, the two flows can mix
    /// (docs/limits.md: "one port of a client to a backend directly and through a Service").
    pub(crate) fn next_port(&self) -> u16 {
        match self.port.fetch_add(1, Ordering::Relaxed) {
            port @ FIRST_PORT.. => port,
            // Used up: any port that is free.
            _ => 0,
        }
    }

    pub(crate) fn ns(&self, client: Client) -> &Netns {
        match client {
            Client::Itself => &self.scene.a.pods[0].ns,
            Client::Pod => &self.scene.a.pods[1].ns,
            Client::Node => &self.scene.a.ns,
            Client::Outside => &self.scene.client,
            Client::PodElsewhere => &self.scene.b.pods[1].ns,
        }
    }

    /// What an address is to the one who looks at it.
    pub(crate) fn who(&self, ip: IpAddr, client: Client) -> String {
        let own = match client {
            Client::Itself => self.scene.a.pods[0].addresses(),
            Client::Pod => self.scene.a.pods[1].addresses(),
            Client::Node => self.scene.a.addresses(),
            Client::PodElsewhere => self.scene.b.pods[1].addresses(),
            Client::Outside => ["192.168.1.10", "fd00:1::10"].map(address),
        };
        for node in [&self.scene.a, &self.scene.b] {
            if node.addresses().contains(&ip) {
                return node.name.to_owned();
            }
        }
        if own.contains(&ip) {
            "client".to_owned()
        } else {
            ip.to_string()
        }
    }

    /// What is odd about the address that answered, if anything is.
    pub(crate) fn from(&self, from: SocketAddr, dialled: SocketAddr) -> String {
        let backends = self.scene.pods().map(|pod| pod.addresses());
        let nodes = [&self.scene.a, &self.scene.b].map(Node::addresses);
        if from == dialled {
            String::new()
        } else if from.port() == TARGET && backends.chain(nodes).flatten().any(|ip| ip == from.ip())
        {
            " from its own address".to_owned()
        } else {
            format!(" from {from}")
        }
    }

    /// Where to dial.
    pub(crate) fn dialled(&self, svc: &Svc, to: To, v6: bool) -> SocketAddr {
        let family = usize::from(v6);
        let mut dialled = svc.cluster(v6);
        match to {
            To::ClusterIp => {}
            To::OtherPort => dialled.set_port(81),
            To::Unowned => dialled.set_ip(address(["10.96.0.250", "fd00:96::250"][family])),
            To::NodePort => return svc.node_port(self.scene.a.addresses()[family]),
            To::Excluded => return svc.node_port(address(EXCLUDED[family])),
            To::Loopback => return svc.node_port(address(["127.0.0.1", "::1"][family])),
            To::LoadBalancer => return svc.vip(v6),
            To::ExternalIp => return svc.external(v6),
        }
        dialled
    }
}

fn address(text: &str) -> IpAddr {
    text.parse()
        .unwrap_or_else(|_| unreachable!("{text} is a constant"))
}

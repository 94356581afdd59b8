//! Two nodes with pods that answer, an agent on node A, and the Services of most tests.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde_json::Value;
use tidegate_rig::{
    Agent, AgentSpec, EchoServer, Endpoint, Netns, Pod, Port, TwoNodes, XdpPass, pod_endpoints,
    service, slices,
};

use crate::client::{Proto, ask};

/// Every Service has this port.
pub const SERVICE_PORT: u16 = 80;
/// Every pod listens on this one.
pub(crate) const TARGET: u16 = 8080;

/// The scene of a test. Dropping it removes everything.
pub struct Setup {
    pub agent: Agent,
    pub spec: AgentSpec,
    _echoes: Vec<EchoServer>,
    _awake: Vec<XdpPass>,
    pub scene: TwoNodes,
}

/// A Service of the scene: number N has clusterIPs 10.96.0.N and fd00:96::N and nodePort 30000 + N.
#[derive(Clone, Copy, Debug)]
pub struct ServiceSpec {
    pub name: &'static str,
    pub number: u8,
}

impl ServiceSpec {
    /// The clusterIP and port of a family.
    pub fn cluster(&self, v6: bool) -> SocketAddr {
        let n = u16::from(self.number);
        let ip: IpAddr = if v6 {
            Ipv6Addr::new(0xfd00, 0x96, 0, 0, 0, 0, 0, n).into()
        } else {
            Ipv4Addr::new(10, 96, 0, self.number).into()
        };
        SocketAddr::new(ip, SERVICE_PORT)
    }

    /// The NodePort on node A's address of a family.
    pub fn node_port(&self, setup: &Setup, v6: bool) -> SocketAddr {
        let [v4, v6_address] = setup.scene.a.addresses();
        SocketAddr::new(if v6 { v6_address } else { v4 }, self.node_port_number())
    }

    /// The NodePort's number.
    pub fn node_port_number(&self) -> u16 {
        30_000 + u16::from(self.number)
    }

    fn ports(&self) -> [Port<'static>; 2] {
        ["TCP", "UDP"].map(|protocol| {
            let name = if protocol == "TCP" { "tcp" } else { "udp" };
            Port::new(name, protocol, SERVICE_PORT, TARGET).node_port(self.node_port_number())
        })
    }

    /// The Service and its slices with these endpoints.
    pub fn objects(&self, endpoints: &[Endpoint]) -> Vec<Value> {
        let ports = self.ports();
        let ips = [self.cluster(false).ip(), self.cluster(true).ip()];
        let mut objects = vec![service(self.name, &ips, &ports)];
        objects.extend(slices(self.name, &ports, endpoints));
        objects
    }
}

impl Setup {
    /// One pod on this node.
    pub const LOCAL: ServiceSpec = ServiceSpec {
        name: "local",
        number: 11,
    };
    /// One pod on the other node.
    pub const REMOTE: ServiceSpec = ServiceSpec {
        name: "remote",
        number: 12,
    };
    /// Four pods, two on each node.
    pub const SPREAD: ServiceSpec = ServiceSpec {
        name: "spread",
        number: 13,
    };
    /// Nobody.
    pub const EMPTY: ServiceSpec = ServiceSpec {
        name: "empty",
        number: 14,
    };
    /// The same pod as [`Self::REMOTE`], behind other frontends.
    pub const TWIN: ServiceSpec = ServiceSpec {
        name: "twin",
        number: 15,
    };

    /// Builds the scene; `attach` as in `--attach`, `offloads` for every device of the LAN and the pods.
    pub fn new(attach: &str, offloads: bool, args: &[&str]) -> Result<Self> {
        let scene = TwoNodes::builder().pods(3, 2).offloads(offloads).build()?;
        let awake = if attach == "xdp" {
            vec![XdpPass::attach(&scene.lan, "nodea")?]
        } else {
            vec![]
        };
        let echoes = scene
            .pods()
            .map(|pod| EchoServer::start(&pod.ns, &pod.name, TARGET))
            .collect::<Result<Vec<_>>>()?;
        let spec = AgentSpec::new(&scene, &scene.a)?
            .attach(attach)
            .args(["--service-cidr", "10.96.0.0/12,fd00:96::/112"])
            .args(args.iter().copied());
        let setup = |service: ServiceSpec, pods: &[&Pod]| {
            spec.manifests.put(
                service.name,
                &service.objects(&pod_endpoints(pods.iter().copied())),
            )
        };
        let (a, b) = (&scene.a.pods, &scene.b.pods);
        setup(Self::LOCAL, &[&a[0]])?;
        setup(Self::REMOTE, &[&b[0]])?;
        setup(Self::TWIN, &[&b[0]])?;
        setup(Self::SPREAD, &[&a[0], &a[1], &b[0], &b[1]])?;
        setup(Self::EMPTY, &[])?;
        let agent = spec.start().context("start the agent")?;
        Ok(Self {
            agent,
            spec,
            _echoes: echoes,
            _awake: awake,
            scene,
        })
    }

    /// Gives a Service other endpoints.
    pub fn set_endpoints(&self, service: ServiceSpec, pods: &[&Pod]) -> Result<()> {
        let objects = service.objects(&pod_endpoints(pods.iter().copied()));
        self.spec.manifests.put(service.name, &objects)
    }

    /// Waits until a dialled address is served, after a manifest was written.
    pub fn served(&self, from: &Netns, to: SocketAddr) -> Result<()> {
        let begin = Instant::now();
        loop {
            match from.run(|| ask(Proto::Tcp, to)) {
                Ok(_) => return Ok(()),
                Err(error) if begin.elapsed() > Duration::from_secs(5) => return Err(error),
                Err(_) => {}
            }
        }
    }
}

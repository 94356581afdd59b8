//! Two nodes with pods that answer and an agent on node A; a test brings its own Services.

use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tidegate_rig::{Agent, AgentSpec, EchoServer, Netns, Pod, TwoNodes, XdpPass};

use crate::{endpoint::Ep, setup::TARGET, svc::Svc, wait::soon};

/// Dropping it removes everything.
pub struct World {
    agent: Option<Agent>,
    pub spec: AgentSpec,
    /// One a pod, in the order of [`TwoNodes::pods`].
    pub echoes: Vec<EchoServer>,
    /// Machines that a test added.
    pub extra: Vec<Netns>,
    _awake: Vec<XdpPass>,
    pub scene: TwoNodes,
    marks: AtomicU16,
}

/// What is to be built.
#[derive(Clone, Debug)]
pub struct WorldBuilder {
    pods: [u8; 2],
    args: Vec<String>,
    pods_unknown: bool,
    no_agent: bool,
    xdp: bool,
}

impl World {
    /// Three pods on node A, two on node B; the client has routes to Services' addresses.
    pub fn builder() -> WorldBuilder {
        WorldBuilder {
            pods: [3, 2],
            args: vec!["--service-cidr".into(), "10.96.0.0/12,fd00:96::/112".into()],
            pods_unknown: false,
            no_agent: false,
            xdp: false,
        }
    }

    /// Pod number `n` of node A, from 1.
    pub fn a(&self, n: usize) -> &Pod {
        &self.scene.a.pods[n - 1]
    }

    /// Pod number `n` of node B, from 1.
    pub fn b(&self, n: usize) -> &Pod {
        &self.scene.b.pods[n - 1]
    }

    /// Node A's own address.
    pub fn node_address(&self, v6: bool) -> std::net::IpAddr {
        self.scene.a.addresses()[usize::from(v6)]
    }

    /// The client's address.
    pub fn client_address(&self, v6: bool) -> std::net::IpAddr {
        let text = if v6 { "fd00:1::10" } else { "192.168.1.10" };
        text.parse().unwrap_or_else(|_| unreachable!("a constant"))
    }

    /// Kills the agent (SIGKILL); the data path serves on.
    pub fn kill_agent(&mut self) -> Result<()> {
        self.agent.take().map_or(Ok(()), Agent::kill)
    }

    /// Kills the agent, if there is one, and starts another, which takes over.
    pub fn replace_agent(&mut self) -> Result<()> {
        self.kill_agent()?;
        self.agent = Some(self.spec.start().context("start another agent")?);
        Ok(())
    }

    /// Stops the agent the friendly way and starts another.
    pub fn upgrade_agent(&mut self) -> Result<()> {
        if let Some(agent) = self.agent.take() {
            let status = agent.stop()?;
            ensure!(status.success(), "the agent ended with {status}");
        }
        self.replace_agent()
    }

    /// Holds the agent up, or lets it go on.
    pub fn hold_agent(&self, is_held: bool) -> Result<()> {
        self.agent.as_ref().context("no agent")?.hold(is_held)
    }

    /// Process id of the running agent.
    pub fn agent_id(&self) -> Option<u32> {
        self.agent.as_ref().map(Agent::id)
    }

    /// What the running agent has said.
    pub fn agent_output(&self) -> String {
        self.agent.as_ref().map(Agent::output).unwrap_or_default()
    }

    /// Writes a Service with these endpoints; they are in the kernel when this returns.
    pub fn put(&self, svc: &Svc, endpoints: &[Ep]) -> Result<()> {
        self.put_objects(&svc.name, &svc.objects(endpoints))
    }

    /// Writes any objects to one file; they are in the kernel when this returns.
    pub fn put_objects(&self, name: &str, objects: &[Value]) -> Result<()> {
        self.spec.manifests.put(name, objects)?;
        self.settle()
    }

    /// Takes a Service and its slices away.
    pub fn remove(&self, svc: &Svc) -> Result<()> {
        self.spec.manifests.remove(&format!("{}.json", svc.name))?;
        self.settle()
    }

    /// Waits until the kernel has what was written before.
    pub fn settle(&self) -> Result<()> {
        settled(&self.spec, self.marks.fetch_add(1, Ordering::Relaxed))
    }

    /// What the kernel holds.
    pub fn frontends(&self) -> Result<Vec<Value>> {
        let list = self.spec.get("frontends")?;
        list["items"].as_array().cloned().context("no items")
    }

    /// How many packets ended for a reason so far.
    pub fn counted(&self, reason: &str) -> Result<u64> {
        let status = self.spec.status()?;
        let rows = status["counters"].as_array().context("no counters")?;
        let row = rows.iter().find(|row| row["reason"] == reason);
        Ok(row.and_then(|row| row["packets"].as_u64()).unwrap_or(0))
    }
}

/// Waits until an agent has put into its kernel what was written before: a Service that is written
/// last, with a port that no earlier one had, has arrived.
pub fn settled(agent: &AgentSpec, port: u16) -> Result<()> {
    let mark = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": "mark", "namespace": "default" },
        "spec": { "clusterIP": "10.96.255.1", "ports": [{ "port": port }] },
    });
    agent.manifests.put("mark", &[mark])?;
    soon(|| {
        let list = agent.get("frontends")?;
        let frontends = list["items"].as_array().context("no items")?;
        let arrived = |row: &Value| row["service"] == "mark" && row["port"] == port;
        ensure!(
            frontends.iter().any(arrived),
            "the agent did not follow: {}",
            agent.status()?["problems"]
        );
        Ok(())
    })
}

impl WorldBuilder {
    pub fn pods(mut self, a: u8, b: u8) -> Self {
        self.pods = [a, b];
        self
    }

    /// More flags of `tidegate run`.
    pub fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|&arg| arg.to_owned()));
        self
    }

    /// No device says that a packet comes from a pod.
    pub fn pods_unknown(mut self) -> Self {
        self.pods_unknown = true;
        self
    }

    /// The agent is started later, by [`World::replace_agent`].
    pub fn no_agent(mut self) -> Self {
        self.no_agent = true;
        self
    }

    /// The uplink gets XDP, which on a veth works without offloads only.
    pub fn xdp(mut self) -> Self {
        self.xdp = true;
        self
    }

    pub fn build(self) -> Result<World> {
        let scene = TwoNodes::builder()
            .pods(self.pods[0], self.pods[1])
            .offloads(!self.xdp)
            .build()?;
        // Else frames that XDP sends back wait at the far end.
        let mut awake = Vec::new();
        if self.xdp {
            awake.push(XdpPass::attach(&scene.lan, "nodea")?);
        }
        let [v4, v6] = scene.a.addresses();
        scene.client.ip(&format!(
            "route add 10.96.0.0/12 via {v4}\nroute add fd00:96::/112 via {v6}\n\
             route add 198.51.100.0/24 via {v4}\nroute add 2001:db8:51::/64 via {v6}\n\
             route add 203.0.113.0/24 via {v4}\nroute add 2001:db8:cb::/64 via {v6}"
        ))?;
        let echoes = scene
            .pods()
            .map(|pod| EchoServer::start(&pod.ns, &pod.name, TARGET))
            .collect::<Result<_>>()?;
        let mut spec = AgentSpec::new(&scene, &scene.a)?.args(self.args);
        if self.xdp {
            spec = spec.attach("xdp");
        }
        if self.pods_unknown {
            spec = spec.pods_unknown();
        }
        let mut agent = None;
        if !self.no_agent {
            agent = Some(spec.start().context("start the agent")?);
        }
        Ok(World {
            agent,
            spec,
            echoes,
            extra: Vec::new(),
            _awake: awake,
            scene,
            marks: AtomicU16::new(1),
        })
    }
}

//! `demo`: the textbook scene, told step by step: a laptop, a node with three pods, one Service.
//!
//! Each step says what it does, shows the command and its output, and fails the demo when the
//! output is not what was said. Nothing outside the demo's own namespaces is touched.

use std::process::Child;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tidegate_rig::{Agent, AgentSpec, Pod, TwoNodes, is_root, sweep, sweep_own};

use crate::{build, interrupt};

mod manifest;
mod stage;
mod web;

use stage::Stage;

const NODE_PORT: &str = "http://192.168.1.2:30008";
const CLUSTER_IP: &str = "http://10.96.0.10";
/// Ample for a change of a manifest to arrive; how fast it really is, the e2e tests measure.
const A_MOMENT: Duration = Duration::from_millis(500);

/// The scene and what runs in it.
struct Demo {
    stage: Stage,
    spec: AgentSpec,
    scene: TwoNodes,
}

pub(crate) fn run() -> Result<()> {
    ensure!(
        is_root(),
        "the demo makes network namespaces: run it as root"
    );
    let binary = build::run()?;
    interrupt::clean_up_when_interrupted()?;
    sweep();
    let scene = TwoNodes::builder().pods(3, 0).build()?;
    let spec = AgentSpec::with_binary(binary, &scene, &scene.a)?;
    let demo = Demo {
        stage: Stage::new(),
        spec,
        scene,
    };
    demo.tell()
}

impl Demo {
    fn tell(self) -> Result<()> {
        let _servers = self.set_the_scene()?;
        let agent = self.start_the_agent()?;
        let told = self.show_traffic();
        if told.is_err() {
            eprintln!("What the agent said:\n{}", agent.output());
        }
        told?;
        self.end(agent)
    }

    fn show_traffic(&self) -> Result<()> {
        self.dial_the_node_port()?;
        self.dial_the_cluster_ip()?;
        self.look_inside()?;
        self.change_endpoints()
    }

    fn pods(&self) -> Result<&[Pod; 3]> {
        self.scene
            .a
            .pods
            .as_slice()
            .try_into()
            .context("the scene has three pods")
    }

    fn set_the_scene(&self) -> Result<Vec<Child>> {
        let [first, second, client] = self.pods()?;
        self.stage.title("The scene, made of network namespaces");
        self.stage.say(&format!(
            "laptop   192.168.1.10   knows its LAN, and no route to pods or Services\n\
             node     192.168.1.2    runs the pods; has no kube-proxy\n\
             web-1    {}     a web server in a pod, port 8080\n\
             web-2    {}     another one\n\
             client   {}     a third pod",
            first.v4, second.v4, client.v4
        ));
        let servers = vec![web::serve(first, "web-1")?, web::serve(second, "web-2")?];
        for pod in [first, second] {
            web::wait_for(&self.scene.a.ns, pod)?;
        }
        self.stage
            .say("Without tidegate, nobody answers at the node's port 30008:");
        let refused = self.stage.fails(&self.scene.client, "laptop", NODE_PORT)?;
        ensure!(
            refused,
            "something answers at {NODE_PORT} before tidegate runs"
        );
        Ok(servers)
    }

    fn start_the_agent(&self) -> Result<Agent> {
        let [first, second, _client] = self.pods()?;
        self.stage
            .title("A Service, as plain Kubernetes YAML, and the agent");
        let yaml = manifest::web(&[first.v4, second.v4]);
        self.spec.manifests.put_text("web.yaml", &yaml)?;
        self.stage.command("node", "cat manifests/web.yaml");
        self.stage.show(&yaml);
        self.stage.command(
            "node",
            "tidegate run --manifests manifests/ --uplink eth0 ...",
        );
        let agent = self.spec.start()?;
        self.stage.show("ready");
        Ok(agent)
    }

    fn dial_the_node_port(&self) -> Result<()> {
        self.stage.title("From the laptop, through the node's port");
        let laptop = &self.scene.client;
        for _ in 0..3 {
            self.stage.curl(laptop, "laptop", NODE_PORT)?;
        }
        self.stage
            .expect_answers(laptop, "laptop", NODE_PORT, &["web-1", "web-2"])?;
        self.stage
            .say("Both pods answer, and they see the laptop's own address.");
        Ok(())
    }

    fn dial_the_cluster_ip(&self) -> Result<()> {
        self.stage
            .title("From another pod, through the Service's own address");
        let [_first, _second, client] = self.pods()?;
        self.stage.curl(&client.ns, "client", CLUSTER_IP)?;
        self.stage
            .expect_answers(&client.ns, "client", CLUSTER_IP, &["web-1", "web-2"])
    }

    fn look_inside(&self) -> Result<()> {
        self.stage.title("What the agent and the kernel hold");
        self.stage
            .tidegate(&self.spec, &["get", "services"], "web")?;
        self.stage
            .tidegate(&self.spec, &["get", "endpoints"], "10.244.0.2")?;
        self.stage
            .tidegate(&self.spec, &["get", "backends"], "10.244.0.3")?;
        self.stage.tidegate(&self.spec, &["status"], "eth0")
    }

    fn change_endpoints(&self) -> Result<()> {
        let [first, second, _client] = self.pods()?;
        let laptop = &self.scene.client;
        self.stage.title("An endpoint goes, and comes back");
        self.stage.say(&format!(
            "web-2 ({}) is taken out of the manifest:",
            second.v4
        ));
        self.spec
            .manifests
            .put_text("web.yaml", &manifest::web(&[first.v4]))?;
        thread::sleep(A_MOMENT);
        self.stage
            .expect_answers(laptop, "laptop", NODE_PORT, &["web-1"])?;
        self.stage.say("And put back:");
        self.spec
            .manifests
            .put_text("web.yaml", &manifest::web(&[first.v4, second.v4]))?;
        thread::sleep(A_MOMENT);
        self.stage
            .expect_answers(laptop, "laptop", NODE_PORT, &["web-1", "web-2"])
    }

    fn end(self, agent: Agent) -> Result<()> {
        let Self { stage, spec, scene } = self;
        let status = agent.stop()?;
        ensure!(status.success(), "the agent ended with {status}");
        drop((spec, scene));
        let left = sweep_own();
        ensure!(left.is_nothing(), "the demo left something behind: {left}");
        stage.title("That was it");
        stage.say(END);
        Ok(())
    }
}

const END: &str = "\
The laptop dialled the node, and a pod answered. In between, programs that tidegate
put into the kernel rewrote the addresses of each packet, there and back; no proxy
touched the data, and no iptables rule was written. The agent only keeps the
kernel's tables equal to the manifests: edit them, and new connections follow.

All namespaces and programs of this demo are gone again.
Next: README.md, then docs/life-of-a-packet.md.";

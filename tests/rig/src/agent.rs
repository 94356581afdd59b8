//! The real `tidegate`, run on a node of a scene as a user would run it.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::bpffs::Pins;
use crate::manifests::Manifests;
use crate::netns::Netns;
use crate::scene::Scene;
use crate::shell::output_of;
use crate::two_nodes::Node;

mod output;

use output::Output;

/// How many seconds an agent may take to start, where 20 are not enough: an emulated processor proves programs
/// thirty times as slowly.
const READY_WITHIN_S: &str = "TIDEGATE_READY_WITHIN";
const STOPPED_WITHIN: Duration = Duration::from_secs(10);

/// How an agent is run. What it keeps (pins, state, manifests) stays between starts, so that one
/// agent can follow another.
#[derive(Debug)]
pub struct AgentSpec {
    binary: PathBuf,
    ns: Netns,
    node: String,
    attach: String,
    pods_are: [&'static str; 4],
    extra: Vec<OsString>,
    envs: Vec<(&'static str, String)>,
    api: PathBuf,
    state: PathBuf,
    pub manifests: Manifests,
    pub pins: Pins,
}

/// A running agent; killed when dropped.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    output: Output,
}

/// The binary under test: `TIDEGATE_BIN`, else the one in `target/` that was built last.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = env::var_os("TIDEGATE_BIN") {
        return Ok(path.into());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let built = ["release", "debug"].map(|profile| target.join(profile).join("tidegate"));
    let age = |path: &PathBuf| path.metadata().and_then(|file| file.modified()).ok();
    let newest = built
        .into_iter()
        .filter(|path| path.exists())
        .max_by_key(age);
    newest.with_context(|| format!("no tidegate in {}: run ./x build first", target.display()))
}

impl AgentSpec {
    /// The [`binary`] under test on a node of the scene, with its manifests in a new directory.
    pub fn new(scene: &Scene, node: &Node) -> Result<Self> {
        Self::with_binary(binary()?, scene, node)
    }

    /// Another binary on a node of the scene.
    pub fn with_binary(binary: PathBuf, scene: &Scene, node: &Node) -> Result<Self> {
        let dir = |what| scene.dir(&format!("{}/{what}", node.name));
        Ok(Self {
            binary,
            ns: node.ns.clone(),
            node: node.name.to_owned(),
            attach: "auto".to_owned(),
            pods_are: ["--pod-device", "veth*", "--overlay-device", "none*"],
            extra: Vec::new(),
            envs: Vec::new(),
            api: dir("run")?.join("api.sock"),
            state: dir("state")?,
            manifests: Manifests::new(dir("manifests")?),
            pins: Pins::new()?,
        })
    }

    /// `auto`, `xdp`, `xdp-generic` or `tc`.
    pub fn attach(mut self, mode: &str) -> Self {
        mode.clone_into(&mut self.attach);
        self
    }

    /// The pods' devices count as tunnels, so that no device says "a pod sent this".
    pub fn pods_unknown(mut self) -> Self {
        self.pods_are = ["--pod-device", "none*", "--overlay-device", "veth*"];
        self
    }

    /// More arguments for `tidegate run`.
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.extra.extend(args.into_iter().map(Into::into));
        self
    }

    /// A variable in the environment of every agent that is started from now on.
    pub fn set_env(&mut self, name: &'static str, value: &str) {
        self.envs.push((name, value.to_owned()));
    }

    /// `tidegate run ...` as [`start`](Self::start) runs it.
    pub fn command(&self) -> Command {
        let mut command = self.ns.command(&self.binary);
        command
            .arg("run")
            .arg("--manifests")
            .arg(self.manifests.path());
        command.args(["--node-name", &self.node, "--uplink", "eth0"]);
        command.args(self.pods_are);
        command.args(["--attach", &self.attach]);
        command
            .arg("--api")
            .arg(&self.api)
            .arg("--state-dir")
            .arg(&self.state);
        command.arg("--bpffs").arg(&*self.pins).args(&self.extra);
        command.envs(self.envs.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts it and waits until it says `ready`.
    pub fn start(&self) -> Result<Agent> {
        let mut command = self.command();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start tidegate")?;
        let output = Output::collect(&mut child);
        let mut agent = Agent { child, output };
        agent
            .wait_for_ready()
            .with_context(|| format!("agent on {}", self.node))?;
        Ok(agent)
    }

    /// A command to the agent's socket, for example `["get", "services"]`.
    pub fn cli<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = self.ns.command(&self.binary);
        command.args(args).arg("--api").arg(&self.api);
        command
    }

    /// `tidegate get <what> -o json`.
    pub fn get(&self, what: &str) -> Result<Value> {
        self.json(&["get", what])
    }

    /// `tidegate status -o json`.
    pub fn status(&self) -> Result<Value> {
        self.json(&["status"])
    }

    fn json(&self, args: &[&str]) -> Result<Value> {
        let text = output_of(self.cli(args.iter().copied()).args(["-o", "json"]))?;
        serde_json::from_str(&text).with_context(|| format!("tidegate {args:?}: not JSON: {text}"))
    }
}

impl Agent {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that it printed so far, both outputs.
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// Holds it up, or lets it go on.
    pub fn hold(&self, is_held: bool) -> Result<()> {
        let signal = if is_held {
            Signal::SIGSTOP
        } else {
            Signal::SIGCONT
        };
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).context("hold the agent")
    }

    /// Ends it the friendly way (SIGTERM); it must obey.
    pub fn stop(mut self) -> Result<ExitStatus> {
        kill(
            Pid::from_raw(self.child.id().cast_signed()),
            Signal::SIGTERM,
        )
        .context("SIGTERM")?;
        let deadline = Instant::now() + STOPPED_WITHIN;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!(
            "agent did not stop within {STOPPED_WITHIN:?} of SIGTERM:\n{}",
            self.output()
        )
    }

    /// Ends it the hard way (SIGKILL).
    pub fn kill(mut self) -> Result<()> {
        self.child.kill().context("SIGKILL")?;
        self.child
            .wait()
            .map(|_status| ())
            .context("wait for the killed agent")
    }

    fn wait_for_ready(&mut self) -> Result<()> {
        let given = env::var(READY_WITHIN_S).ok();
        let within = Duration::from_secs(given.and_then(|it| it.parse().ok()).unwrap_or(20));
        let deadline = Instant::now() + within;
        loop {
            if self.output.is_ready() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "ended before it was ready ({status}):\n{}",
                    self.output.all()
                );
            }
            if Instant::now() > deadline {
                bail!("not ready within {within:?}:\n{}", self.output());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

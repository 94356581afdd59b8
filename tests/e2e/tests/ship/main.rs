//! What is shipped with the binary, tried: the rights of the unit, the role of the DaemonSet, the switch
//! from kube-proxy as it is described.

mod rights;
mod role;
mod switch;

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use tidegate_e2e::{Setup, soon};
use tidegate_rig::{AgentSpec, EchoServer, Pod, TwoNodes, pod_endpoints};

/// Every pod listens on it.
const TARGET: u16 = 8080;

/// A file of this repository.
fn text(path: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// Two nodes whose pods answer.
struct Place {
    _echoes: Vec<EchoServer>,
    scene: TwoNodes,
}

impl Place {
    fn new() -> Result<Self> {
        let scene = TwoNodes::builder().pods(2, 1).build()?;
        let echoes = scene
            .pods()
            .map(|pod| EchoServer::start(&pod.ns, &pod.name, TARGET));
        Ok(Self {
            _echoes: echoes.collect::<Result<_>>()?,
            scene,
        })
    }

    /// An agent on node A, run by a program that ends in `exec "$TIDEGATE" "$@"`.
    fn agent_by(&self, script: &str) -> Result<AgentSpec> {
        let path = self.scene_dir()?.join("tidegate");
        let binary = tidegate_rig::binary()?;
        let text = format!("#!/bin/sh\nTIDEGATE={}\n{script}\n", binary.display());
        fs::write(&path, text).context("write the program")?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).context("its mode")?;
        AgentSpec::with_binary(path, &self.scene, &self.scene.a)
    }

    fn scene_dir(&self) -> Result<PathBuf> {
        self.scene.dir("program")
    }

    /// Puts the Service [`Setup::SPREAD`] with these pods behind it into the agent's manifests.
    fn serve(&self, spec: &AgentSpec, pods: &[&Pod]) -> Result<()> {
        let objects = Setup::SPREAD.objects(&pod_endpoints(pods.iter().copied()));
        spec.manifests.put(Setup::SPREAD.name, &objects)
    }

    /// The Service's NodePort on node A.
    fn node_port(&self) -> SocketAddr {
        let [v4, _] = self.scene.a.addresses();
        SocketAddr::new(v4, Setup::SPREAD.node_port_number())
    }
}

/// Waits until no problem is left.
fn sound(spec: &AgentSpec) -> Result<()> {
    soon(|| {
        let status = spec.status()?;
        let problems = status["problems"]
            .as_array()
            .context("no problems in status")?;
        anyhow::ensure!(problems.is_empty(), "{problems:?}");
        Ok(())
    })
}

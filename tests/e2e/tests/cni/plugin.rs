//! Running the plugin: the environment and standard input that a runtime gives it.

use std::{
    io::Write as _,
    os::unix::fs::symlink,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tidegate_e2e::World;
use tidegate_rig::binary;

use crate::pod::Pod;

/// What the plugin printed, and whether it said that it succeeded.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) output: Value,
    pub(crate) stderr: String,
    pub(crate) exit: Option<i32>,
}

impl Ran {
    /// Fails unless it succeeded; what it printed.
    pub(crate) fn ok(self) -> Result<Value> {
        ensure!(self.exit == Some(0), "{self:?}");
        Ok(self.output)
    }

    /// Fails unless it failed with this code, and a text that says so.
    pub(crate) fn failed(self, code: u32, says: &str) -> Result<()> {
        let message = self.output["msg"].as_str().unwrap_or_default();
        ensure!(
            self.exit == Some(1) && self.output["code"] == code && message.contains(says),
            "{self:?}"
        );
        Ok(())
    }
}

/// The agent's socket on node A.
pub(crate) fn socket(world: &World) -> Result<PathBuf> {
    Ok(world.scene.dir("nodea/run")?.join("api.sock"))
}

/// A configuration as a runtime writes it for each plugin of a list.
pub(crate) fn config(world: &World, version: &str) -> Result<Value> {
    Ok(json!({ "cniVersion": version, "name": "pods", "type": "tidegate", "api": socket(world)? }))
}

/// Runs a command for a pod's `eth0`, after the plugin that made its link.
pub(crate) fn run(world: &World, command: &str, pod: &Pod) -> Result<Ran> {
    let mut config = config(world, "1.1.0")?;
    config["prevResult"] = pod.result("1.1.0");
    run_with(world, command, Some(pod), &config)
}

/// Runs a command with this configuration, by a link to the program and without arguments, as runtimes do.
pub(crate) fn run_with(
    world: &World,
    command: &str,
    pod: Option<&Pod>,
    config: &Value,
) -> Result<Ran> {
    let link = world.scene.dir("opt-cni-bin")?.join("tidegate");
    if !link.exists() {
        symlink(binary()?.canonicalize()?, &link)?;
    }
    let mut plugin = world.scene.a.ns.command(link);
    if let Some(pod) = pod {
        plugin
            .env("CNI_CONTAINERID", &pod.name)
            .env("CNI_NETNS", pod.ns.path())
            .env("CNI_IFNAME", "eth0");
    }
    start(plugin.env("CNI_COMMAND", command), config)
}

/// Runs it to its end.
pub(crate) fn start(plugin: &mut Command, config: &Value) -> Result<Ran> {
    let mut child = plugin
        .env("CNI_PATH", "/opt/cni/bin")
        .env(
            "CNI_ARGS",
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-1",
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("a pipe")?;
    stdin.write_all(config.to_string().as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    let text = String::from_utf8(output.stdout)?;
    let value = match text.trim() {
        "" => Value::Null,
        text => serde_json::from_str(text).with_context(|| format!("not JSON: {text}"))?,
    };
    Ok(Ran {
        output: value,
        stderr: String::from_utf8(output.stderr)?,
        exit: output.status.code(),
    })
}

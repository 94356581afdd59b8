//! What the agent refuses: one line, an exit code, and nothing left behind.

use std::{
    ffi::OsString,
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use anyhow::{Context as _, Result, ensure};
use tidegate_rig::{AgentSpec, Netns, TwoNodes, binary, output_of};

/// Longer than an agent needs to refuse; one that starts instead is ended, which is no exit code 1.
const PATIENCE: [&str; 2] = ["--signal=KILL", "60"];

/// The one line that a failed run writes.
pub(crate) fn complaint(output: &Output) -> Result<String> {
    let said = String::from_utf8(output.stderr.clone())?;
    ensure!(
        said.lines().count() == 1 && said.starts_with("tidegate: "),
        "not one line: {said:?}"
    );
    Ok(said)
}

/// The arguments of an agent, with other values for some flags.
fn arguments<V: AsRef<str>>(spec: &AgentSpec, changes: &[(&str, V)]) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = spec.command().get_args().map(Into::into).collect();
    for (flag, value) in changes {
        let value = OsString::from(value.as_ref());
        match arguments.iter().position(|it| it == flag) {
            Some(at) => arguments[at + 1] = value,
            None => arguments.extend([OsString::from(flag), value]),
        }
    }
    arguments
}

/// Runs an agent that should refuse to.
pub(crate) fn run_with<V: AsRef<str>>(
    node: &Netns,
    spec: &AgentSpec,
    changes: &[(&str, V)],
) -> Result<Output> {
    let mut command = node.command("timeout");
    command.args(PATIENCE).arg(binary()?);
    let output = command.args(arguments(spec, changes)).output();
    output.context("cannot run timeout")
}

/// A node with an agent that was never started.
fn stage() -> Result<(TwoNodes, AgentSpec)> {
    let scene = TwoNodes::builder().pods(1, 0).build()?;
    let spec = AgentSpec::new(&scene, &scene.a)?;
    Ok((scene, spec))
}

fn nothing_is_left(scene: &TwoNodes, spec: &AgentSpec) -> Result<()> {
    let pins = fs::read_dir(&*spec.pins)?.count();
    ensure!(pins == 0, "{pins} entries in {}", spec.pins.display());
    let run = fs::read_dir(scene.dir("nodea/run")?)?.count();
    ensure!(run == 0, "the socket stays");
    let shown = scene.a.ns.sh("ip -d link show eth0")?;
    ensure!(!shown.contains("xdp"), "{shown}");
    Ok(())
}

#[test]
fn what_is_not_there_is_named_with_a_remedy_and_nothing_stays() -> Result<()> {
    let (scene, spec) = stage()?;
    let plain = scene.dir("plain")?;
    let no_bpffs = plain.join("bpffs").display().to_string();
    let no_file = plain.join("nothing").display().to_string();
    let no_cgroup = plain.display().to_string();
    for (flag, value, expected) in [
        ("--bpffs", no_bpffs.as_str(), "mount -t bpf bpf /sys/fs/bpf"),
        ("--cgroup", &no_cgroup, "mount -t cgroup2"),
        ("--cgroup", &no_file, "mount -t cgroup2"),
        ("--uplink", "nosuch9", "--uplink nosuch9: no such device"),
        (
            "--pod-device",
            "nosuch9",
            "--pod-device nosuch9: no such device",
        ),
        ("--manifests", &no_file, "cannot read --manifests"),
        ("--masquerade-ports", "30000-30010", "--nodeport-range"),
    ] {
        let output = run_with(&scene.a.ns, &spec, &[(flag, value)])?;
        let said = complaint(&output).with_context(|| format!("{flag} {value}"))?;
        ensure!(
            output.status.code() == Some(1),
            "{flag} {value}: {}",
            output.status
        );
        ensure!(said.contains(expected), "{flag} {value}: {said}");
        nothing_is_left(&scene, &spec).with_context(|| format!("{flag} {value}"))?;
    }
    ensure!(fs::read_dir(&plain)?.count() == 0, "something was made");
    // The same agent without the mistake: nothing of the failed starts is in its way.
    let agent = spec.start()?;
    ensure!(agent.stop()?.success());
    Ok(())
}

/// Without what `spec` gives to every agent: this flag and its value.
fn without(arguments: Vec<OsString>, flag: &str) -> Result<Vec<OsString>> {
    let at = arguments.iter().position(|it| it == flag);
    let at = at.with_context(|| format!("no {flag} in {arguments:?}"))?;
    let rest = arguments[at + 2..].iter();
    Ok(arguments[..at].iter().chain(rest).cloned().collect())
}

#[test]
fn an_agent_without_any_source_that_fails_does_not_say_that_it_empties_the_maps() -> Result<()> {
    let (scene, spec) = stage()?;
    // Fails late, and for another reason: the socket's directory cannot be made.
    let file = scene.dir("plain")?.join("file");
    fs::write(&file, "")?;
    let below = file.join("run/api.sock").display().to_string();
    let given = without(arguments(&spec, &[("--api", &below)]), "--manifests")?;
    let mut command = scene.a.ns.command("timeout");
    let output = command
        .args(PATIENCE)
        .arg(binary()?)
        .args(&given)
        .output()?;
    let said = complaint(&output)?;
    ensure!(output.status.code() == Some(1), "{}", output.status);
    ensure!(
        said.contains("cannot make the directory of --api"),
        "{said}"
    );
    nothing_is_left(&scene, &spec)
}

#[test]
fn without_rights_it_says_which_and_leaves_nothing() -> Result<()> {
    let (scene, spec) = stage()?;
    // Where nobody may read it; copied by a child, see the rig's own test.
    let copy: PathBuf = scene.dir("nobody")?.join("tidegate");
    output_of(Command::new("cp").arg(binary()?).arg(&copy))?;
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let mut command = scene.a.ns.command("timeout");
    command
        .args(PATIENCE)
        .arg("setpriv")
        .args(nobody)
        .arg(&copy);
    let output = command.args(arguments::<&str>(&spec, &[])).output()?;
    let said = complaint(&output)?;
    ensure!(output.status.code() == Some(1), "{}", output.status);
    for word in ["missing rights", "root", "CAP_BPF", "CAP_NET_ADMIN"] {
        ensure!(said.contains(word), "no {word}: {said}");
    }
    nothing_is_left(&scene, &spec)
}

#[test]
fn without_an_agent_questions_end_with_code_3_and_bad_usage_with_2() -> Result<()> {
    let (_scene, spec) = stage()?;
    for what in [
        "services",
        "endpoints",
        "frontends",
        "backends",
        "flows",
        "devices",
    ] {
        for format in ["table", "json"] {
            let output = spec.cli(["get", what, "-o", format]).output()?;
            let said = complaint(&output)?;
            ensure!(output.status.code() == Some(3), "{what}: {}", output.status);
            ensure!(said.contains("no agent at "), "{said}");
            ensure!(output.stdout.is_empty(), "{:?}", output.stdout);
        }
    }
    ensure!(spec.cli(["status"]).output()?.status.code() == Some(3));
    for args in [
        &["get", "pods"][..],
        &["status", "-o", "xml"],
        &["frobnicate"],
    ] {
        let output = spec.cli(args.iter().copied()).output()?;
        ensure!(
            output.status.code() == Some(2),
            "{args:?}: {}",
            output.status
        );
        ensure!(!output.stderr.is_empty(), "{args:?}: no word");
    }
    Ok(())
}

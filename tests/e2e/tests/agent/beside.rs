//! Two agents with pins of their own in one network namespace: nothing keeps the second one out, so both say it.

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::Setup;
use tidegate_rig::{AgentSpec, Node, binary, output_of};

use crate::wait::soon;

const SAID: &str = "another tidegate, with pins in ";

/// The line about the other agent.
fn told(spec: &AgentSpec) -> Result<Option<String>> {
    let status = spec.status()?;
    let problems = status["problems"].as_array().context("no problems")?;
    let lines = problems.iter().filter_map(|line| line.as_str());
    let mut about: Vec<&str> = lines.filter(|line| line.starts_with(SAID)).collect();
    ensure!(about.len() <= 1, "{about:?}");
    Ok(about.pop().map(str::to_owned))
}

/// What `check` finds at the devices.
fn checked(setup: &Setup, spec: &AgentSpec) -> Result<serde_json::Value> {
    let mut command = setup.scene.a.ns.command(binary()?);
    command
        .args(["check", "-o", "json", "--bpffs"])
        .arg(&*spec.pins);
    let report: serde_json::Value = serde_json::from_str(&output_of(&mut command)?)?;
    let items = report["items"].as_array().context("no items")?;
    let found = items
        .iter()
        .find(|it| it["name"] == "no other tidegate at the devices");
    Ok(found
        .with_context(|| format!("not looked for: {report}"))?
        .clone())
}

#[test]
fn an_agent_with_other_pins_at_the_same_devices_is_told_by_both_and_by_check() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    ensure!(
        told(&setup.spec)?.is_none(),
        "alone: {:?}",
        told(&setup.spec)?
    );
    ensure!(checked(&setup, &setup.spec)?["state"] == "ok");
    let a = &setup.scene.a;
    let node = Node {
        name: "beside",
        ns: a.ns.clone(),
        v4: a.v4,
        v6: a.v6,
        pods: Vec::new(),
    };
    let other = AgentSpec::new(&setup.scene, &node)?;
    let agent = other.start()?;
    let pins = |spec: &AgentSpec| spec.pins.display().to_string();
    for (asked, about) in [(&other, &setup.spec), (&setup.spec, &other)] {
        let line = soon(|| told(asked)?.context("says nothing"))?;
        ensure!(line.contains(&format!("{SAID}{}/v", pins(about))), "{line}");
        ensure!(
            line.contains("eth0") && line.contains("both translate"),
            "{line}"
        );
        ensure!(
            line.ends_with(&format!("`tidegate detach --bpffs {}`", pins(about))),
            "{line}"
        );
        let found = checked(&setup, asked)?;
        ensure!(
            found["state"] == "missing" && found["needed"] == false,
            "{found}"
        );
        ensure!(
            found["found"]
                .as_str()
                .is_some_and(|it| it.contains(&pins(about))),
            "{found}"
        );
    }
    // It stops, and its programs stay: they translate on.
    ensure!(agent.stop()?.success());
    ensure!(checked(&setup, &setup.spec)?["state"] == "missing");
    let mut detach = setup.scene.a.ns.command(binary()?);
    output_of(detach.args(["detach", "--bpffs"]).arg(&*other.pins))?;
    ensure!(checked(&setup, &setup.spec)?["state"] == "ok");
    soon(|| {
        let line = told(&setup.spec)?;
        ensure!(line.is_none(), "{line:?}");
        Ok(())
    })
}

//! Who the agent is to the server.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use tidegate_apiserver::Cut;
use tidegate_e2e::{Ep, Svc};

use crate::{
    cluster::{Cluster, eventually},
    expected::compare,
};

#[test]
fn a_token_that_rotates_needs_no_restart() -> Result<()> {
    let mut cluster = Cluster::with_user("{tokenFile: token}", &[])?;
    let token = cluster.directory.path().join("token");
    fs::write(&token, "first")?;
    cluster.server.tokens(["first"]);
    cluster.world.replace_agent()?;
    cluster.put(&Svc::new("web", 1), &[Ep::of(cluster.world.a(1))]);
    eventually(|| compare(&cluster))?;
    cluster.server.tokens(["second"]);
    cluster.server.cut(Cut::Abrupt);
    cluster.put(&Svc::new("new", 2), &[Ep::of(cluster.world.a(1))]);
    eventually(|| {
        let problems = cluster.problems()?;
        ensure!(
            problems.iter().any(|it| it.contains("Unauthorized (401)")),
            "{problems:?}"
        );
        Ok(())
    })?;
    fs::write(&token, "second")?;
    eventually(|| compare(&cluster))
}

#[test]
fn a_kubeconfig_that_is_wrong_ends_the_start_with_one_line() -> Result<()> {
    let cluster = Cluster::without_agent(&[])?;
    let path = cluster.directory.path().join("kubeconfig");
    for (text, reason) in [
        ("", "is empty"),
        ("kind: [", "kubeconfig"),
        ("{}", "context"),
    ] {
        fs::write(&path, text)?;
        let output = cluster.world.spec.command().output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(
            output.status.code() == Some(1),
            "{text:?}: {:?}: {said}",
            output.status
        );
        let last = said.lines().last().context("it said nothing")?;
        ensure!(
            last.contains(&path.display().to_string()) && last.contains(reason),
            "{text:?}: {said}"
        );
    }
    Ok(())
}

#[test]
fn flags_that_contradict_each_other_are_wrong_usage() -> Result<()> {
    let cluster = Cluster::without_agent(&["--in-cluster"])?;
    let output = cluster.world.spec.command().output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.code() == Some(2),
        "{:?}: {said}",
        output.status
    );
    ensure!(
        said.contains("--kubeconfig and --in-cluster exclude each other"),
        "{said}"
    );
    Ok(())
}

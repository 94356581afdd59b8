//! Exit codes: 0 done, 1 failed, 2 bad usage, 3 no agent at the socket.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        net::UnixListener,
        process::CommandExt as _,
    },
    process::Command,
};

use anyhow::{Context as _, Result};
use tidegate_rig::binary;

use crate::{
    ran::{finish, run},
    world,
};

/// A run without any agent.
fn alone(args: &[&str]) -> Result<Command> {
    let mut command = Command::new(binary()?);
    command.args(args);
    Ok(command)
}

#[test]
fn bad_usage_is_code_2() -> Result<()> {
    for args in [
        &["frobnicate"][..],
        &["get"],
        &["get", "pods"],
        &["get", "services", "-o", "xml"],
        &["get", "services", "-n", "a", "-A"],
        &["get", "services", "a/web", "-n", "b"],
        &["get", "flows", "--watch"],
        &["status", "--nosuch"],
        &["describe", "service"],
        &["describe", "pod", "x"],
        &["describe", "service", "a/b/c"],
        &["apply"],
        &["delete"],
        &["delete", "service"],
        &["delete", "node", "default/a"],
        &["explain", "--from", "nowhere"],
        &["monitor", "--nosuch"],
        &["top", "--nosuch"],
        &["check", "--uplink"],
        &["flows"],
        &["flows", "flush", "--all", "--client", "192.0.2.1"],
        &["flows", "flush", "--client", "x"],
        &["get", "services", "--client", "192.0.2.1"],
        &["completion", "tcsh"],
        &["completion", "man"],
        &["detach", "--nosuch"],
        &["run", "--attach", "xpd"],
    ] {
        let ran = finish(alone(args)?, "")?;
        anyhow::ensure!(ran.code == Some(2), "{args:?}: {ran:?}");
        anyhow::ensure!(
            !ran.err.is_empty() && ran.out.is_empty(),
            "{args:?}: {ran:?}"
        );
    }
    Ok(())
}

#[test]
fn without_an_agent_every_command_that_asks_one_ends_with_code_3() -> Result<()> {
    let dir = std::env::temp_dir().join(format!("tidegate-cli-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    let file = dir.join("web.yaml");
    fs::write(
        &file,
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n",
    )?;
    let file = file.to_str().context("a path")?;
    // A socket that a dead agent has left behind, and none at all.
    let stale = dir.join("stale.sock");
    drop(UnixListener::bind(&stale)?);
    let checked = || -> Result<()> {
        for socket in ["/nonexistent/api.sock", stale.to_str().context("a path")?] {
            for args in [
                &["get", "services"][..],
                &["get", "endpoints", "--watch"],
                &["status", "-o", "json"],
                &["describe", "service", "default/web"],
                &["apply", "-f", file],
                &["delete", "-f", file],
                &["delete", "service", "default/web"],
                &[
                    "explain",
                    "--from",
                    "192.0.2.1:1000",
                    "--to",
                    "10.96.0.1:80/tcp",
                ],
                &["monitor"],
                &["flows", "flush", "--all"],
            ] {
                let args: Vec<&str> = args.iter().copied().chain(["--api", socket]).collect();
                let ran = finish(alone(&args)?, "")?;
                let ran = ran.fails(3, "no agent at ").context(format!("{args:?}"))?;
                anyhow::ensure!(ran.out.is_empty(), "{args:?}: {ran:?}");
            }
        }
        Ok(())
    };
    let outcome = checked();
    fs::remove_dir_all(&dir)?;
    outcome
}

#[test]
fn who_may_not_use_the_socket_is_told_so_with_code_1() -> Result<()> {
    let world = world()?;
    let cli = world.spec.cli(["status"]);
    let socket = cli.get_args().last().context("no socket")?.to_owned();
    let metadata = fs::metadata(&socket)?;
    anyhow::ensure!(
        metadata.mode() & 0o777 == 0o660 && metadata.uid() == 0,
        "{metadata:?}"
    );
    // Everybody may reach the binary and the socket's directory; only the socket says no.
    let dir = std::env::temp_dir().join(format!("tidegate-nobody-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755))?;
    let copy = dir.join("tidegate");
    let ran = (|| {
        fs::copy(binary()?, &copy)?;
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755))?;
        let mut command = Command::new(&copy);
        command.args(["status", "--api"]).arg(&socket);
        command.uid(65_534).gid(65_534).current_dir("/");
        finish(command, "")
    })();
    fs::remove_dir_all(&dir)?;
    ran?.fails(1, "no permission for the agent's socket")?;
    Ok(())
}

#[test]
fn what_does_not_exist_is_code_1_and_one_line() -> Result<()> {
    let world = world()?;
    run(&world, &["get", "services", "default/nosuch"])?
        .fails(1, "default/nosuch: nothing found")?;
    run(&world, &["describe", "service", "default/nosuch"])?
        .fails(1, "there is no Service default/nosuch")?;
    run(&world, &["delete", "service", "default/nosuch"])?.fails(1, "default/nosuch")?;
    run(&world, &["apply", "-f", "/nonexistent.yaml"])?
        .fails(1, "cannot read /nonexistent.yaml")?;
    Ok(())
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() -> Result<()> {
    let world = world()?;
    let mut command = world.spec.cli(["get", "frontends", "-o", "json"]);
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()?;
    drop(child.stdout.take());
    let output = child.wait_with_output()?;
    anyhow::ensure!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    Ok(())
}

#[test]
fn help_of_every_command_succeeds_and_shows_examples_where_there_are_flags_to_combine() -> Result<()>
{
    for args in [
        &["get", "--help"][..],
        &["status", "--help"],
        &["describe", "service", "--help"],
        &["apply", "--help"],
        &["delete", "--help"],
        &["check", "--help"],
        &["flows", "flush", "--help"],
        &["completion", "--help"],
    ] {
        let ran = finish(alone(args)?, "")?.ok()?;
        anyhow::ensure!(ran.out.contains("Examples:"), "{args:?}: {}", ran.out);
    }
    Ok(())
}

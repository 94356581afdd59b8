//! The live table: at a terminal, and as text.

use anyhow::{Context as _, Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tidegate_e2e::soon;
use tidegate_rig::output_of;

use crate::{stage::Stage, tty::Tty};

/// How a terminal is told to show again what was there before.
const RESTORED: &str = "\u{1b}[?1049l";

/// Waits until the terminal is as it was.
fn restored(tty: &Tty) -> Result<()> {
    soon(|| {
        let text = tty.text();
        ensure!(text.contains(RESTORED), "{text:?}");
        Ok(())
    })
}

impl Stage {
    fn top(&self, args: &[&str]) -> Result<String> {
        let args = ["top", "--once", "--interval", "0.5"]
            .iter()
            .chain(args)
            .copied();
        output_of(&mut self.world.spec.cli(args))
    }

    fn live(&self) -> Result<Tty> {
        let command = self.world.spec.cli(["top", "--interval", "0.5"]);
        Tty::start(command, 80, 24)
    }
}

fn row<'a>(text: &'a str, name: &str) -> Result<Vec<&'a str>> {
    let mut rows = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row.first() == Some(&name) && row.contains(&"TCP"));
    row.with_context(|| format!("no {name} in {text}"))
}

#[test]
fn one_frame_as_text_shows_what_is_going_on() -> Result<()> {
    let stage = Stage::new()?;
    let _traffic = stage.traffic();
    soon(|| {
        let text = stage.top(&[])?;
        let head: Vec<&str> = text.lines().take(4).collect();
        ensure!(
            head[0].contains("node nodea") && head[0].ends_with("synced"),
            "{text}"
        );
        ensure!(head[3].starts_with("refused: no_endpoints "), "{text}");
        let web = row(&text, "default/web:tcp")?;
        // Name, port, protocol; packets in, out, all; bytes likewise; new, active, refused, ready, sums.
        ensure!(
            web[1] == "80" && web[2] == "TCP" && web[12] == "2/2",
            "{text}"
        );
        for column in [3, 4, 5, 6, 7, 8, 9, 13, 14] {
            ensure!(web[column] != "0" && web[column] != "-", "{column}: {text}");
        }
        ensure!(web[11] == "0", "{text}");
        let empty = row(&text, "default/empty:tcp")?;
        ensure!(
            empty[5] == "0" && empty[11] != "0" && empty[12] == "0/0",
            "{text}"
        );
        Ok(())
    })
}

#[test]
fn a_service_is_shown_with_its_backends_and_others_are_filtered() -> Result<()> {
    let stage = Stage::new()?;
    let _traffic = stage.traffic();
    soon(|| {
        let text = stage.top(&["--service", "web", "--filter", "web tcp"])?;
        ensure!(!text.contains("default/empty"), "{text}");
        let backends: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("  10.244."))
            .collect();
        ensure!(backends.len() == 2, "{text}");
        for backend in backends {
            let rate = backend.split_whitespace().nth(1);
            ensure!(
                rate.is_some_and(|rate| rate != "0" && rate != "-"),
                "{text}"
            );
        }
        Ok(())
    })?;
    let output = stage
        .world
        .spec
        .cli(["top", "--once", "--service", "nobody"])
        .output()?;
    ensure!(output.status.code() == Some(1), "{output:?}");
    Ok(())
}

#[test]
fn living_flows_are_counted_by_the_sweep() -> Result<()> {
    let stage = Stage::new()?;
    let to = stage.door(&stage.web);
    let _held = stage
        .world
        .scene
        .client
        .run(|| std::net::TcpStream::connect(to))?;
    let counted = || {
        let text = stage.top(&[])?;
        ensure!(row(&text, "default/web:tcp")?[10] == "1", "{text}");
        Ok(())
    };
    // The sweep rests ten seconds and more.
    soon(counted).or_else(|_not_yet| soon(counted))
}

#[test]
fn at_a_terminal_keys_open_filter_and_end_it() -> Result<()> {
    let stage = Stage::new()?;
    let _traffic = stage.traffic();
    let mut top = stage.live()?;
    top.shows("default/web:tcp")?;
    top.press("/empty\r")?;
    top.shows("(filter: empty)")?;
    // Seen before the next key is typed: the two would be one, with Alt.
    top.press("\u{1b}")?;
    top.shows("service ports 13 ")?;
    top.press("?")?;
    top.shows("order by")?;
    top.press(" ")?;
    top.press("\r")?;
    top.shows("ADDRESS")?;
    top.shows("10.244.")?;
    top.press("q")?;
    ensure!(top.end()?.code() == Some(0), "{:?}", top.text());
    restored(&top)
}

#[test]
fn control_c_and_a_signal_leave_the_terminal_as_it_was() -> Result<()> {
    let stage = Stage::new()?;
    let mut typed = stage.live()?;
    typed.shows("default/web:tcp")?;
    typed.press("\u{3}")?;
    ensure!(typed.end()?.code() == Some(0), "{:?}", typed.text());
    restored(&typed)?;
    let mut told = stage.live()?;
    told.shows("default/web:tcp")?;
    kill(Pid::from_raw(told.id().cast_signed()), Signal::SIGTERM)?;
    ensure!(told.end()?.code() == Some(0), "{:?}", told.text());
    restored(&told)
}

#[test]
fn an_agent_that_is_restarted_is_waited_for() -> Result<()> {
    let mut stage = Stage::new()?;
    let top = stage.live()?;
    top.shows("default/web:tcp")?;
    stage.world.kill_agent()?;
    top.shows("the agent is away; asking again")?;
    stage.world.replace_agent()?;
    top.shows("   synced")?;
    drop(top);
    stage.world.kill_agent()?;
    let output = stage.world.spec.cli(["top"]).output()?;
    ensure!(output.status.code() == Some(3), "{output:?}");
    Ok(())
}

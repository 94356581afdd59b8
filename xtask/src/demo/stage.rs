//! Telling: titles, commands with their prompts, and what they print.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, stdout};

use anyhow::{Context as _, Result, ensure};
use tidegate_rig::{AgentSpec, Netns, output_of};

const CALLS: usize = 20;

/// Prints to standard output, with emphasis only where that is a terminal.
pub(super) struct Stage {
    bold: &'static str,
    plain: &'static str,
}

impl Stage {
    pub(super) fn new() -> Self {
        let colours = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let (bold, plain) = if colours {
            ("\x1b[1m", "\x1b[0m")
        } else {
            ("", "")
        };
        Self { bold, plain }
    }

    pub(super) fn title(&self, title: &str) {
        println!("\n{}== {title} =={}", self.bold, self.plain);
    }

    pub(super) fn say(&self, text: &str) {
        println!("{text}");
    }

    pub(super) fn command(&self, place: &str, command: &str) {
        println!("  {place}$ {}{command}{}", self.bold, self.plain);
    }

    pub(super) fn show(&self, output: &str) {
        output.lines().for_each(|line| println!("  {line}"));
    }

    /// One call, shown with its answer.
    pub(super) fn curl(&self, from: &Netns, place: &str, url: &str) -> Result<()> {
        self.command(place, &format!("curl {url}"));
        self.show(&fetch(from, url)?);
        Ok(())
    }

    /// One call that gets no answer; false when it got one.
    pub(super) fn fails(&self, from: &Netns, place: &str, url: &str) -> Result<bool> {
        self.command(place, &format!("curl {url}"));
        let output = from
            .command("curl")
            .args(["-sS", "--max-time", "3", url])
            .output();
        let output = output.context("cannot run curl")?;
        self.show(&String::from_utf8_lossy(&output.stderr));
        Ok(!output.status.success())
    }

    /// Many calls, counted; exactly these pods must answer.
    pub(super) fn expect_answers(
        &self,
        from: &Netns,
        place: &str,
        url: &str,
        pods: &[&str],
    ) -> Result<()> {
        let line = format!("for i in $(seq {CALLS}); do curl -s -m 3 {url}; done | sort | uniq -c");
        self.command(place, &line);
        let counted = from.sh(&line)?;
        self.show(&counted);
        let answers: BTreeMap<&str, usize> = counted.lines().filter_map(answer).collect();
        ensure!(
            answers.keys().eq(pods),
            "answers should come from {}",
            pods.join(" and ")
        );
        let total: usize = answers.values().sum();
        ensure!(total == CALLS, "{total} of {CALLS} calls were answered");
        Ok(())
    }

    /// A command to the agent, which must print `expected` somewhere.
    pub(super) fn tidegate(&self, spec: &AgentSpec, args: &[&str], expected: &str) -> Result<()> {
        let line = args.join(" ");
        self.command("node", &format!("tidegate {line}"));
        let printed = output_of(&mut spec.cli(args.iter().copied()))?;
        self.show(&printed);
        println!();
        ensure!(
            printed.contains(expected),
            "`tidegate {line}` does not mention {expected}"
        );
        Ok(())
    }
}

/// `14 Hello, 192.168.1.10, this is web-1`: who answered, and how often.
fn answer(line: &str) -> Option<(&str, usize)> {
    let mut words = line.split_whitespace();
    let count = words.next()?.parse().ok()?;
    Some((words.next_back()?, count))
}

fn fetch(from: &Netns, url: &str) -> Result<String> {
    output_of(from.command("curl").args(["-sS", "--max-time", "3", url]))
}

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
        self.command(
            place,
            &format!("for i in $(seq {CALLS}); do curl -s {url}; done"),
        );
        let mut answers = BTreeMap::<String, usize>::new();
        for _ in 0..CALLS {
            let page = fetch(from, url)?;
            let pod = page.split_whitespace().next_back().unwrap_or("nobody");
            *answers.entry(pod.to_owned()).or_default() += 1;
        }
        for (pod, count) in &answers {
            self.show(&format!("{pod} answered {count} times"));
        }
        ensure!(
            answers.keys().eq(pods),
            "answers should come from {}",
            pods.join(" and ")
        );
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

fn fetch(from: &Netns, url: &str) -> Result<String> {
    output_of(from.command("curl").args(["-sS", "--max-time", "3", url]))
}

//! What `check` says about one thing, and how it is printed.

use std::fmt::Write as _;

use serde::Serialize;

use crate::show::{Screen, Tint, wrapped};

/// How it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Ok,
    Missing,
    /// It could not be found out.
    Unknown,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Finding {
    pub(super) name: String,
    /// Without it the agent does not start.
    pub(super) needed: bool,
    pub(super) state: State,
    /// What was found, in words.
    pub(super) found: String,
    /// What it costs to lack it.
    pub(super) costs: String,
    /// What to do about it.
    pub(super) remedy: String,
}

/// Everything.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// Nothing that is needed is missing.
    pub(super) ok: bool,
    pub(super) items: Vec<Finding>,
}

impl Finding {
    /// Something that is needed.
    pub(super) fn needed(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            needed: true,
            state: State::Ok,
            found: String::new(),
            costs: "the agent does not start".to_owned(),
            remedy: String::new(),
        }
    }

    /// Something that it goes without, at this price.
    pub(super) fn optional(name: impl Into<String>, costs: &str) -> Self {
        Self {
            needed: false,
            costs: costs.to_owned(),
            ..Self::needed(name)
        }
    }

    pub(super) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self {
            remedy: remedy.into(),
            ..self
        }
    }

    pub(super) fn found(self, state: State, found: impl Into<String>) -> Self {
        Self {
            state,
            found: found.into(),
            ..self
        }
    }

    pub(super) fn ok(self, found: impl Into<String>) -> Self {
        self.found(State::Ok, found)
    }

    pub(super) fn missing(self, found: impl Into<String>) -> Self {
        self.found(State::Missing, found)
    }

    pub(super) fn unknown(self, found: impl Into<String>) -> Self {
        self.found(State::Unknown, found)
    }
}

impl Report {
    pub(super) fn of(items: Vec<Finding>) -> Self {
        let is_bad = |it: &Finding| it.needed && it.state == State::Missing;
        Self {
            ok: !items.iter().any(is_bad),
            items,
        }
    }

    /// For people: a line each, and more about what is not as it could be.
    pub(super) fn text(&self, screen: Screen) -> String {
        let mut out = String::new();
        let widest = self.items.iter().map(|it| it.name.chars().count()).max();
        let name_width = widest.unwrap_or(0);
        for item in &self.items {
            let (word, tint) = item.word();
            let name = format!("{:<name_width$}", item.name);
            let lead = format!("{}  {name}  ", screen.paint(&format!("{word:<7}"), tint));
            say(&mut out, &lead, 7 + 2 + name_width + 2, &item.found, screen);
            if item.state != State::Ok {
                for (label, text) in [("costs", &item.costs), ("do", &item.remedy)] {
                    if !text.is_empty() {
                        let lead = format!("{:9}{label:<7}", "");
                        say(&mut out, &lead, 16, text, screen);
                    }
                }
            }
        }
        let verdict = if self.ok {
            "everything that tidegate needs is there"
        } else {
            "tidegate cannot run here as things are"
        };
        let _always_ok = writeln!(out, "\n{verdict}");
        out
    }
}

impl Finding {
    fn word(&self) -> (&'static str, Tint) {
        match (self.state, self.needed) {
            (State::Ok, _) => ("ok", Tint::Good),
            (State::Missing, true) => ("MISSING", Tint::Bad),
            (State::Missing, false) => ("missing", Tint::Doubtful),
            (State::Unknown, _) => ("unknown", Tint::Doubtful),
        }
    }
}

/// A text behind a lead of a width, with further lines below the first.
fn say(out: &mut String, lead: &str, width: usize, text: &str, screen: Screen) {
    let room = screen.width.map(|all| all.saturating_sub(width));
    for (index, line) in wrapped(text, room).iter().enumerate() {
        let line = if index == 0 {
            format!("{lead}{line}")
        } else {
            format!("{:width$}{line}", "")
        };
        let _always_ok = writeln!(out, "{}", line.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report::of(vec![
            Finding::needed("bpf(2)").ok("works"),
            Finding::optional("forwarding of IPv6", "packets are dropped")
                .remedy("sysctl -w net.ipv6.conf.all.forwarding=1")
                .missing("off"),
        ])
    }

    #[test]
    fn what_is_missing_shows_its_price_and_the_remedy() {
        assert_eq!(
            report().text(Screen::default()),
            "ok       bpf(2)              works
missing  forwarding of IPv6  off
         costs  packets are dropped
         do     sysctl -w net.ipv6.conf.all.forwarding=1

everything that tidegate needs is there
"
        );
    }

    #[test]
    fn one_needed_thing_that_is_missing_spoils_it_all_and_one_that_is_unknown_does_not() {
        assert!(report().ok);
        assert!(Report::of(vec![Finding::needed("x").unknown("who knows")]).ok);
        assert!(!Report::of(vec![Finding::needed("x").missing("no")]).ok);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let screen = Screen {
            width: Some(60),
            colours: false,
        };
        for line in report().text(screen).lines() {
            assert!(line.chars().count() <= 60, "{line}");
        }
    }
}

//! What stdout is: how wide a terminal, and whether it wants colours.
//!
//! A pipe or a file is as wide as it needs to be, and gets no colours unless they are asked for.

use std::{
    env,
    io::{self, IsTerminal as _},
    sync::OnceLock,
};

use clap::{
    ValueEnum,
    builder::styling::{AnsiColor, Style},
};

/// `--color`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    Always,
    Never,
}

/// What is printed on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Screen {
    /// Columns of the terminal; `None`: nobody counts them.
    pub(crate) width: Option<usize>,
    pub(crate) colours: bool,
}

/// How a text looks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Tint {
    #[default]
    Plain,
    Heading,
    Good,
    Doubtful,
    Bad,
    Faint,
}

static CHOICE: OnceLock<Colour> = OnceLock::new();

/// Remembers what `--color` says, once.
pub(crate) fn set_colour(choice: Colour) {
    CHOICE.get_or_init(|| choice);
}

/// What stdout is at this moment: terminals change their width.
pub(crate) fn screen() -> Screen {
    let is_terminal = io::stdout().is_terminal();
    let choice = CHOICE.get().copied().unwrap_or_default();
    Screen {
        width: is_terminal.then(width).flatten(),
        colours: wants_colours(choice, is_terminal, |name| env::var(name).ok()),
    }
}

fn width() -> Option<usize> {
    let (columns, _lines) = ratatui::crossterm::terminal::size().ok()?;
    // Nobody has told the terminal how wide it is.
    (columns > 0).then(|| usize::from(columns))
}

/// See <https://no-color.org>.
fn wants_colours(
    choice: Colour,
    is_terminal: bool,
    variable: impl Fn(&str) -> Option<String>,
) -> bool {
    match choice {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => {
            let forbids = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
            let is_dumb = variable("TERM").is_none_or(|value| value == "dumb");
            is_terminal && !forbids && !is_dumb
        }
    }
}

impl Screen {
    /// The text in this tint, if the screen shows colours.
    pub(crate) fn paint(self, text: &str, tint: Tint) -> String {
        let style = tint.style();
        if !self.colours || tint == Tint::Plain || text.is_empty() {
            return text.to_owned();
        }
        format!("{style}{text}{style:#}")
    }
}

impl Tint {
    fn style(self) -> Style {
        let colour = |colour: AnsiColor| colour.on_default();
        match self {
            Self::Plain => Style::new(),
            Self::Heading => Style::new().bold(),
            Self::Good => colour(AnsiColor::Green),
            Self::Doubtful => colour(AnsiColor::Yellow),
            Self::Bad => colour(AnsiColor::Red),
            Self::Faint => Style::new().dimmed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_and_no_color_is_respected() {
        let plain = |name: &str| (name == "TERM").then(|| "xterm".to_owned());
        let no_color = |name: &str| plain(name).or((name == "NO_COLOR").then(|| "1".to_owned()));
        let empty = |name: &str| plain(name).or((name == "NO_COLOR").then(String::new));
        assert!(wants_colours(Colour::Auto, true, plain));
        assert!(!wants_colours(Colour::Auto, false, plain));
        assert!(!wants_colours(Colour::Auto, true, no_color));
        assert!(wants_colours(Colour::Auto, true, empty));
        assert!(!wants_colours(Colour::Auto, true, |_| Some(
            "dumb".to_owned()
        )));
        assert!(wants_colours(Colour::Always, false, no_color));
        assert!(!wants_colours(Colour::Never, true, plain));
    }

    #[test]
    fn without_colours_a_text_stays_as_it_is() {
        let screen = Screen::default();
        assert_eq!(screen.paint("no", Tint::Bad), "no");
        let colours = Screen {
            colours: true,
            ..screen
        };
        assert_eq!(colours.paint("no", Tint::Bad), "\u{1b}[31mno\u{1b}[0m");
        assert_eq!(colours.paint("no", Tint::Plain), "no");
    }
}

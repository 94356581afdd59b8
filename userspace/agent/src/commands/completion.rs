//! `tidegate completion`: completion scripts for shells, and man pages.

use std::path::PathBuf;

use anyhow::Context;
use clap::{CommandFactory as _, ValueEnum};
use clap_complete::{Shell, generate};

use crate::{cli::Cli, failure::Failure, show};

const EXAMPLES: &str = "\
Examples:
  source <(tidegate completion bash)
  tidegate completion zsh > \"${fpath[1]}/_tidegate\"
  tidegate completion fish > ~/.config/fish/completions/tidegate.fish
  tidegate completion man --dir /usr/local/share/man/man1";

/// Flags of `tidegate completion`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    what: What,
    /// Directory for the man pages
    #[arg(long, value_name = "DIR", required_if_eq("what", "man"))]
    dir: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum What {
    Bash,
    Elvish,
    Fish,
    #[value(name = "powershell")]
    PowerShell,
    Zsh,
    /// Man pages, one a command, into --dir
    Man,
}

impl What {
    fn shell(self) -> Option<Shell> {
        Some(match self {
            Self::Bash => Shell::Bash,
            Self::Elvish => Shell::Elvish,
            Self::Fish => Shell::Fish,
            Self::PowerShell => Shell::PowerShell,
            Self::Zsh => Shell::Zsh,
            Self::Man => return None,
        })
    }
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let mut command = Cli::command();
    let Some(shell) = args.what.shell() else {
        let dir = args.dir.unwrap_or_else(|| PathBuf::from("."));
        std::fs::create_dir_all(&dir)
            .with_context(|| format!("cannot make --dir {}", dir.display()))?;
        clap_mangen::generate_to(command, &dir)
            .with_context(|| format!("cannot write man pages to {}", dir.display()))?;
        return Ok(());
    };
    if args.dir.is_some() {
        return Err(Failure::Usage(
            "--dir is for man pages: scripts go to stdout".to_owned(),
        ));
    }
    let mut script = Vec::new();
    generate(shell, &mut command, "tidegate", &mut script);
    show::print(&String::from_utf8_lossy(&script))
}

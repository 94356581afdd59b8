//! Running a program to its end, with an error that shows what it said.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// What the command printed; an error with both its outputs when it fails.
pub fn output_of(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run `{shown}`: is it installed?"))?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{shown}` failed ({}): {}{}",
            output.status,
            stdout,
            stderr.trim_end()
        );
    }
    Ok(stdout.into_owned())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_shows_what_it_said() {
        let error = output_of(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]));
        let text = error.unwrap_err().to_string();
        assert!(
            text.contains("out") && text.contains("err") && text.contains('3'),
            "{text}"
        );
    }

    #[test]
    fn a_missing_command_is_named() {
        let error = output_of(&mut Command::new("no-such-program")).unwrap_err();
        assert!(error.to_string().contains("no-such-program"));
    }
}

//! An explanation as people read it.

use std::fmt::Write as _;

use tidegate_api::explain::Explanation;

/// Room for the longest name of a step.
const WIDTH: usize = 10;

/// One line for the packet, one for each step, then the verdict and who confirms it.
pub fn text(it: &Explanation) -> String {
    let mut out = format!("{}\n\n", it.packet);
    let is_staged = it.steps.iter().any(|step| step.stage == "xdp");
    let mut stage = "";
    for step in &it.steps {
        if is_staged && step.stage != stage {
            if !stage.is_empty() {
                out.push('\n');
            }
            stage = &step.stage;
        }
        line(&mut out, &step.step, &step.text);
    }
    out.push('\n');
    let verdict = &it.verdict;
    let what = format!(
        "{} ({}): {}",
        verdict.verdict, verdict.reason, verdict.sentence
    );
    line(&mut out, "verdict", &what);
    line(&mut out, "program", &it.confirmation.text);
    for note in &it.notes {
        line(&mut out, "note", note);
    }
    out
}

fn line(out: &mut String, name: &str, text: &str) {
    // A String takes all.
    let _always: std::fmt::Result = writeln!(out, "{name:<WIDTH$} {text}");
}

//! What the node does, in four lines.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{
    BAD, BOLD, DOUBTFUL, FAINT, GOOD, State,
    number::{count, short},
    put,
};

/// Lines, with the empty one below.
pub(super) const HEIGHT: u16 = 5;

pub(super) fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    let lines = [identity(state), flows(state), rates(state), refused(state)];
    for (y, parts) in (0_u16..).zip(lines) {
        let mut x = 0;
        for (text, style) in parts {
            x = put(buffer, area, x, y, &text, style);
        }
    }
}

type Line = Vec<(String, Style)>;

const PLAIN: Style = Style::new();

fn identity(state: &State) -> Line {
    let report = &state.head.report;
    let mut line = vec![
        ("tidegate top".to_owned(), BOLD),
        (
            format!("   node {}   version {}   ", report.node, report.version),
            PLAIN,
        ),
    ];
    if let Some(trouble) = &state.trouble {
        line.push((trouble.clone(), BAD));
        return line;
    }
    line.push(if report.synced {
        ("synced".to_owned(), GOOD)
    } else {
        ("not synced".to_owned(), BAD)
    });
    if report.problems > 0 {
        let s = if report.problems == 1 { "" } else { "s" };
        let text = format!("   {} problem{s}: see tidegate status", report.problems);
        line.push((text, DOUBTFUL));
    }
    line
}

fn flows(state: &State) -> Line {
    let report = &state.head.report;
    let active = report.active.map_or_else(|| "-".to_owned(), count);
    let (used, style) = match report.flow_records {
        None => ("-".to_owned(), PLAIN),
        Some(used) => {
            let percent = used * 100 / report.flow_capacity.max(1);
            let style = match percent {
                0..75 => PLAIN,
                75..90 => DOUBTFUL,
                _ => BAD,
            };
            (format!("{percent}%"), style)
        }
    };
    let shown = state.visible().len();
    let all = state.all();
    let services = if state.filter.is_empty() {
        format!("   service ports {all}")
    } else {
        format!(
            "   service ports {shown} of {all} (filter: {})",
            state.filter
        )
    };
    vec![
        ("flows ".to_owned(), FAINT),
        (active, BOLD),
        (" active   flow tables ".to_owned(), FAINT),
        (used, style),
        (format!(" of {}", count(report.flow_capacity)), FAINT),
        (services, PLAIN),
    ]
}

fn rates(state: &State) -> Line {
    let Some(totals) = &state.head.totals else {
        let seconds = state.interval.as_secs_f64();
        return vec![(format!("rates in {seconds} s"), FAINT)];
    };
    let mut line = Vec::new();
    let mut add = |name: &str, value: f64, style: Style| {
        line.push((format!("{name} "), FAINT));
        line.push((
            format!("{:<7}", short(value)),
            if value > 0.0 { style } else { PLAIN },
        ));
    };
    add("pkt/s", totals.packets, BOLD);
    add("bit/s", totals.bytes * 8.0, BOLD);
    add("new/s", totals.opened, BOLD);
    add("rejects/s", totals.rejects, DOUBTFUL);
    add("drops/s", totals.drops, BAD);
    line
}

/// Why packets are refused, most frequent first.
fn refused(state: &State) -> Line {
    let reasons = state.head.totals.iter().flat_map(|totals| &totals.reasons);
    let mut line: Line = reasons
        .take(6)
        .map(|(reason, rate)| (format!("{reason} {}/s   ", short(*rate)), DOUBTFUL))
        .collect();
    if !line.is_empty() {
        line.insert(0, ("refused: ".to_owned(), FAINT));
    }
    line
}

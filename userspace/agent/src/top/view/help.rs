//! The keys and the columns.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{BOLD, FAINT, Sort, Style, put};

const KEYS: [(&str, &str); 6] = [
    ("q, Ctrl-C", "end"),
    (
        "arrows, j k",
        "choose a service port; PgUp PgDn Home End, too",
    ),
    ("Enter, right", "show its backends; Esc or left closes them"),
    (
        "/",
        "filter by text in name, port or protocol; Esc clears it",
    ),
    ("s, r", "order by the next column; turn the order around"),
    ("?", "this help; any key closes it"),
];

const COLUMNS: [&str; 5] = [
    "PKT/S, BYTE/S  from clients to backends and back, frame headers included",
    "ACTIVE         living flows, counted every ten seconds or so",
    "REF/S          packets that were rejected or dropped",
    "READY          ready endpoints of all endpoints",
    "-              not counted (see --traffic-counters), or not known yet",
];

pub(super) fn draw(area: Rect, buffer: &mut Buffer) {
    let mut y = 0;
    for (keys, text) in KEYS {
        put(buffer, area, 2, y, keys, BOLD);
        put(buffer, area, 16, y, text, Style::new());
        y += 1;
    }
    let letters = Sort::ALL.map(|sort| {
        let (key, name) = sort.key();
        format!("{key} {name}")
    });
    put(buffer, area, 2, y, "order by", BOLD);
    for letters in letters.chunks(4) {
        put(buffer, area, 16, y, &letters.join("   "), Style::new());
        y += 1;
    }
    for (y, text) in (y + 1..).zip(COLUMNS) {
        put(buffer, area, 2, y, text, FAINT);
    }
}

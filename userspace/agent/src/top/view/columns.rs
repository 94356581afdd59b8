//! The columns of both tables, for narrow and for wide terminals.

use ratatui::style::Style;
use tidegate_api::TrafficCount;

use super::{
    super::rates::Rates,
    BAD, DOUBTFUL, FAINT, Sort,
    number::{count, short},
};

/// What one row of either table shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a> {
    pub(super) port: Option<u16>,
    pub(super) proto: &'a str,
    pub(super) rates: Option<Rates>,
    pub(super) counts: Option<TrafficCount>,
    pub(super) active: Option<u64>,
    /// Ready endpoints and all of them; a backend has none.
    pub(super) ready: Option<(usize, usize)>,
}

/// A column behind the name; numbers stand on the right.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) width: u16,
    pub(super) sort: Option<Sort>,
    /// A backend has a value there, too.
    pub(super) of_backends: bool,
    pub(super) value: fn(&Values<'_>) -> (String, Style),
}

/// Terminals of this width get all columns.
const WIDE: u16 = 140;

/// The columns for a width.
pub(super) fn columns(width: u16) -> Vec<Column> {
    let column = |title, width, sort, value| Column {
        title,
        width,
        sort,
        of_backends: !matches!(title, "PORT" | "PROTO" | "REFUSED/S" | "READY"),
        value,
    };
    let active = column(
        "ACTIVE",
        7,
        Some(Sort::Active),
        active as fn(&Values<'_>) -> (String, Style),
    );
    let new = column("NEW/S", 6, Some(Sort::New), |it| rate(it, |it| it.opened));
    let refused = column("REFUSED/S", 10, Some(Sort::Refused), refused);
    let ready = column("READY", 7, Some(Sort::Ready), ready);
    if width < WIDE {
        return vec![
            column("PROTO", 5, None, proto),
            column("PKT/S", 7, Some(Sort::Packets), |it| rate(it, Rates::all)),
            column("BYTE/S", 7, Some(Sort::Bytes), |it| {
                rate(it, Rates::all_bytes_of)
            }),
            new,
            active,
            Column {
                title: "REF/S",
                width: 6,
                ..refused
            },
            Column { width: 6, ..ready },
        ];
    }
    vec![
        column("PORT", 6, None, port),
        column("PROTO", 6, None, proto),
        column("PKT/S IN", 10, None, |it| rate(it, |it| it.packets)),
        column("PKT/S OUT", 10, None, |it| rate(it, |it| it.reply_packets)),
        column("PKT/S", 8, Some(Sort::Packets), |it| rate(it, Rates::all)),
        column("BYTE/S IN", 10, None, |it| rate(it, |it| it.bytes)),
        column("BYTE/S OUT", 11, None, |it| rate(it, |it| it.reply_bytes)),
        column("BYTE/S", 8, Some(Sort::Bytes), |it| {
            rate(it, Rates::all_bytes_of)
        }),
        Column { width: 8, ..new },
        Column { width: 8, ..active },
        refused,
        Column { width: 9, ..ready },
        column("FLOWS", 9, None, |it| sum(it, |it| it.opened)),
        column("BYTES", 9, None, |it| {
            sum(it, |it| it.bytes + it.reply_bytes)
        }),
    ]
}

impl Rates {
    fn all(it: &Self) -> f64 {
        it.all_packets()
    }

    fn all_bytes_of(it: &Self) -> f64 {
        it.all_bytes()
    }
}

fn port(it: &Values<'_>) -> (String, Style) {
    let text = it.port.map_or_else(String::new, |port| port.to_string());
    (text, Style::new())
}

fn proto(it: &Values<'_>) -> (String, Style) {
    (it.proto.to_owned(), Style::new())
}

/// `-`: not counted, or not known yet.
fn rate(it: &Values<'_>, of: impl Fn(&Rates) -> f64) -> (String, Style) {
    match it.rates {
        None => ("-".to_owned(), FAINT),
        Some(rates) => quiet(short(of(&rates))),
    }
}

fn sum(it: &Values<'_>, of: fn(&TrafficCount) -> u64) -> (String, Style) {
    match it.counts {
        None => ("-".to_owned(), FAINT),
        Some(counts) => quiet(count(of(&counts))),
    }
}

fn active(it: &Values<'_>) -> (String, Style) {
    match it.active {
        None => ("-".to_owned(), FAINT),
        Some(active) => quiet(count(active)),
    }
}

/// Of a backend nothing is refused: there was none.
fn refused(it: &Values<'_>) -> (String, Style) {
    if it.ready.is_none() {
        return Default::default();
    }
    let (text, style) = rate(it, |it| it.refused);
    let is_some = it.rates.is_some_and(|it| it.refused > 0.0);
    (text, if is_some { BAD } else { style })
}

fn ready(it: &Values<'_>) -> (String, Style) {
    let Some((ready, all)) = it.ready else {
        return Default::default();
    };
    let style = match ready {
        0 => BAD,
        _ if ready < all => DOUBTFUL,
        _ => Style::new(),
    };
    (format!("{ready}/{all}"), style)
}

/// Where nothing happens the eye should not stay.
fn quiet(text: String) -> (String, Style) {
    let style = if text == "0" { FAINT } else { Style::new() };
    (text, style)
}

//! The two tables: service ports, and the backends of one of them.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{
    super::state::{Backend, Row},
    BOLD, CURSOR, DOUBTFUL, FAINT, Sort, State,
    columns::{Column, Values, columns},
    cut, put,
};

pub(super) fn services(state: &State, area: Rect, buffer: &mut Buffer) {
    let rows = state.visible();
    let columns = columns(area.width);
    title(state, &columns, area, buffer);
    if rows.is_empty() {
        let text = if state.all() == 0 {
            "no Services".to_owned()
        } else {
            format!(
                "nothing has \u{201c}{}\u{201d} in it; Esc clears the filter",
                state.filter
            )
        };
        put(buffer, area, 2, 1, &text, FAINT);
        return;
    }
    let room = usize::from(area.height.saturating_sub(1));
    let at = state.cursor().map_or(0, |(at, _)| at);
    let first = first(at, rows.len(), room);
    for (y, (place, row)) in (1_u16..).zip(rows.iter().enumerate().skip(first).take(room)) {
        line(
            &row.name,
            Style::new(),
            &row.values(),
            &columns,
            area,
            y,
            buffer,
        );
        if place == at && state.is_live {
            let line = Rect {
                y: area.y + y,
                height: 1,
                ..area
            };
            buffer.set_style(line, CURSOR);
        }
    }
}

/// Lines above the backends: an empty one, whose they are, and what the columns are.
pub(super) const BACKENDS_HEAD: u16 = 3;

pub(super) fn backends(row: &Row, area: Rect, buffer: &mut Buffer) {
    let mut columns = columns(area.width);
    for column in &mut columns {
        if !column.of_backends {
            column.title = "";
        }
    }
    put(
        buffer,
        area,
        0,
        1,
        &format!("backends of {} {}", row.name, row.proto),
        BOLD,
    );
    let below = Rect {
        y: area.y + 2,
        height: area.height.saturating_sub(2),
        ..area
    };
    heading("  ADDRESS", &columns, None, below, buffer);
    if row.backends.is_empty() {
        put(buffer, area, 2, BACKENDS_HEAD, "none", FAINT);
    }
    let room = usize::from(area.height.saturating_sub(BACKENDS_HEAD));
    let hidden = row.backends.len().saturating_sub(room);
    for (y, backend) in (BACKENDS_HEAD..).zip(row.backends.iter().take(room)) {
        let is_last = y + 1 == area.height;
        if hidden > 0 && is_last {
            let text = format!("and {} more", hidden + 1);
            put(buffer, area, 2, y, &text, FAINT);
            break;
        }
        let (name, style) = backend.label();
        line(&name, style, &backend.values(), &columns, area, y, buffer);
    }
}

/// The first row that is shown: the cursor is in the middle where there is more on both sides.
fn first(at: usize, all: usize, room: usize) -> usize {
    at.saturating_sub(room / 2).min(all.saturating_sub(room))
}

fn title(state: &State, columns: &[Column], area: Rect, buffer: &mut Buffer) {
    heading(
        "SERVICE",
        columns,
        Some((state.sort, state.reversed)),
        area,
        buffer,
    );
}

/// The column by which rows are ordered is marked.
fn heading(
    name: &str,
    columns: &[Column],
    sort: Option<(Sort, bool)>,
    area: Rect,
    buffer: &mut Buffer,
) {
    let mark = |column: Option<Sort>| match sort {
        Some((sort, reversed)) if column == Some(sort) => {
            if reversed {
                "\u{25b2}"
            } else {
                "\u{25bc}"
            }
        }
        _ => "",
    };
    let widths: u16 = columns.iter().map(|it| it.width + 1).sum();
    let room = area.width.saturating_sub(widths);
    let name = cut(name, usize::from(room).saturating_sub(1));
    put(
        buffer,
        area,
        0,
        0,
        &format!("{name}{}", mark(Some(Sort::Name))),
        BOLD,
    );
    let mut x = room;
    for column in columns {
        let text = format!("{}{}", column.title, mark(column.sort));
        let width = usize::from(column.width);
        put(buffer, area, x, 0, &format!(" {text:>width$}"), BOLD);
        x += column.width + 1;
    }
}

fn line(
    name: &str,
    style: Style,
    values: &Values<'_>,
    columns: &[Column],
    area: Rect,
    y: u16,
    buffer: &mut Buffer,
) {
    let widths: u16 = columns.iter().map(|it| it.width + 1).sum();
    let room = area.width.saturating_sub(widths);
    put(buffer, area, 0, y, &cut(name, usize::from(room)), style);
    let mut x = room;
    for column in columns {
        let (text, style) = (column.value)(values);
        let width = usize::from(column.width);
        put(buffer, area, x, y, &format!(" {text:>width$}"), style);
        x += column.width + 1;
    }
}

impl Row {
    fn values(&self) -> Values<'_> {
        Values {
            port: Some(self.port),
            proto: &self.proto,
            rates: self.rates,
            counts: self.counts,
            active: self.active,
            ready: Some((self.ready, self.endpoints)),
        }
    }
}

impl Backend {
    fn values(&self) -> Values<'_> {
        Values {
            port: None,
            proto: "",
            rates: self.rates,
            counts: self.counts,
            active: self.active,
            ready: None,
        }
    }

    fn label(&self) -> (String, Style) {
        if self.serves {
            (format!("  {}", self.address), Style::new())
        } else {
            (format!("  {} (gone)", self.address), DOUBTFUL)
        }
    }
}

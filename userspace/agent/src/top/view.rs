//! Draws the state: a pure function of state and size, so that a test can look at it.
//!
//! On top what the node does, then the service ports, below them the backends of the chosen one if they are
//! asked for, and the keys on the last line. Wide terminals get more columns.

mod columns;
mod head;
mod help;
mod table;

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Modifier, Style},
};

use super::{number, sort::Sort, state::State};

const FAINT: Style = Style::new().fg(Color::DarkGray);
const GOOD: Style = Style::new().fg(Color::Green);
const DOUBTFUL: Style = Style::new().fg(Color::Yellow);
const BAD: Style = Style::new().fg(Color::Red);
const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const CURSOR: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Rows of the tables that are always left to the service ports.
const SERVICES_LEAST: u16 = 4;

/// Draws everything.
pub(super) fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    let [head, body, foot] = split(area);
    head::draw(state, head, buffer);
    if state.help {
        help::draw(body, buffer);
    } else {
        tables(state, body, buffer);
    }
    footer(state, foot, buffer);
}

/// The same as a still picture: no cursor and no keys, and all rows.
pub(super) fn still(state: &State, width: u16) -> Buffer {
    let backends = state.cursor().map_or(0, |(_, row)| row.backends.len());
    let rows = state.visible().len().max(1)
        + if state.open {
            backends.max(1) + usize::from(table::BACKENDS_HEAD)
        } else {
            0
        };
    let rows = u16::try_from(rows).unwrap_or(u16::MAX / 2);
    let height = head::HEIGHT.saturating_add(rows).saturating_add(1);
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    let [head, body, _none] = split(Rect {
        height: area.height + 1,
        ..area
    });
    head::draw(state, head, &mut buffer);
    tables(state, body, &mut buffer);
    buffer
}

fn split(area: Rect) -> [Rect; 3] {
    let head = head::HEIGHT.min(area.height);
    let foot = u16::from(area.height > head);
    let body = area.height - head - foot;
    let at = |y: u16, height: u16| Rect {
        y: area.y + y,
        height,
        ..area
    };
    [at(0, head), at(head, body), at(head + body, foot)]
}

/// The service ports, and the backends of the chosen one.
fn tables(state: &State, area: Rect, buffer: &mut Buffer) {
    let Some((_, row)) = state.cursor().filter(|_| state.open) else {
        return table::services(state, area, buffer);
    };
    let wanted = u16::try_from(row.backends.len().max(1)).unwrap_or(u16::MAX);
    let wanted = wanted.saturating_add(table::BACKENDS_HEAD);
    let room = (area.height / 2).max(area.height.saturating_sub(used(state)));
    let below = wanted
        .min(room)
        .min(area.height.saturating_sub(SERVICES_LEAST.min(used(state))));
    // Close to the service ports, where both tables have room enough.
    let above = used(state).min(area.height - below);
    table::services(
        state,
        Rect {
            height: above,
            ..area
        },
        buffer,
    );
    let below = Rect {
        y: area.y + above,
        height: below,
        ..area
    };
    table::backends(row, below, buffer);
}

/// Lines that the table of service ports would like to have.
fn used(state: &State) -> u16 {
    u16::try_from(state.visible().len() + 1).unwrap_or(u16::MAX)
}

fn footer(state: &State, area: Rect, buffer: &mut Buffer) {
    if area.height == 0 {
        return;
    }
    let (text, style) = if state.typing {
        (
            format!("filter: {}_   Enter keeps it, Esc clears it", state.filter),
            BOLD,
        )
    } else {
        let (_, name) = state.sort.key();
        let turned = if state.reversed { ", reversed" } else { "" };
        let text = format!(
            "q quit  ? help  \u{2191}\u{2193} choose  Enter backends  / filter  s order (by {name}{turned})"
        );
        (text, FAINT)
    };
    put(buffer, area, 0, 0, &text, style);
}

/// Writes a text into a line of the area, and cuts what is beyond it. Says where it ends.
fn put(buffer: &mut Buffer, area: Rect, x: u16, y: u16, text: &str, style: Style) -> u16 {
    if y >= area.height || x >= area.width {
        return x;
    }
    let room = usize::from(area.width - x);
    let (end, _) = buffer.set_stringn(area.x + x, area.y + y, text, room, style);
    end - area.x
}

/// In so many characters: what is longer ends with an ellipsis.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('\u{2026}');
    short
}

#[cfg(test)]
mod tests;

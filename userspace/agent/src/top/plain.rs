//! One frame as text, for pipes and for `--once`.

use ratatui::buffer::Buffer;

use super::{state::State, view};

/// The most columns that a frame takes where nobody says how many there are.
const WIDTH: u16 = 200;

/// All rows, without colours and without what is only there to be steered.
pub(crate) fn print(state: &State, width: Option<usize>) -> String {
    let width = width.and_then(|width| u16::try_from(width).ok());
    text(&view::still(state, width.unwrap_or(WIDTH)))
}

fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for row in buffer.content.chunks(usize::from(buffer.area.width).max(1)) {
        let line: String = row.iter().map(|cell| cell.symbol()).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

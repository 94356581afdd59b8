//! Tables as `kubectl` draws them: no borders, headings in capitals, two blanks between columns.
//!
//! On a terminal a line never wraps. Columns that may be shortened give way first, then the least
//! important ones go; `-o wide` shows everything, however wide that is.

use super::screen::{Screen, Tint};

/// Between two columns.
const GAP: usize = 2;

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    title: &'static str,
    /// It may be shortened to this many characters; 0: not at all.
    shortest: usize,
    /// The highest goes first where there is no room; 0: it stays.
    rank: u8,
    /// It shows with `-o wide` only.
    is_wide: bool,
    /// As the last column it goes on below itself, where others are cut.
    flows: bool,
}

/// A cell and how it looks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    text: String,
    tint: Tint,
}

/// A row of a table.
pub(crate) trait Row {
    /// All columns, from left to right.
    const COLUMNS: &'static [Column];
    /// One for each column.
    fn cells(&self) -> Vec<Cell>;
}

/// Which columns show and how wide each is; rows that come later fit in as well as they can.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// The columns' places and widths.
    shown: Vec<(usize, usize)>,
    /// The last of them goes on below itself.
    flows: bool,
    screen: Screen,
}

impl Column {
    pub(crate) const fn new(title: &'static str) -> Self {
        Self {
            title,
            shortest: 0,
            rank: 0,
            is_wide: false,
            flows: false,
        }
    }

    /// It may be shortened to so many characters.
    pub(crate) const fn down_to(self, shortest: usize) -> Self {
        Self { shortest, ..self }
    }

    /// It goes where there is no room, the highest rank first.
    pub(crate) const fn rank(self, rank: u8) -> Self {
        Self { rank, ..self }
    }

    /// It shows with `-o wide` only.
    pub(crate) const fn wide(self) -> Self {
        Self {
            is_wide: true,
            ..self
        }
    }

    /// It goes on below itself where there is no room; only the last column can.
    pub(crate) const fn flowing(self) -> Self {
        Self {
            flows: true,
            ..self
        }
    }

    fn narrowest(&self, width: usize) -> usize {
        if self.shortest == 0 {
            width
        } else {
            width.min(self.shortest.max(self.title.len()))
        }
    }
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        let mut text: String = text.into();
        // Names come from the input: an escape in them must not reach a terminal.
        if text.contains(char::is_control) {
            text = text.replace(char::is_control, "?");
        }
        Self {
            text,
            tint: Tint::Plain,
        }
    }

    pub(crate) fn tint(self, tint: Tint) -> Self {
        Self { tint, ..self }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// The table's text; an empty list has no headings either.
pub(crate) fn render<T: Row>(rows: &[T], is_wide: bool, screen: Screen) -> String {
    if rows.is_empty() {
        return "nothing found\n".to_owned();
    }
    let cells: Vec<Vec<Cell>> = rows.iter().map(Row::cells).collect();
    let layout = Layout::of(T::COLUMNS, &cells, is_wide, screen);
    let lines = cells.iter().map(|row| layout.line(row));
    std::iter::once(layout.headings(T::COLUMNS))
        .chain(lines)
        .collect()
}

impl Layout {
    /// Chooses columns and widths for these rows.
    pub(crate) fn of(
        columns: &[Column],
        rows: &[Vec<Cell>],
        is_wide: bool,
        screen: Screen,
    ) -> Self {
        let longest = |index: usize| {
            let cells = rows.iter().filter_map(|row| row.get(index));
            let widths = cells.map(|cell| cell.text.chars().count());
            widths.max().unwrap_or(0)
        };
        let all = columns.iter().enumerate();
        let mut shown: Vec<(usize, usize)> = all
            .filter(|(_, column)| is_wide || !column.is_wide)
            .map(|(index, column)| (index, longest(index).max(column.title.len())))
            .collect();
        if let Some(room) = screen.width.filter(|_| !is_wide) {
            drop_columns(columns, &mut shown, room);
            shorten(columns, &mut shown, room);
        }
        let last = shown.last().and_then(|(index, _)| columns.get(*index));
        Self {
            flows: last.is_some_and(|column| column.flows),
            shown,
            screen,
        }
    }

    /// The first line.
    pub(crate) fn headings(&self, columns: &[Column]) -> String {
        let titles: Vec<Cell> = columns
            .iter()
            .map(|column| Cell::new(column.title).tint(Tint::Heading))
            .collect();
        self.line(&titles)
    }

    /// One row's line, or lines where the last column goes on below itself.
    pub(crate) fn line(&self, row: &[Cell]) -> String {
        let Some((last, width)) = self.shown.last().filter(|_| self.flows) else {
            return self.one_line(row);
        };
        let Some(cell) = row.get(*last) else {
            return self.one_line(row);
        };
        let room = self.screen.width.map(|_| *width);
        let mut lines = String::new();
        let mut row = row.to_vec();
        for text in wrapped(&cell.text, room) {
            row[*last].text = text;
            lines.push_str(&self.one_line(&row));
            row.iter_mut().for_each(|cell| cell.text.clear());
        }
        lines
    }

    fn one_line(&self, row: &[Cell]) -> String {
        let mut line = String::new();
        let nothing = Cell::default();
        let mut blanks = 0;
        for (index, width) in &self.shown {
            let cell = row.get(*index).unwrap_or(&nothing);
            let text = self.fit(&cell.text, *width);
            line.push_str(&" ".repeat(blanks));
            line.push_str(&self.screen.paint(&text, cell.tint));
            blanks = width.saturating_sub(text.chars().count()) + GAP;
        }
        // Blanks are written before the next text only, so that none is left at the end.
        let kept = line.trim_end().len();
        line.truncate(kept);
        line.push('\n');
        line
    }

    /// Off a terminal later rows may be longer than the first ones.
    fn fit(&self, text: &str, width: usize) -> String {
        if self.screen.width.is_none() {
            text.to_owned()
        } else {
            shortened(text, width)
        }
    }
}

/// Drops columns until the others fit, each as short as it may be.
fn drop_columns(columns: &[Column], shown: &mut Vec<(usize, usize)>, room: usize) {
    loop {
        let least = shown
            .iter()
            .map(|(index, width)| columns[*index].narrowest(*width));
        if total(least) <= room {
            return;
        }
        let droppable = shown.iter().enumerate().max_by_key(|(place, (index, _))| {
            // Of two equals the one on the right goes.
            (columns[*index].rank, *place)
        });
        match droppable {
            Some((place, (index, _))) if columns[*index].rank > 0 => drop(shown.remove(place)),
            _ => return,
        }
    }
}

/// Shortens the widest of the columns that may be shortened, a character at a time.
fn shorten(columns: &[Column], shown: &mut [(usize, usize)], room: usize) {
    while total(shown.iter().map(|(_, width)| *width)) > room {
        let patient = shown
            .iter_mut()
            .filter(|(index, width)| columns[*index].narrowest(*width) < *width)
            .max_by_key(|(_, width)| *width);
        match patient {
            Some((_, width)) => *width -= 1,
            None => return,
        }
    }
}

fn total(widths: impl Iterator<Item = usize>) -> usize {
    let (sum, count) = widths.fold((0, 0), |(sum, count), width| (sum + width, count + 1));
    sum + GAP * usize::saturating_sub(count, 1)
}

/// The text, cut to so many characters.
pub(crate) fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Breaks a text at blanks into lines of at most so many characters.
pub(crate) fn wrapped(text: &str, width: Option<usize>) -> Vec<String> {
    let Some(width) = width else {
        return vec![text.to_owned()];
    };
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let taken = word.chars().count();
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + taken <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests;

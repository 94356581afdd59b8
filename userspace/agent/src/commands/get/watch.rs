//! `get --watch`: asks again and again, and prints what is other than before.
//!
//! The lists are made from what the kernel holds, which tells nobody when it changes: so they are asked
//! for once a second and compared. What came and went between two looks is not seen.

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde::Serialize;

use super::Wanted;
use crate::{
    cli::Output,
    failure::Failure,
    show::{self, Cell, Column, Layout, Listed, Tint},
};

const EVERY: Duration = Duration::from_secs(1);

/// What has happened to a row, in Kubernetes' words.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Happened {
    Added,
    Modified,
    Deleted,
}

/// One line of `-o json`.
#[derive(Debug, Serialize)]
struct Event<'a, T> {
    #[serde(rename = "type")]
    happened: Happened,
    object: &'a T,
}

/// Prints the rows, then every change, until somebody ends it.
pub(super) async fn follow<T: Listed>(
    socket: &Path,
    path: &str,
    output: Output,
    wanted: &Wanted,
    first: Vec<T>,
) -> Result<(), Failure> {
    let mut known: BTreeMap<String, T> = BTreeMap::new();
    let mut printer = Printer::new(output);
    let mut now = first;
    loop {
        printer.print(&changes(&mut known, now))?;
        tokio::time::sleep(EVERY).await;
        now = wanted.ask(socket, path).await?;
    }
}

/// What is other than what is known, which is brought up to date.
fn changes<T: Listed>(known: &mut BTreeMap<String, T>, now: Vec<T>) -> Vec<(Happened, T)> {
    let mut old = std::mem::take(known);
    let mut changes = Vec::new();
    for row in now {
        let identity = row.identity();
        match old.remove(&identity) {
            None => changes.push((Happened::Added, row.clone())),
            Some(before) if before != row => changes.push((Happened::Modified, row.clone())),
            Some(_) => {}
        }
        known.insert(identity, row);
    }
    changes.extend(old.into_values().map(|row| (Happened::Deleted, row)));
    changes
}

struct Printer {
    output: Output,
    /// Chosen by the first rows, so that the columns stay where they are.
    layout: Option<Layout>,
}

impl Printer {
    fn new(output: Output) -> Self {
        Self {
            output,
            layout: None,
        }
    }

    fn print<T: Listed>(&mut self, changes: &[(Happened, T)]) -> Result<(), Failure> {
        let mut text = String::new();
        for (happened, row) in changes {
            let (happened, object) = (*happened, row);
            let event = Event { happened, object };
            match self.output {
                Output::Table | Output::Wide => {}
                Output::Json => text.push_str(&show::json_line(&event)?),
                Output::Yaml => {
                    text.push_str("---\n");
                    text.push_str(&show::yaml(&event)?);
                }
            }
        }
        if matches!(self.output, Output::Table | Output::Wide) {
            text = self.table(changes);
        }
        if text.is_empty() {
            return Ok(());
        }
        show::print(&text)
    }

    fn table<T: Listed>(&mut self, changes: &[(Happened, T)]) -> String {
        let rows: Vec<Vec<Cell>> = changes
            .iter()
            .map(|(happened, row)| {
                std::iter::once(happened.cell())
                    .chain(row.cells())
                    .collect()
            })
            .collect();
        let mut text = String::new();
        if self.layout.is_none() && !rows.is_empty() {
            let columns: Vec<Column> = std::iter::once(Column::new("EVENT   "))
                .chain(T::COLUMNS.iter().copied())
                .collect();
            let is_wide = self.output == Output::Wide;
            let layout = Layout::of(&columns, &rows, is_wide, show::screen());
            text.push_str(&layout.headings(&columns));
            self.layout = Some(layout);
        }
        if let Some(layout) = &self.layout {
            text.extend(rows.iter().map(|row| layout.line(row)));
        }
        text
    }
}

impl Happened {
    fn cell(self) -> Cell {
        match self {
            Self::Added => Cell::new("ADDED").tint(Tint::Good),
            Self::Modified => Cell::new("MODIFIED").tint(Tint::Doubtful),
            Self::Deleted => Cell::new("DELETED").tint(Tint::Bad),
        }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_api::ServiceRow;

    use super::*;

    fn row(name: &str, ready: usize) -> ServiceRow {
        ServiceRow {
            name: name.into(),
            endpoints_ready: ready,
            endpoints_total: 2,
            ..ServiceRow::default()
        }
    }

    fn happened(changes: &[(Happened, ServiceRow)]) -> Vec<(Happened, &str)> {
        let told = changes.iter();
        told.map(|(what, row)| (*what, row.name.as_str())).collect()
    }

    #[test]
    fn a_watch_tells_what_came_what_changed_and_what_went() {
        let mut known = BTreeMap::new();
        let first = changes(&mut known, vec![row("a", 1), row("b", 1)]);
        assert_eq!(
            happened(&first),
            [(Happened::Added, "a"), (Happened::Added, "b")]
        );
        assert!(changes(&mut known, vec![row("a", 1), row("b", 1)]).is_empty());
        let later = changes(&mut known, vec![row("a", 2), row("c", 1)]);
        assert_eq!(
            happened(&later),
            [
                (Happened::Modified, "a"),
                (Happened::Added, "c"),
                (Happened::Deleted, "b")
            ]
        );
    }

    #[test]
    fn the_headings_are_printed_once() {
        let mut printer = Printer::new(Output::Table);
        let first = printer.table(&[(Happened::Added, row("a", 1))]);
        let later = printer.table(&[(Happened::Deleted, row("a", 1))]);
        assert!(first.starts_with("EVENT     NAMESPACE  NAME"), "{first}");
        assert!(later.starts_with("DELETED   "), "{later}");
        assert_eq!((first.lines().count(), later.lines().count()), (2, 1));
    }

    #[test]
    fn an_event_in_json_is_one_line() {
        let event = Event {
            happened: Happened::Deleted,
            object: &row("a", 1),
        };
        let line = show::json_line(&event).unwrap();
        assert!(
            line.starts_with("{\"type\":\"DELETED\",\"object\":{"),
            "{line}"
        );
        assert_eq!(line.lines().count(), 1);
    }
}

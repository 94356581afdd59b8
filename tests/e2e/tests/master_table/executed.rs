//! A row as it was when it was run, to be read beside the specification's.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use crate::table::{Column, Row};

pub(crate) struct Executed<'a> {
    row: &'a Row,
    /// What each column was, and for which kinds of dial.
    cells: BTreeMap<usize, BTreeMap<String, Vec<String>>>,
}

impl<'a> Executed<'a> {
    pub(crate) fn new(row: &'a Row) -> Self {
        Self {
            row,
            cells: BTreeMap::new(),
        }
    }

    /// One dial of a cell: `kind` says what was dialled and how, `met` what came of it.
    pub(crate) fn note(&mut self, column: Column, kind: &str, met: String) {
        let cell = self.cells.entry(column as usize).or_default();
        cell.entry(met).or_default().push(kind.to_owned());
    }

    /// Fails with the whole row when a cell is not as the table says.
    pub(crate) fn check(&self) -> Result<()> {
        let right = Column::ALL.iter().all(|&column| self.is_right(column));
        ensure!(right, "{}", self.text());
        Ok(())
    }

    /// A column that was not run is none of this run's business.
    fn is_right(&self, column: Column) -> bool {
        let expected = self.row.expected(column);
        let cell = self.cells.get(&(column as usize));
        cell.is_none_or(|cell| cell.keys().all(|met| met == expected))
    }

    fn text(&self) -> String {
        let Row { id, source, to, .. } = self.row;
        let mut text = format!("{id} {source:?} to {to:?}\n");
        for column in Column::ALL {
            let (name, expected) = (column.name(), self.row.expected(column));
            let verdict = if self.is_right(column) {
                ""
            } else {
                "   <-- but it was"
            };
            text += &format!("  | {name:<15} | {expected:<17} |{verdict}\n");
            let Some(cell) = self.cells.get(&(column as usize)) else {
                continue;
            };
            for (met, kinds) in cell.iter().filter(|(met, _)| *met != expected) {
                text += &format!("      {met}: {}\n", kinds.join(", "));
            }
        }
        text
    }
}

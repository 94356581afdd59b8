//! What was measured: a table for people, JSON for programs.

use serde::Serialize;

/// One measurement.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) section: &'static str,
    pub(crate) what: Vec<String>,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// What it is compared with, in the same unit and run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) baseline: Option<f64>,
}

impl Row {
    pub(crate) fn rate(
        section: &'static str,
        what: Vec<String>,
        value: f64,
        unit: &'static str,
    ) -> Self {
        Self {
            section,
            what,
            value,
            unit,
            baseline: None,
        }
    }

    /// The same, compared with another.
    pub(crate) fn against(self, baseline: Option<f64>) -> Self {
        Self { baseline, ..self }
    }

    /// What stands behind the value.
    fn comparison(&self) -> String {
        match self.baseline {
            None => String::new(),
            Some(driver) if self.section == "program" => format!("(driver {driver:.1})"),
            Some(one) if self.section == "services" => {
                format!("({:.2} of {one:.0} with one service)", self.value / one)
            }
            Some(plain) => format!("({:.2} of plain)", self.value / plain),
        }
    }

    pub(crate) fn program(what: &[String], ns: f64, driver: f64) -> Self {
        Self {
            section: "program",
            what: what.to_vec(),
            value: ns,
            unit: "ns",
            baseline: Some(driver),
        }
    }
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
}

impl Report {
    /// Notes a measurement, and shows it at once: a run is long.
    pub(crate) fn add(&mut self, row: Row) {
        println!(
            "{:<10} {:<60} {:>10.2} {} {}",
            row.section,
            row.what.join(" "),
            row.value,
            row.unit,
            row.comparison()
        );
        self.rows.push(row);
    }
}

/// Whether a label has each of these words somewhere.
pub(crate) fn is_wanted(label: &[String], only: &[String]) -> bool {
    only.iter()
        .all(|word| label.iter().any(|it| it.contains(word)))
}

//! What is on the screen.

use std::time::Duration;

use tidegate_api::{BackendTraffic, ServiceTraffic, TrafficCount, TrafficReport};

use super::{
    rates::{Base, Rates, Totals},
    sort::Sort,
};

/// Everything that the view draws.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(super) interval: Duration,
    pub(super) head: Head,
    /// All rows, in order.
    rows: Vec<Row>,
    base: Base,
    pub(super) sort: Sort,
    pub(super) reversed: bool,
    pub(super) filter: String,
    /// Keys go into the filter.
    pub(super) typing: bool,
    /// The id of the service port on which the cursor is.
    pub(super) chosen: Option<u32>,
    /// Somebody has put the cursor there: it stays with its service port, wherever that goes.
    held: bool,
    /// The backends of the chosen one are shown.
    pub(super) open: bool,
    pub(super) help: bool,
    /// There is somebody who sees a cursor.
    pub(super) is_live: bool,
    /// Why nothing new is shown.
    pub(super) trouble: Option<String>,
}

/// What stands above the table.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    pub(super) report: TrafficReport,
    /// `None`: there was one report so far.
    pub(super) totals: Option<Totals>,
}

/// A service port.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) id: u32,
    /// `namespace/name:port`
    pub(super) name: String,
    pub(super) port: u16,
    /// `TCP`, or `TCP6` for IPv6.
    pub(super) proto: String,
    pub(super) ready: usize,
    pub(super) endpoints: usize,
    pub(super) counts: Option<TrafficCount>,
    pub(super) rates: Option<Rates>,
    pub(super) active: Option<u64>,
    pub(super) backends: Vec<Backend>,
}

/// A backend.
#[derive(Clone, Debug)]
pub(super) struct Backend {
    pub(super) address: String,
    pub(super) serves: bool,
    pub(super) counts: Option<TrafficCount>,
    pub(super) rates: Option<Rates>,
    pub(super) active: Option<u64>,
}

impl State {
    pub(crate) fn new(interval: Duration, filter: String) -> Self {
        Self {
            interval,
            filter,
            ..Self::default()
        }
    }

    /// Takes in what the agent has answered.
    pub(crate) fn take(&mut self, report: TrafficReport) {
        self.trouble = None;
        let seconds = self.base.seconds_until(&report);
        let seconds = seconds.filter(|_| self.base.monotonic_nanoseconds > 0);
        let base = &self.base;
        self.head.totals = seconds.map(|seconds| base.totals(&report.counters, seconds));
        let rows = report.services.iter();
        self.rows = rows.map(|it| Row::new(it, base, seconds)).collect();
        self.order();
        // Two answers in quick succession would make rates of a few packets.
        let is_due = seconds.is_none_or(|it| it >= self.interval.as_secs_f64() * 0.9);
        if is_due || self.base.lacks(&report) {
            self.base = Base::of(&report);
        }
        let services = Vec::new();
        self.head.report = TrafficReport { services, ..report };
    }

    /// Nothing new can be shown, for this reason.
    pub(crate) fn fail(&mut self, reason: String) {
        self.trouble = Some(reason);
    }

    /// Puts the cursor on the first port of a Service and shows its backends.
    pub(crate) fn open_service(&mut self, service: &str) -> bool {
        let is_of = |row: &&Row| {
            row.name
                .rsplit_once(':')
                .is_some_and(|(name, _)| name == service)
        };
        self.chosen = self.rows.iter().find(is_of).map(|row| row.id);
        self.open = self.chosen.is_some();
        self.held = self.open;
        self.open
    }

    /// The rows that the filter lets pass.
    pub(super) fn visible(&self) -> Vec<&Row> {
        let wanted = self.filter.to_lowercase();
        let is_wanted = |row: &&Row| {
            let text = format!("{} {} {}", row.name, row.port, row.proto);
            wanted
                .split_whitespace()
                .all(|word| text.to_lowercase().contains(word))
        };
        self.rows.iter().filter(is_wanted).collect()
    }

    /// How many rows there are without the filter.
    pub(super) fn all(&self) -> usize {
        self.rows.len()
    }

    /// The row on which the cursor is, and its place.
    pub(super) fn cursor(&self) -> Option<(usize, &Row)> {
        let rows = self.visible().into_iter().enumerate();
        let mut rows = rows.filter(|(_, row)| Some(row.id) == self.chosen);
        rows.next()
    }

    /// Whose backends the next report must have.
    pub(crate) fn wanted(&self) -> Option<u32> {
        self.chosen.filter(|_| self.open)
    }

    /// Moves the cursor, and stops at both ends.
    pub(super) fn walk(&mut self, by: isize) {
        let rows = self.visible();
        let Some(last) = rows.len().checked_sub(1) else {
            return;
        };
        let at = self.cursor().map_or(0, |(at, _)| at);
        let to = at.saturating_add_signed(by).min(last);
        self.chosen = rows.get(to).map(|row| row.id);
        self.held = true;
    }

    /// Shows the backends of the service port under the cursor, or no longer.
    pub(super) fn set_open(&mut self, open: bool) {
        self.open = open && self.chosen.is_some();
        self.held |= self.open;
    }

    pub(super) fn order(&mut self) {
        let (sort, reversed) = (self.sort, self.reversed);
        self.rows.sort_by(|one, other| {
            let order = sort.compare(one, other);
            if reversed { order.reverse() } else { order }
        });
        self.choose_visible();
    }

    /// The cursor is on something that is seen.
    pub(super) fn choose_visible(&mut self) {
        if !self.held || self.cursor().is_none() {
            self.chosen = self.visible().first().map(|row| row.id);
        }
    }
}

impl Row {
    fn new(it: &ServiceTraffic, base: &Base, seconds: Option<f64>) -> Self {
        let port = if it.port_name.is_empty() {
            it.port.to_string()
        } else {
            it.port_name.clone()
        };
        let six = if it.family == "IPv6" { "6" } else { "" };
        let rates = || base.service(it.id, it.traffic?, seconds?);
        Self {
            id: it.id,
            name: format!("{}/{}:{port}", it.namespace, it.name),
            port: it.port,
            proto: format!("{}{six}", it.proto),
            ready: it.endpoints_ready,
            endpoints: it.endpoints_total,
            counts: it.traffic,
            rates: rates(),
            active: it.active,
            backends: it
                .backends
                .iter()
                .map(|it| Backend::new(it, base, seconds))
                .collect(),
        }
    }

    /// Endpoints that are not ready; all gone is the worst.
    pub(super) fn lacking(&self) -> (bool, usize) {
        (self.ready == 0, self.endpoints.saturating_sub(self.ready))
    }
}

impl Backend {
    fn new(it: &BackendTraffic, base: &Base, seconds: Option<f64>) -> Self {
        let rates = || base.backend(it, seconds?);
        Self {
            address: it.address.to_string(),
            serves: it.serves,
            counts: it.traffic,
            rates: rates(),
            active: it.active,
        }
    }
}

#[cfg(test)]
mod tests;

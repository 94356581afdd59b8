//! What `monitor` and `top` watch: events, and counters with their names.
//!
//! Nothing here asks the reconcile loop, so that one can look at an agent that is busy.

mod report;

use std::sync::Arc;

use tidegate_api::TrafficReport;

use crate::{
    census,
    events::Events,
    metrics::Gauges,
    names::{self, Names},
};

pub(crate) use report::{Detail, count};

/// Where things to watch come from.
#[derive(Clone, Debug)]
pub(crate) struct Watching {
    pub(crate) node: Arc<str>,
    pub(crate) events: Events,
    pub(crate) gauges: Arc<dyn Gauges>,
    pub(crate) names: names::Reader,
    pub(crate) census: census::Reader,
}

impl Watching {
    /// The newest names.
    pub(crate) fn names(&self) -> Arc<Names> {
        Arc::clone(&self.names.borrow().names)
    }

    /// All counters at this moment. It makes a system call for each service port and backend.
    pub(crate) fn report(&self, detail: Detail) -> Result<TrafficReport, String> {
        report::read(self, detail).map_err(|error| error.to_string())
    }
}

//! The differences that are meant, each with the decision or the limit that it comes from.
//!
//! A row covers every combination of what it lists; each of these cells must differ in just this way.

use crate::matrix::{Cell, Client, To, Way};

/// A difference between kube-proxy and tidegate.
pub(crate) struct Allowed {
    services: &'static [&'static str],
    clients: &'static [Client],
    to: &'static [To],
    ways: &'static [Way],
    pub(crate) kube_proxy: &'static str,
    pub(crate) tidegate: &'static str,
    pub(crate) why: &'static str,
}

impl Allowed {
    pub(crate) fn covers(&self, cell: &Cell) -> bool {
        self.services.contains(&cell.service.as_str())
            && self.clients.contains(&cell.client)
            && self.to.contains(&cell.to)
            && self.ways.contains(&cell.way)
    }
}

pub(crate) const ALLOWED: &[Allowed] = &[];

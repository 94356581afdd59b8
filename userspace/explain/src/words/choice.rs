//! Who serves a new flow: firewall, policy, affinity, slot, backend; the same for packets and for sockets.

use tidegate_abi::{Address, Affinity, Backend, BackendId, Frontend, Reason, frontend::flags};
use tidegate_datapath::select::{self, Pooled};

use super::{Names, spell};
use crate::Asked;

/// A frontend, and what was asked about it.
pub(super) struct Chosen<'a, A, N> {
    pub(super) asked: &'a [Asked<A>],
    pub(super) frontend: Frontend,
    pub(super) client: A,
    /// The client is in one of the cluster's pods, or a process of this host.
    pub(super) is_inside: bool,
    pub(super) now_ns: u64,
    pub(super) names: &'a N,
}

/// The name of a step, and its text.
type Step = (&'static str, String);

impl<A: Address, N: Names> Chosen<'_, A, N> {
    /// Source ranges.
    pub(super) fn firewall(&self) -> String {
        let client = self.client.to_ip();
        let admitted = self.asked.iter().find_map(|it| match it {
            Asked::Admits(_, _, admitted) => Some(*admitted),
            _ => None,
        });
        match admitted {
            None => "open: no source ranges guard this address".to_owned(),
            Some(true) => format!("{client} is in one of the Service's source ranges"),
            Some(false) => format!("{client} is in none of the Service's source ranges"),
        }
    }

    fn pool(&self) -> Result<Pooled, Reason> {
        select::pool(&self.frontend, self.is_inside)
    }

    /// Traffic policy, and the table that it names.
    pub(super) fn policy(&self) -> String {
        let is_internal = self.frontend.has(flags::INTERNAL);
        let policy = if is_internal {
            "internalTrafficPolicy"
        } else {
            "externalTrafficPolicy"
        };
        let is_local = self.frontend.has(flags::LOCAL_ONLY);
        let is_bound = is_local && (is_internal || !self.is_inside);
        let whom = match (is_local, is_bound) {
            (false, _) => format!("{policy} Cluster: any endpoint"),
            (true, true) => format!("{policy} Local: endpoints of this node only"),
            (true, false) => format!(
                "{policy} Local, which does not bind this cluster's own clients: any endpoint"
            ),
        };
        match self.pool() {
            Ok(pooled) => {
                let len = pooled.pool.len;
                let slots = if len == 1 { "slot" } else { "slots" };
                format!("{whom}, a table of {len} {slots}")
            }
            Err(Reason::NoLocalEndpoint) => format!("{whom}, and there is none"),
            Err(_) => "no endpoint of the Service is usable".to_owned(),
        }
    }

    /// Affinity, slot and backend. `hash`: of a packet; a socket's is not known before there is the socket.
    pub(super) fn choice(&self, hash: Option<u32>) -> Vec<Step> {
        let Ok(pooled) = self.pool() else {
            return Vec::new();
        };
        let slot = self.asked.iter().find_map(|it| match it {
            Asked::Slot(index, id) => Some((*index, *id)),
            _ => None,
        });
        let mut steps = vec![("affinity", self.affinity(slot.is_some(), pooled))];
        if let Some((index, _)) = slot {
            let (place, len) = (index.wrapping_sub(pooled.pool.start), pooled.pool.len);
            steps.push((
                "slot",
                match hash {
                    Some(hash) => format!("hash {hash:#010x} of the tuple: slot {place} of {len}"),
                    None => format!("slot {place} of {len}"),
                },
            ));
        }
        let id = slot.map_or_else(|| self.sticky().map(|it| BackendId(it.backend)), |it| it.1);
        steps.push(("backend", self.backend(id)));
        steps
    }

    /// The record of the client's last backend.
    fn sticky(&self) -> Option<Affinity> {
        self.asked.iter().find_map(|it| match it {
            Asked::Affinity(_, found) => Some(*found),
            _ => None,
        })?
    }

    fn affinity(&self, asked_a_slot: bool, pooled: Pooled) -> String {
        let seconds = self.frontend.affinity_seconds;
        if seconds == 0 {
            return "none".to_owned();
        }
        let Some(record) = self.sticky() else {
            return format!("ClientIP for {seconds} s: no flow of this client is remembered");
        };
        let age = self.now_ns.saturating_sub(record.opened_ns) / 1_000_000_000;
        let last = format!("its last flow, {age} s ago, had backend {}", record.backend);
        if !asked_a_slot {
            return format!("ClientIP for {seconds} s: {last}, and it comes back there");
        }
        let why = match self.found(BackendId(record.backend)) {
            _ if age >= u64::from(seconds) => "but that is too long ago",
            Some(backend) if !backend.serves(record.generation) => "which does not serve any more",
            Some(backend) if backend.flags & pooled.member == 0 => "which the policy rules out",
            _ => "which is gone",
        };
        format!("ClientIP for {seconds} s: {last}, {why}")
    }

    fn found(&self, id: BackendId) -> Option<Backend<A>> {
        self.asked.iter().rev().find_map(|it| match it {
            Asked::Backend(at, found) if *at == id => Some(*found),
            _ => None,
        })?
    }

    fn backend(&self, id: Option<BackendId>) -> String {
        let backend = id.and_then(|id| Some((id, self.found(id)?)));
        match backend {
            Some((id, it)) if it.serves(it.generation) => {
                let at = spell::at(it.addr, it.port);
                let place = self.names.place_of(self.frontend.service, at);
                let node = place.and_then(|place| place.node_name);
                let place = match (it.is_local(), node) {
                    (true, _) => "on this node".to_owned(),
                    (false, Some(node)) => format!("on node {node}"),
                    (false, None) => "not on this node".to_owned(),
                };
                format!("{at} (id {}), {place}", id.0)
            }
            _ => "it vanished a moment ago; the client tries again".to_owned(),
        }
    }
}

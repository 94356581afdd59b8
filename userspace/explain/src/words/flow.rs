//! Whether the flow is known.

use tidegate_abi::{BackendId, Flow, Proto};
use tidegate_api::explain::ExplainedStep;
use tidegate_datapath::{answer::Icmp, known, parse::Ip, tcp};

use super::{Names, spell, teller::Teller};
use crate::Asked;

impl<A: Ip + Icmp, N: Names> Teller<'_, A, N> {
    /// The record that is found by the packet's tuple.
    pub(super) fn known(&self) -> Option<Flow<A>> {
        let key = self.headers.map(|headers| headers.key);
        self.stage.asked.iter().find_map(|it| match it {
            Asked::Flow(at, found) if Some(*at) == key => Some(*found),
            // What an ICMP error or a later fragment is about.
            Asked::Flow(_, found) if key.is_none() => Some(*found),
            _ => None,
        })?
    }

    /// Why a record that is there does not translate the packet.
    pub(super) fn why_not_known(&self) -> Option<&'static str> {
        let (flow, headers) = (self.known()?, self.headers?);
        let key = headers.key;
        let is_gone = |asked: &Asked<A>| matches!(asked, Asked::FlowRemoved(at) | Asked::FlowVoided(at) if *at == key);
        let is_over = tcp::is_over(flow.state);
        if known::is_idle(&flow, self.tick()) {
            Some("it has been idle for too long")
        } else if flow.is_void() {
            Some("it leads nowhere: the client dials the backend directly from the same port")
        } else if flow.is_reply() {
            let is_strangers = self.stage.asked.iter().any(is_gone);
            is_strangers.then_some("this packet belongs to somebody who dials the backend directly")
        } else if key.proto != Proto::UDP && tcp::opens(headers.tcp_flags) && is_over {
            Some("its connection is over, and this packet opens a new one")
        } else if self.has_lost_its_backend(&flow) {
            Some("its backend does not serve any more")
        } else if self.stage.asked.iter().any(is_gone) {
            Some("another flow has taken its place, or its Service has lost the address")
        } else {
            None
        }
    }

    fn has_lost_its_backend(&self, flow: &Flow<A>) -> bool {
        self.stage.asked.iter().any(|it| match it {
            Asked::Backend(id, found) if *id == BackendId(flow.backend) => {
                let serves = found.is_some_and(|it| it.serves(flow.generation));
                self.headers.is_some_and(|it| it.key.proto == Proto::UDP) && !serves
            }
            _ => false,
        })
    }

    pub(super) fn flow(&self) -> Option<ExplainedStep> {
        let was_asked = self
            .stage
            .asked
            .iter()
            .any(|it| matches!(it, Asked::Flow(..)));
        if !was_asked {
            return None;
        }
        let text = match (self.known(), self.why_not_known()) {
            (None, _) => match self.headers {
                Some(headers) if headers.may_open() => "no record: it would open a flow".to_owned(),
                Some(_) => "no record of this connection".to_owned(),
                None => "it is about no flow that is known".to_owned(),
            },
            (Some(flow), None) => format!("known: {}", self.told_record(&flow)),
            (Some(flow), Some(why)) => {
                format!(
                    "a record that does not count: {}; {why}",
                    self.told_record(&flow)
                )
            }
        };
        Some(self.step("flow", text))
    }

    fn told_record(&self, flow: &Flow<A>) -> String {
        let now = self.tick();
        let age = spell::seconds(now, flow.created);
        let idle = spell::seconds(now, flow.seen);
        let side = if flow.is_reply() {
            "replies"
        } else {
            "the client's packets"
        };
        let of = if flow.service == 0 {
            "somebody directly, beside one through a Service".to_owned()
        } else {
            let service = self.names.service(flow.service);
            spell::service(service.as_ref(), flow.service)
        };
        let state = match self.headers.map(|headers| headers.key.proto) {
            Some(Proto::UDP) | None => String::new(),
            Some(_) => {
                let name = tcp::NAMES
                    .get(usize::from(flow.state))
                    .unwrap_or(&"unknown");
                format!(", state {name}")
            }
        };
        format!(
            "the record for {side} of a flow to {of}, made {age} s ago, last noted {idle} s ago{state}"
        )
    }
}

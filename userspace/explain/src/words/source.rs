//! With which source the backend sees a new flow.

use tidegate_abi::{Reason, flow::flags, frontend, settings};
use tidegate_api::explain::ExplainedStep;
use tidegate_datapath::{answer::Icmp, parse::Ip};

use super::{Names, spell, teller::Teller};
use crate::Asked;

impl<A: Ip + Icmp, N: Names> Teller<'_, A, N> {
    /// The source and the record; or why there is none.
    pub(super) fn source(&self) -> Vec<ExplainedStep> {
        match self.reason {
            Some(Reason::NoMasqueradeAddress) => {
                let why = "must be replaced, and the node has no address of this family";
                return vec![self.step("source", why.to_owned())];
            }
            Some(Reason::NoMasqueradePort) => {
                let tries = self.stage.asked.iter().filter(|it| {
                    matches!(it, Asked::FlowExists(_) | Asked::SocketAnswers(_, true))
                });
                let why = format!("no port: all {} that were tried are in use", tries.count());
                return vec![self.step("source", why)];
            }
            _ => {}
        }
        let (Some(flow), Some(headers)) = (self.made(), self.headers) else {
            return Vec::new();
        };
        let key = headers.key;
        let seen = spell::at(flow.src, flow.src_port);
        let text = if flow.flags & flags::MASQUERADE != 0 {
            format!(
                "{} is replaced by {seen}: {}",
                spell::at(key.src, key.src_port),
                self.why_masqueraded()
            )
        } else if flow.src_port == key.src_port {
            format!("the client's own address and port, {seen}")
        } else {
            format!(
                "the client's own address, but port {}: its own is in use with this backend",
                flow.src_port.get()
            )
        };
        let replies = spell::way(&spell::tuple(&flow.opposite(key.proto)));
        vec![
            self.step("source", text),
            self.step(
                "record",
                format!("the flow, and its replies, which come as {replies}"),
            ),
        ]
    }

    fn why_masqueraded(&self) -> &'static str {
        let (Some(flow), Some(headers)) = (self.made(), self.headers) else {
            return "";
        };
        let is_internal = self
            .frontend()
            .is_some_and(|it| it.has(frontend::flags::INTERNAL));
        let all = self.told.settings.flags & settings::flags::MASQUERADE_ALL != 0;
        if flow.dst == headers.key.src {
            "the client is its own backend"
        } else if is_internal && all {
            "--masquerade-all"
        } else {
            "the backend is on another node, and its replies must come back here"
        }
    }
}

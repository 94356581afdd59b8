//! A packet without a record: its Service, who may have it, and who serves.

use tidegate_abi::{Frontend, FrontendKey, Reason};
use tidegate_api::explain::ExplainedStep;
use tidegate_datapath::{
    Role,
    answer::Icmp,
    parse::{Headers, Ip},
    select,
};

use super::{Names, choice::Chosen, spell, teller::Teller};
use crate::Asked;

impl<A: Ip + Icmp, N: Names> Teller<'_, A, N> {
    /// From the frontend to the record, as far as it got.
    pub(super) fn new_flow(&self) -> Vec<ExplainedStep> {
        let asked_for_frontend = |it: &Asked<A>| matches!(it, Asked::Frontend(..));
        let is_known = self.known().is_some() && self.why_not_known().is_none();
        if is_known {
            return Vec::new();
        }
        if self.is_echo() {
            return self.ping().into_iter().collect();
        }
        let Some(headers) = self.headers else {
            return Vec::new();
        };
        if !self.stage.asked.iter().any(asked_for_frontend) {
            let why =
                "not looked up: no packet comes from that source, or goes to that destination";
            return vec![self.step("frontend", why.to_owned())];
        }
        let Some(frontend) = self.frontend() else {
            let mut steps = vec![self.step("frontend", self.unowned(&headers))];
            steps.extend(self.crossed());
            return steps;
        };
        let mut steps = vec![self.step("frontend", self.owned(&headers, &frontend))];
        let chosen = Chosen {
            asked: &self.stage.asked,
            frontend,
            client: headers.key.src,
            is_inside: self.is_pod(),
            now_ns: self.told.now_ns,
            names: self.names,
        };
        if self.reason == Some(Reason::ExternalClusterIp) {
            return steps;
        }
        steps.push(self.step("firewall", chosen.firewall()));
        let ended = [
            Reason::SourceRange,
            Reason::MidStream,
            Reason::MidStreamReset,
        ];
        if self.reason.is_some_and(|reason| ended.contains(&reason)) {
            return steps;
        }
        steps.push(self.step("policy", chosen.policy()));
        let hash = select::hash(&headers.key);
        let told = chosen.choice(Some(hash)).into_iter();
        steps.extend(told.map(|(name, text)| self.step(name, text)));
        steps.extend(self.source());
        steps
    }

    fn is_pod(&self) -> bool {
        let src = self.headers.map(|headers| headers.key.src);
        self.stage.entry.role == Role::Pod
            || src.is_some_and(|src| src.in_pod_range(&self.told.settings))
    }

    fn owned(&self, headers: &Headers<A>, frontend: &Frontend) -> String {
        let key = &headers.key;
        let name = spell::dialled(key.dst, key.dst_port, key.proto);
        let service = self.names.service(frontend.service);
        let service = spell::service(service.as_ref(), frontend.service);
        let owned = format!("{name} is {} of {service}", spell::a_kind(frontend));
        match self.reason {
            Some(Reason::ExternalClusterIp) => format!(
                "{owned}, which clients outside the cluster may not dial (--external-clusterip)"
            ),
            Some(Reason::MidStream | Reason::MidStreamReset) => {
                format!("{owned}; the segment opens no connection and belongs to none")
            }
            _ => owned,
        }
    }

    /// No frontend has the destination.
    fn unowned(&self, headers: &Headers<A>) -> String {
        let key = &headers.key;
        let name = spell::dialled(key.dst, key.dst_port, key.proto);
        let address = key.dst.to_ip();
        match self.reason {
            Some(Reason::UnknownPort | Reason::MidStreamReset) => {
                let owner = self.address_owner(key.dst);
                format!(
                    "{address} is the clusterIP of {owner}, which has no port {}/{}",
                    key.dst_port.get(),
                    spell::proto(key.proto)
                )
            }
            Some(Reason::NotOwned) => {
                format!("{address} is in the service range, and no Service has it")
            }
            Some(Reason::ExternalClusterIp) => {
                format!(
                    "{address} is in the service range, which clients outside the cluster may not dial"
                )
            }
            _ => format!("no Service has {name}"),
        }
    }

    fn address_owner(&self, addr: A) -> String {
        let at = FrontendKey::of_address(addr);
        let found = self.stage.asked.iter().find_map(|it| match it {
            Asked::Frontend(key, Some(frontend)) if *key == at => Some(frontend.service),
            _ => None,
        });
        let id = found.unwrap_or(0);
        match self.names.service(id) {
            Some(service) => format!("{}/{}", service.namespace, service.name),
            None => "a Service".to_owned(),
        }
    }

    /// A direct flow beside one through a Service gets another port.
    fn crossed(&self) -> Option<ExplainedStep> {
        let made = self.made()?;
        let text = format!(
            "the client's own port is in use for a flow through a Service: this one leaves from port {}",
            made.src_port.get()
        );
        Some(self.step("source", text))
    }

    fn ping(&self) -> Option<ExplainedStep> {
        let dst = self.ip?.dst;
        let at = FrontendKey::of_address(dst);
        let found = self.stage.asked.iter().find_map(|it| match it {
            Asked::Frontend(key, found) if *key == at => Some(*found),
            _ => None,
        })?;
        let address = dst.to_ip();
        let text = match (found, self.reason) {
            (None, Some(Reason::Untranslatable)) => {
                format!("{address} is in the service range, and no Service has it")
            }
            (None, _) => format!("{address} is no Service's address"),
            (Some(_), Some(Reason::ExternalClusterIp)) => {
                format!("{address} is a clusterIP, which clients outside the cluster may not ping")
            }
            (Some(_), Some(Reason::PingAnswered)) => {
                format!("{address} is a Service's address and answers pings")
            }
            (Some(_), _) => format!("{address} is a Service's address and answers no pings"),
        };
        Some(self.step("frontend", text))
    }
}

//! What becomes of the packet, and by which door it goes on.

use tidegate_abi::{Reason, reason::Kind};
use tidegate_api::explain::{ExplainedDoor, ExplainedStep, ExplainedTuple};
use tidegate_datapath::{Door, Route, Stage as Hook, answer::Icmp, parse::Ip};

use super::{
    Names, spell,
    teller::{Teller, headers},
};
use crate::Asked;

impl<A: Ip + Icmp, N: Names> Teller<'_, A, N> {
    fn is_translated(&self) -> bool {
        self.reason
            .is_some_and(|reason| reason.kind() == Kind::Forward)
    }

    fn is_answered(&self) -> bool {
        self.stage
            .verdict
            .is_some_and(|verdict| verdict.door == Door::Back)
    }

    /// Addresses and ports as it goes on, or those of the answer.
    pub(super) fn after(&self) -> Option<ExplainedTuple> {
        if !self.is_translated() && !self.is_answered() {
            return None;
        }
        let (ip, with_ports) = headers::<A>(&self.stage.after);
        let key = with_ports.map(|headers| headers.key).or_else(|| {
            let ip = ip?;
            let mut key = tidegate_abi::FlowKey {
                src: ip.src,
                dst: ip.dst,
                ..Default::default()
            };
            key.proto = ip.proto;
            Some(key)
        })?;
        Some(spell::tuple(&key))
    }

    pub(super) fn rewrite(&self) -> Option<ExplainedStep> {
        if !self.is_translated() {
            return None;
        }
        let (before, after) = (self.tuple()?, self.after()?);
        let ttl = self.ip?.ttl;
        let left = headers::<A>(&self.stage.after).0?.ttl;
        let spent = if ttl == left {
            String::new()
        } else {
            format!(", time to live {ttl} to {left}")
        };
        let text = format!(
            "{} becomes {}{spent}",
            spell::way(&before),
            spell::way(&after)
        );
        Some(self.step("rewrite", text))
    }

    pub(super) fn answer(&self) -> Option<ExplainedStep> {
        if !self.is_answered() {
            return None;
        }
        let ip = self.ip?;
        let is_tcp = ip.proto == tidegate_abi::Proto::TCP;
        let mtu = self.stage.asked.iter().rev().find_map(|it| match it {
            Asked::Route(_, _, Route::TooBig { mtu }) => Some(*mtu),
            _ => None,
        });
        let what = match self.reason? {
            Reason::PingAnswered => "an echo reply".to_owned(),
            Reason::TtlExceeded => "ICMP \"time exceeded\"".to_owned(),
            Reason::TooBig => format!("ICMP \"packet too big\" (MTU {})", mtu.unwrap_or(0)),
            Reason::NoRoute => "ICMP \"host unreachable\"".to_owned(),
            _ if is_tcp => "a TCP reset".to_owned(),
            _ => "ICMP \"port unreachable\"".to_owned(),
        };
        let (from, to) = (ip.dst.to_ip(), ip.src.to_ip());
        Some(self.step("answer", format!("{what} from {from} to {to}")))
    }

    pub(super) fn door(&self) -> ExplainedDoor {
        let (kind, device) = match self.stage.verdict.map_or(Door::Stack, |it| it.door) {
            Door::Stack | Door::Aside => ("stack", None),
            Door::Drop => ("drop", None),
            Door::Back => ("back", Some(self.stage.entry.device)),
            Door::Transmit => ("transmit", Some(self.stage.entry.device)),
            Door::Peer(device) => ("peer", Some(device)),
            Door::Neighbour(device) | Door::Direct(device) => ("neighbour", Some(device)),
        };
        ExplainedDoor {
            kind: kind.to_owned(),
            device: device.map(|index| self.name(index)),
        }
    }

    fn name(&self, index: u32) -> String {
        let name = self.names.device(index);
        name.unwrap_or_else(|| format!("the device with index {index}"))
    }

    pub(super) fn door_text(&self) -> String {
        let ExplainedDoor { kind, device } = self.door();
        let device = device.unwrap_or_default();
        match kind.as_str() {
            "drop" => "dropped".to_owned(),
            "back" => format!("back out of {device}"),
            "transmit" => format!("back out of {device} at once, by XDP"),
            "peer" => format!("straight into the pod behind {device}"),
            "neighbour" => format!("out of {device}, to the next hop that the kernel finds"),
            _ => self.to_the_stack(),
        }
    }

    fn to_the_stack(&self) -> String {
        let is_xdp = self.stage.entry.stage == Hook::Xdp;
        if is_xdp && self.reason == Some(Reason::NextStage) {
            return "left to tc, which knows more doors".to_owned();
        }
        if is_xdp {
            return "left to tc".to_owned();
        }
        if !self.is_translated() {
            return "on through this node's stack, as it came".to_owned();
        }
        let route = self.stage.asked.iter().rev().find_map(|it| match it {
            Asked::Route(_, _, route) => Some(*route),
            _ => None,
        });
        match route {
            Some(Route::None) => {
                "through this node's stack: the routing table names no way out of it"
            }
            Some(Route::TooBig { .. }) => {
                "through this node's stack, which cuts it up for the next link"
            }
            _ => "through this node's stack",
        }
        .to_owned()
    }
}

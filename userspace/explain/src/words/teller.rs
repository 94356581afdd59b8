//! What one program did, looked at from all sides.

use tidegate_abi::{Flow, Frontend, FrontendKey, Proto, Reason, flow::TICK_SHIFT, flow::flags};
use tidegate_api::explain::{
    ExplainedBackend, ExplainedDevice, ExplainedService, ExplainedStep, ExplainedTuple,
};
use tidegate_datapath::{
    Stage as Hook,
    answer::Icmp,
    parse::{self, Header, Headers, Ip},
};

use super::{Names, backend, spell, step};
use crate::{Asked, HostPacket, Stage, confirm, paper::Told};

/// One program's part of a journey.
pub(super) struct Teller<'a, A, N> {
    pub(super) told: &'a Told<A>,
    pub(super) stage: &'a Stage<A>,
    pub(super) names: &'a N,
    /// `None`: not even the IP header can be read.
    pub(super) ip: Option<Header<A>>,
    /// `None`: it has no ports.
    pub(super) headers: Option<Headers<A>>,
    pub(super) reason: Option<Reason>,
}

impl<'a, A: Ip + Icmp, N: Names> Teller<'a, A, N> {
    pub(super) fn new(told: &'a Told<A>, stage: &'a Stage<A>, names: &'a N) -> Self {
        let (ip, headers) = headers(&stage.before);
        Self {
            told,
            stage,
            names,
            ip,
            headers,
            reason: stage.verdict.map(|verdict| verdict.reason),
        }
    }

    pub(super) fn steps(&self, device: &ExplainedDevice) -> Vec<ExplainedStep> {
        let mut steps = vec![self.step("device", self.device(device))];
        // XDP looks at nothing that it cannot parse as a whole TCP or UDP packet.
        let looks = self.reason != Some(Reason::Rare);
        if looks {
            steps.extend(self.flow());
            steps.extend(self.new_flow());
        }
        steps.extend(self.rewrite());
        steps.extend(self.answer());
        steps.push(self.step("door", self.door_text()));
        steps
    }

    pub(super) fn step(&self, name: &str, text: String) -> ExplainedStep {
        let stage = match self.stage.entry.stage {
            Hook::Xdp => "xdp",
            Hook::Tc | Hook::Leaving => "tc",
        };
        step(stage, name, text)
    }

    fn device(&self, device: &ExplainedDevice) -> String {
        let program = confirm::program(self.stage.entry);
        let ExplainedDevice {
            name, index, role, ..
        } = device;
        let is_second = self.told.stages.len() > 1 && self.stage.entry.stage != Hook::Xdp;
        if is_second {
            return format!("{name}: what XDP leaves is looked at by {program}");
        }
        let article = if role == "pod" {
            "a pod's device"
        } else {
            "an uplink"
        };
        let what = if role == "overlay" {
            "a tunnel"
        } else {
            article
        };
        format!("{name} (index {index}) is {what}: what enters there is looked at by {program}")
    }

    pub(super) fn tuple(&self) -> Option<ExplainedTuple> {
        let key = match (&self.headers, &self.ip) {
            (Some(headers), _) => headers.key,
            (None, Some(ip)) => Headers::of(0, ip, of_addresses(ip)).key,
            _ => return None,
        };
        Some(spell::tuple(&key))
    }

    /// "TCP SYN 10.244.0.5:40000 > 10.96.0.10:80, 54 bytes".
    pub(super) fn packet_line(&self) -> String {
        let bytes = self.stage.before.len();
        match (&self.headers, &self.ip) {
            (Some(headers), _) => {
                let key = &headers.key;
                let flags = spell::flags(key.proto, headers.tcp_flags);
                let way = spell::way(&spell::tuple(key));
                format!(
                    "{}{flags} {way}, a frame of {bytes} bytes",
                    spell::proto(key.proto)
                )
            }
            (None, Some(ip)) => {
                let what = if self.is_echo() {
                    "ICMP echo request".to_owned()
                } else {
                    spell::proto(ip.proto)
                };
                let (from, to) = (ip.src.to_ip(), ip.dst.to_ip());
                format!("{what} {from} > {to}, a frame of {bytes} bytes")
            }
            _ => format!("a frame of {bytes} bytes that cannot be read"),
        }
    }

    pub(super) fn is_echo(&self) -> bool {
        let is_icmp = self.ip.is_some_and(|ip| ip.proto == A::PROTO);
        let kind = self.ip.and_then(|ip| self.stage.before.get(ip.l4).copied());
        is_icmp && kind == Some(A::ECHO[0])
    }

    /// The record that translates the packet: one that was there, or the one that is made for it.
    pub(super) fn record(&self) -> Option<Flow<A>> {
        if let Some(made) = self.made() {
            return Some(made);
        }
        let translates = self.known().is_some() && self.why_not_known().is_none();
        self.known().filter(|_| translates)
    }

    /// The record that is made for the packet.
    pub(super) fn made(&self) -> Option<Flow<A>> {
        let key = self.headers?.key;
        self.stage.asked.iter().rev().find_map(|it| match it {
            Asked::FlowPut(at, flow) if *at == key => Some(*flow),
            _ => None,
        })
    }

    /// The frontend that a packet without a record dials.
    pub(super) fn frontend(&self) -> Option<Frontend> {
        let key = self.headers?.key;
        let dialled = FrontendKey::new(key.dst, key.dst_port, key.proto);
        self.stage.asked.iter().rev().find_map(|it| match it {
            Asked::Frontend(at, found) if *at == dialled => *found,
            _ => None,
        })
    }

    pub(super) fn service(&self) -> Option<ExplainedService> {
        let frontend = self.frontend();
        let id = match (self.record(), frontend) {
            (Some(flow), _) => flow.service,
            (None, Some(frontend)) => frontend.service,
            _ => return None,
        };
        let mut service = self.names.service(id)?;
        if let Some(frontend) = frontend {
            spell::kind(&frontend).clone_into(&mut service.kind);
        }
        Some(service)
    }

    pub(super) fn backend(&self) -> Option<ExplainedBackend> {
        let flow = self.record().filter(|flow| flow.backend != 0)?;
        let key = self.headers?.key;
        let address = if flow.is_reply() {
            spell::at(key.src, key.src_port)
        } else {
            spell::at(flow.dst, flow.dst_port)
        };
        let is_local = self.told_local(flow.backend);
        Some(backend(
            flow.backend,
            address,
            is_local,
            flow.service,
            self.names,
        ))
    }

    /// Whether a backend is on this node, if the journey asked for it.
    fn told_local(&self, id: u32) -> Option<bool> {
        self.told
            .stages
            .iter()
            .flat_map(|it| &it.asked)
            .find_map(|it| match it {
                Asked::Backend(at, Some(backend)) if at.0 == id => Some(backend.is_local()),
                _ => None,
            })
    }

    pub(super) fn is_masqueraded(&self) -> bool {
        self.record()
            .is_some_and(|flow| flow.flags & flags::MASQUERADE != 0)
    }

    pub(super) fn tick(&self) -> u32 {
        (self.told.now_ns >> TICK_SHIFT) as u32
    }
}

/// What can be read of a frame's headers.
pub(super) fn headers<A: Ip>(frame: &[u8]) -> (Option<Header<A>>, Option<Headers<A>>) {
    let packet = HostPacket::new(frame);
    let Ok(link) = parse::link(&packet) else {
        return (None, None);
    };
    let Ok(ip) = A::header(&packet, link.l3) else {
        return (None, None);
    };
    let has_ports =
        matches!(ip.proto, Proto::TCP | Proto::UDP | Proto::SCTP) && ip.piece.offset == 0;
    let headers = parse::behind(&packet, link.l3, &ip).ok();
    (Some(ip), headers.filter(|_| has_ports))
}

fn of_addresses<A: Ip>(ip: &Header<A>) -> tidegate_abi::FlowKey<A> {
    tidegate_abi::FlowKey {
        src: ip.src,
        dst: ip.dst,
        proto: ip.proto,
        ..tidegate_abi::FlowKey::default()
    }
}

//! A journey in words: one step a question, told from what was really asked.

mod choice;
mod flow;
mod service;
mod socket;
mod source;
mod spell;
mod teller;
mod text;
mod way;

use std::net::SocketAddr;

use tidegate_abi::{Reason, reason::Kind};
use tidegate_api::explain::{
    ExplainedBackend, ExplainedConfirmation, ExplainedDevice, ExplainedDoor, ExplainedService,
    ExplainedStep, ExplainedVerdict, Explanation,
};
use tidegate_datapath::{answer::Icmp, parse::Ip};

use crate::{
    Paper,
    confirm::{Confirmation, Confirmed},
    paper::Told,
};

pub use socket::socket;
pub use text::text;

use teller::Teller;

/// What the numbers in the maps mean to people.
pub trait Names {
    /// The service port with an id; its `kind` is left empty.
    fn service(&self, id: u32) -> Option<ExplainedService>;
    /// The device with an index.
    fn device(&self, index: u32) -> Option<String>;
    /// Where an endpoint of a service port is.
    fn place_of(&self, service: u32, endpoint: SocketAddr) -> Option<Place>;
}

/// Where an endpoint is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Place {
    /// The node that it names.
    pub node_name: Option<String>,
    /// It is on this node.
    pub is_here: bool,
}

/// Tells the way of a packet that enters at a device.
pub fn packet(
    paper: &Paper,
    device: ExplainedDevice,
    confirmed: &Confirmed,
    names: &impl Names,
) -> Explanation {
    let mut told = match paper {
        Paper::V4(told) => tell(told, &device, names),
        Paper::V6(told) => tell(told, &device, names),
        Paper::Neither(verdict) => Explanation {
            packet: "no IP packet".to_owned(),
            verdict: ending(verdict.reason),
            door: ExplainedDoor {
                kind: "stack".to_owned(),
                device: None,
            },
            ..Explanation::default()
        },
    };
    told.confirmation = confirmation(confirmed);
    told.device = Some(device);
    told
}

fn tell<A: Ip + Icmp>(told: &Told<A>, device: &ExplainedDevice, names: &impl Names) -> Explanation {
    let mut explanation = Explanation::default();
    for stage in &told.stages {
        let teller = Teller::new(told, stage, names);
        if explanation.packet.is_empty() {
            explanation.packet = teller.packet_line();
            explanation.before = teller.tuple();
        }
        explanation.steps.extend(teller.steps(device));
        explanation.service = teller.service().or(explanation.service.take());
        explanation.backend = teller.backend().or(explanation.backend.take());
        explanation.masqueraded |= teller.is_masqueraded();
        explanation.after = teller.after();
        explanation.door = teller.door();
        if let Some(verdict) = stage.verdict {
            explanation.verdict = ending(verdict.reason);
        }
    }
    explanation
}

fn ending(reason: Reason) -> ExplainedVerdict {
    ExplainedVerdict {
        verdict: match reason.kind() {
            Kind::Pass => "pass",
            Kind::Forward => "forward",
            Kind::Reject => "reject",
            Kind::Drop => "drop",
        }
        .to_owned(),
        reason: reason.label().to_owned(),
        sentence: reason.sentence().to_owned(),
    }
}

fn confirmation(confirmed: &Confirmed) -> ExplainedConfirmation {
    let programs = confirmed.programs.join(" and ");
    let (outcome, text) = match &confirmed.confirmation {
        Confirmation::Confirmed => (
            "confirmed",
            format!("confirmed by a run of the loaded program {programs}"),
        ),
        Confirmation::NotTried(why) => ("notTried", format!("not confirmed: {why}")),
        Confirmation::Differs(how) => (
            "differs",
            format!("the loaded program does something else: {how}"),
        ),
    };
    ExplainedConfirmation {
        outcome: outcome.to_owned(),
        text,
    }
}

fn step(stage: &str, step: &str, text: String) -> ExplainedStep {
    ExplainedStep {
        stage: stage.to_owned(),
        step: step.to_owned(),
        text,
    }
}

/// `is_local`: as the journey was told; `None`: it did not ask.
fn backend(
    id: u32,
    address: SocketAddr,
    is_local: Option<bool>,
    service: u32,
    names: &impl Names,
) -> ExplainedBackend {
    let place = names.place_of(service, address).unwrap_or_default();
    ExplainedBackend {
        id,
        address,
        node_name: place.node_name,
        node_local: is_local.unwrap_or(place.is_here),
    }
}

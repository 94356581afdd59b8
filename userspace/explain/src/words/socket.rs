//! A process of this host dials: there is no packet yet, so nothing to rewrite and no door.

use tidegate_abi::{Address, Frontend, FrontendKey, Reason, reason::Kind};
use tidegate_api::explain::{
    ExplainedConfirmation, ExplainedDoor, ExplainedStep, ExplainedTuple, Explanation,
};

use super::{Names, backend, choice::Chosen, ending, spell, step};
use crate::{
    Asked,
    paper::{Call, Dialled},
};

/// Tells what a socket is given.
pub fn socket<A: Address>(dialled: &Dialled<A>, call: &Call<A>, names: &impl Names) -> Explanation {
    let name = spell::dialled(call.addr, call.port, call.proto);
    let teller = Teller {
        dialled,
        call,
        names,
    };
    let mut told = Explanation {
        packet: format!("a process of this host dials {name}"),
        steps: teller.steps(&name),
        door: ExplainedDoor {
            kind: "socket".to_owned(),
            device: None,
        },
        confirmation: ExplainedConfirmation {
            outcome: "notTried".to_owned(),
            text: "not confirmed: there is no socket to run the program for".to_owned(),
        },
        ..Explanation::default()
    };
    if let Some(frontend) = teller.frontend() {
        told.service = names.service(frontend.service).map(|mut service| {
            spell::kind(&frontend).clone_into(&mut service.kind);
            service
        });
    }
    match dialled.outcome {
        Ok(choice) => {
            let (at, is_local) = (
                spell::at(choice.backend.addr, choice.backend.port),
                choice.backend.is_local(),
            );
            let service = teller.frontend().map_or(0, |it| it.service);
            told.backend = Some(backend(choice.id.0, at, Some(is_local), service, names));
            told.verdict = ending(Reason::SocketTranslated);
            let unspecified = spell::at(A::default(), tidegate_abi::Port::new(0));
            told.before = Some(ExplainedTuple {
                from: unspecified,
                to: spell::at(call.addr, call.port),
            });
            told.after = Some(ExplainedTuple {
                from: unspecified,
                to: at,
            });
            told.notes.extend(teller.others());
        }
        Err(reason) => told.verdict = ending(reason),
    }
    told
}

struct Teller<'a, A: Address, N> {
    dialled: &'a Dialled<A>,
    call: &'a Call<A>,
    names: &'a N,
}

impl<A: Address, N: Names> Teller<'_, A, N> {
    fn frontend(&self) -> Option<Frontend> {
        let addr = if self.call.addr.is_loopback() {
            A::default()
        } else {
            self.call.addr
        };
        let at = FrontendKey::new(addr, self.call.port, self.call.proto);
        self.dialled.asked.iter().find_map(|it| match it {
            Asked::Frontend(key, found) if *key == at => *found,
            _ => None,
        })
    }

    fn chosen(&self, frontend: Frontend) -> Chosen<'_, A, N> {
        Chosen {
            asked: &self.dialled.asked,
            frontend,
            client: A::of_node(&self.dialled.settings),
            is_inside: true,
            now_ns: self.call.now_ns,
            names: self.names,
        }
    }

    fn steps(&self, name: &str) -> Vec<ExplainedStep> {
        let socket = |name: &str, text: String| step("socket", name, text);
        let hook = "connect() and sendto() of this host's processes are looked at before there is a packet";
        let mut steps = vec![socket("device", format!("none: {hook}"))];
        let is_usable = |frontend: &Frontend| {
            !self.call.addr.is_loopback() || frontend.has(tidegate_abi::frontend::flags::NODE_PORT)
        };
        let Some(frontend) = self.frontend().filter(is_usable) else {
            let text = match self.dialled.outcome {
                Err(Reason::UnknownPort) => {
                    format!("{name}: the clusterIP exists, but has no such port")
                }
                Err(Reason::NotOwned) => {
                    format!("{name}: in the service range, and no Service has it")
                }
                _ => format!("no Service has {name}"),
            };
            steps.push(socket("frontend", text));
            steps.push(socket("door", self.door()));
            return steps;
        };
        let service = self.names.service(frontend.service);
        let service = spell::service(service.as_ref(), frontend.service);
        let kind = spell::a_kind(&frontend);
        steps.push(socket("frontend", format!("{name} is {kind} of {service}")));
        let chosen = self.chosen(frontend);
        steps.push(socket("firewall", chosen.firewall()));
        if self.dialled.outcome != Err(Reason::SourceRange) {
            steps.push(socket("policy", chosen.policy()));
            let told = chosen.choice(None).into_iter();
            steps.extend(told.map(|(name, text)| socket(name, text)));
        }
        if let Ok(choice) = self.dialled.outcome {
            let at = spell::at(choice.backend.addr, choice.backend.port);
            let text = format!("{} becomes {at}", spell::at(self.call.addr, self.call.port));
            steps.push(socket("rewrite", text));
        }
        steps.push(socket("door", self.door()));
        steps
    }

    fn door(&self) -> String {
        match self.dialled.outcome {
            Ok(_) => "the socket talks to the backend itself: no packet of it is translated",
            Err(Reason::NotService) => "the call goes on as it is",
            Err(reason) if reason.kind() == Kind::Reject => "the call fails with ECONNREFUSED",
            Err(_) => "the call fails with EHOSTUNREACH",
        }
        .to_owned()
    }

    /// Which of several backends a socket gets depends on the socket.
    fn others(&self) -> Option<String> {
        let frontend = self.frontend()?;
        let asked_a_slot = self
            .dialled
            .asked
            .iter()
            .any(|it| matches!(it, Asked::Slot(..)));
        let is_one_of_many = frontend.cluster.len > 1 && asked_a_slot;
        is_one_of_many.then(|| {
            "which slot it is depends on the socket's cookie, which the kernel gives out: another socket may get another backend".to_owned()
        })
    }
}

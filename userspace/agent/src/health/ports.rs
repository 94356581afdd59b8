//! The health-check ports of Services: opened, changed and closed with the sync that says so (rule 3.9).

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use tidegate_abi::Family;
use tidegate_control::health::HealthCheck;

use super::{Health, listen::Listening, reply, reply::Subject, server::Answer};
use crate::config::NodePortAddresses;

/// Where the ports are opened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Scope {
    All,
    /// These addresses of the node.
    Only(Vec<IpAddr>),
}

/// All open health-check ports.
pub(crate) struct ServicePorts {
    health: Arc<Health>,
    open: BTreeMap<SocketAddr, Port>,
    problems: Vec<String>,
    /// Where they were last opened.
    scope: Option<Scope>,
}

struct Port {
    /// Changed in place: a probe never meets a closed port because an endpoint came or went (rule 3.9.9).
    subject: Arc<Mutex<Subject>>,
    _listening: Listening,
}

impl Scope {
    /// Rule 3.9.1: restricted only where NodePorts are restricted to blocks. `node_ports` are the
    /// addresses on which NodePorts answer.
    pub(crate) fn of(config: &[NodePortAddresses], node_ports: &[IpAddr]) -> Self {
        let is_block = |it: &NodePortAddresses| matches!(it, NodePortAddresses::Within(_));
        if config.iter().all(is_block) {
            Self::Only(node_ports.to_vec())
        } else {
            Self::All
        }
    }

    fn addresses(&self, family: Family) -> Vec<IpAddr> {
        match (self, family) {
            (Self::All, Family::V4) => vec![Ipv4Addr::UNSPECIFIED.into()],
            (Self::All, Family::V6) => vec![Ipv6Addr::UNSPECIFIED.into()],
            (Self::Only(ips), family) => {
                let of_family = |ip: &&IpAddr| ip.is_ipv4() == (family == Family::V4);
                ips.iter().filter(of_family).copied().collect()
            }
        }
    }
}

impl ServicePorts {
    pub(crate) fn new(health: Arc<Health>) -> Self {
        Self {
            health,
            open: BTreeMap::new(),
            problems: Vec::new(),
            scope: None,
        }
    }

    /// Whether [`Self::sync`] has something to do though no Service changed: some port could not be opened, or the
    /// node's addresses are others.
    pub(crate) fn is_to_be_tried(&self, scope: &Scope) -> bool {
        !self.problems.is_empty() || self.scope.as_ref() != Some(scope)
    }

    /// Makes the open ports match; those that cannot be opened are tried again by the next call (rule 3.9.7).
    pub(crate) fn sync(&mut self, checks: &[HealthCheck], scope: &Scope) {
        let wanted: BTreeMap<SocketAddr, &HealthCheck> = checks
            .iter()
            .flat_map(|check| {
                let ips = scope.addresses(check.key.family).into_iter();
                ips.map(move |ip| (SocketAddr::new(ip, check.port), check))
            })
            .collect();
        // First away with what is gone: its number may be wanted at another address.
        self.open.retain(|address, _| wanted.contains_key(address));
        self.problems.clear();
        self.scope = Some(scope.clone());
        for (address, check) in wanted {
            let subject = subject(check);
            if let Some(port) = self.open.get(&address) {
                *port.subject.lock().unwrap_or_else(PoisonError::into_inner) = subject;
                continue;
            }
            match self.listen(address, subject) {
                Ok(port) => drop(self.open.insert(address, port)),
                Err(error) => {
                    let reason = format!(
                        "cannot listen at {address}: {error}; load balancers see this node as down until the number is free, it is tried again every 30 seconds"
                    );
                    self.problems.push(check.problem(reason).to_string());
                }
            }
        }
    }

    /// One line for each port that is not open.
    pub(crate) fn problems(&self) -> &[String] {
        &self.problems
    }

    fn listen(&self, address: SocketAddr, subject: Subject) -> std::io::Result<Port> {
        let subject = Arc::new(Mutex::new(subject));
        let (health, shared) = (Arc::clone(&self.health), Arc::clone(&subject));
        // Whatever the path: the port alone is the question (rule 3.9.1).
        let answer: Answer = Arc::new(move |_path| {
            let subject = shared.lock().unwrap_or_else(PoisonError::into_inner);
            reply::service(&subject, health.report().healthy)
        });
        Ok(Port {
            subject,
            _listening: Listening::at(address, answer)?,
        })
    }
}

impl fmt::Debug for ServicePorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.open.keys()).finish()
    }
}

fn subject(check: &HealthCheck) -> Subject {
    Subject {
        namespace: check.key.namespace.clone(),
        name: check.key.service.clone(),
        local_ready: check.local_ready,
    }
}

#[cfg(test)]
mod tests;

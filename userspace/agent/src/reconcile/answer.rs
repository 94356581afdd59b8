//! Answers questions from what the task knows and what the kernel holds at this moment.

mod describe;
mod explain;
mod flows;
mod status;

use tidegate_abi::{Address, BackendId, Family, Frontend, FrontendKey, Ip4, Ip6, frontend::flags};
use tidegate_control::{PortKey, ServicePort, view::ServiceView};
use tidegate_loader::Error;

use tidegate_api::{BackendRow, EndpointRow, FrontendRow, List, ServiceRow};

use super::Reconciler;
use crate::{
    asking::{Answer, Question},
    kernel::{Kernel, Maps},
};

impl<K: Kernel> Reconciler<K> {
    /// The answer, or one sentence that says why there is none.
    pub(crate) fn answer(&mut self, question: Question) -> Result<Answer, String> {
        let ports = || self.compiler.ports();
        let answer = match question {
            Question::Services => Ok(Answer::Services(list(ports().map(service)))),
            Question::Endpoints => Ok(Answer::Endpoints(list(ports().flat_map(endpoints)))),
            Question::Frontends => self.frontends().map(|rows| Answer::Frontends(list(rows))),
            Question::Backends => self.backends().map(|rows| Answer::Backends(list(rows))),
            Question::Flows { filter, limit } => self
                .flows(&filter, limit)
                .map(|rows| Answer::Flows(list(rows))),
            Question::FlushFlows(filter) => self.flush_flows(&filter).map(Answer::Flushed),
            Question::Devices => Ok(Answer::Devices(list(self.device_rows()))),
            Question::Describe { namespace, name } => self
                .describe(&namespace, &name)
                .map(|service| Answer::Described(service.map(Box::new))),
            Question::Explain(request) => {
                let explained = self.explain(&request).map(Box::new);
                Ok(Answer::Explained(explained))
            }
            Question::Status => self.status().map(|status| Answer::Status(Box::new(status))),
        };
        answer.map_err(|error| error.to_string())
    }

    fn frontends(&self) -> Result<Vec<FrontendRow>, Error> {
        let v4 = Maps::<Ip4>::frontends(&self.kernel)?
            .into_iter()
            .map(|(key, it)| self.frontend(key, it));
        let v6 = Maps::<Ip6>::frontends(&self.kernel)?
            .into_iter()
            .map(|(key, it)| self.frontend(key, it));
        let mut rows: Vec<FrontendRow> = v4.chain(v6).collect();
        rows.sort_by(|a, b| (a.address, a.port, &a.proto).cmp(&(b.address, b.port, &b.proto)));
        Ok(rows)
    }

    fn frontend<A: Address>(&self, key: FrontendKey<A>, it: Frontend) -> FrontendRow {
        let owner = self.name(it.service);
        FrontendRow {
            address: key.addr.to_ip(),
            port: key.port.get(),
            proto: proto(key.proto),
            kind: kind(&it, key.addr == A::default()).to_owned(),
            namespace: owner.map(|key| key.namespace.clone()).unwrap_or_default(),
            service: owner.map(|key| key.service.clone()).unwrap_or_default(),
            port_name: owner.map(|key| key.port_name.clone()).unwrap_or_default(),
            backends: it.cluster.len,
            local_backends: it.local.len,
            local_only: it.has(flags::LOCAL_ONLY),
            affinity_seconds: it.affinity_seconds,
            service_id: it.service,
        }
    }

    fn backends(&self) -> Result<Vec<BackendRow>, Error> {
        let mut v4 = backend_rows::<Ip4, K>(&self.kernel)?;
        let mut v6 = backend_rows::<Ip6, K>(&self.kernel)?;
        self.name_owners(Family::V4, &mut v4);
        self.name_owners(Family::V6, &mut v6);
        v4.append(&mut v6);
        Ok(v4)
    }

    /// The maps do not say whose a backend is; who gave out its id does.
    fn name_owners(&self, family: Family, rows: &mut [BackendRow]) {
        for row in rows {
            let owner = self.planner.backend_owner(family, BackendId(row.id));
            if let Some(key) = owner.and_then(|service| self.name(service)) {
                row.namespace.clone_from(&key.namespace);
                row.service.clone_from(&key.service);
                row.port_name.clone_from(&key.port_name);
            }
        }
    }

    /// The service port with this id.
    fn name(&self, service: u32) -> Option<&PortKey> {
        self.planner.service_name(service)
    }
}

fn list<T>(rows: impl IntoIterator<Item = T>) -> List<T> {
    List {
        items: rows.into_iter().collect(),
    }
}

fn service(port: &ServicePort) -> ServiceRow {
    let view = ServiceView::from(port);
    ServiceRow {
        namespace: view.namespace,
        name: view.service,
        port_name: view.port_name,
        port: view.port,
        proto: view.proto,
        family: view.family,
        cluster_ip: view.cluster_ip,
        node_port: view.node_port,
        external_ips: view.external_ips,
        load_balancer_ips: view.lb_ips,
        internal_local: view.internal_local,
        external_local: view.external_local,
        affinity_seconds: view.affinity_seconds,
        endpoints_ready: view
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.ready)
            .count(),
        endpoints_total: view.endpoints.len(),
        source: view.source,
    }
}

fn endpoints(port: &ServicePort) -> impl Iterator<Item = EndpointRow> {
    port.endpoints.iter().map(|it| EndpointRow {
        namespace: port.key.namespace.clone(),
        service: port.key.service.clone(),
        port_name: port.key.port_name.clone(),
        proto: proto(port.key.proto),
        address: it.ip,
        port: it.port,
        node_name: it.node_name.clone(),
        local: it.local,
        ready: it.ready,
        serving: it.serving,
        terminating: it.terminating,
        used_cluster: it.used_cluster,
        used_local: it.used_local,
        why: it.why.to_owned(),
    })
}

/// Ids that were never given out have no address.
fn backend_rows<A: Address, K: Maps<A>>(kernel: &K) -> Result<Vec<BackendRow>, Error> {
    let all = (0_u32..).zip(kernel.backends()?);
    let used = all.filter(|(_, backend)| backend.addr != A::default());
    let rows = used.map(|(id, backend)| BackendRow {
        id,
        address: backend.addr.to_ip(),
        port: backend.port.get(),
        namespace: String::new(),
        service: String::new(),
        port_name: String::new(),
        node_local: backend.is_local(),
        generation: backend.generation,
        state: if backend.serves(backend.generation) {
            "serving"
        } else {
            "retired"
        }
        .to_owned(),
    });
    Ok(rows.collect())
}

fn kind(it: &Frontend, is_unspecified: bool) -> &'static str {
    if it.has(flags::ADDRESS_ONLY) {
        "ClusterIP-address"
    } else if it.has(flags::INTERNAL) {
        "ClusterIP"
    } else if it.has(flags::NODE_PORT) && is_unspecified {
        "NodePort-localhost"
    } else if it.has(flags::NODE_PORT) {
        "NodePort"
    } else if it.has(flags::LOAD_BALANCER) {
        "LoadBalancer"
    } else {
        "ExternalIP"
    }
}

/// The protocol's name, else its number.
fn proto(proto: tidegate_abi::Proto) -> String {
    proto
        .name()
        .map_or_else(|| proto.0.to_string(), str::to_owned)
}

//! A cluster of nothing but Services, for tests: manifests in, numbers out.

use std::{collections::HashSet, net::IpAddr, ops::RangeInclusive};

use k8s_openapi::api::core::v1::{Service, ServiceSpec};

use super::*;
use crate::{Kind, Store, manifest, model::spec};

pub(super) struct Cluster {
    pub(super) store: Store,
    pub(super) ranges: Ranges,
    pub(super) before: Assignments,
    pub(super) avoid: Avoid,
    pub(super) keep_absent: bool,
    /// New numbers can be given.
    pub(super) may_give: bool,
    seed: u64,
    register: Register,
    /// Services that are settled a few at a time.
    is_gradual: bool,
    denied: BTreeMap<ObjectKey, Vec<Problem>>,
}

pub(super) fn block(text: &str) -> ServiceBlock {
    let (network, prefix) = text.split_once('/').unwrap();
    ServiceBlock::new(network.parse().unwrap(), prefix.parse().unwrap())
}

pub(super) fn pool(first: &str, last: &str) -> AddressRange {
    AddressRange::new(first.parse().unwrap(), last.parse().unwrap()).unwrap()
}

impl Cluster {
    /// With the usual ranges of both families, and a pool of each.
    pub(super) fn new() -> Self {
        Self::with(30_000..=32_767, &["10.96.0.0/16", "fd00:96::/112"])
    }

    pub(super) fn with(node_ports: RangeInclusive<u16>, blocks: &[&str]) -> Self {
        Self {
            store: Store::new(node_ports.clone()),
            ranges: Ranges {
                node_ports,
                service_blocks: blocks.iter().map(|text| block(text)).collect(),
                pools: vec![
                    pool("192.0.2.1", "192.0.2.9"),
                    pool("2001:db8::1", "2001:db8::ffff:ffff"),
                ],
            },
            before: Assignments::new(),
            avoid: Avoid::default(),
            keep_absent: false,
            may_give: true,
            seed: 0x7469_6465,
            register: Register::default(),
            is_gradual: false,
            denied: BTreeMap::new(),
        }
    }

    /// Asks those only that a change touches.
    pub(super) fn gradual(self) -> Self {
        Self {
            is_gradual: true,
            ..self
        }
    }

    /// Settles the Services that changed, and those that are in their way.
    fn run_gradually(&mut self) {
        let mut changed = self.store.take_written();
        if self.denied.is_empty() {
            changed = Register::everybody(&self.store, &self.before);
        }
        let asked = self.register.affected(&self.store, &self.before, &changed);
        let terms = Terms {
            store: &self.store,
            before: &self.before,
            ranges: &self.ranges,
            avoid: &self.avoid,
            keep_absent: self.keep_absent,
        };
        let seed = &mut self.seed;
        let mut random = || splitmix(seed);
        let settled = self.register.settle(&terms, asked, Some(&mut random));
        for key in &settled.asked {
            self.before.remove(key);
        }
        self.before.extend(settled.outcome.assignments.clone());
        self.denied
            .extend(self.register.confirm(&self.store, &settled));
        self.store
            .complete(&settled.asked, settled.outcome.completed);
    }

    /// Everybody is settled by now: to ask all of them changes nothing, and finds the same faults.
    fn check_gradual(&mut self) -> Vec<Problem> {
        let before = self.before.clone();
        let all: Vec<Service> = self.services().cloned().collect();
        let lines = |problems: &mut dyn Iterator<Item = &Problem>| -> Vec<String> {
            let mut lines: Vec<String> = problems.map(ToString::to_string).collect();
            lines.sort_unstable();
            lines
        };
        let known = lines(&mut self.denied.values().flatten());
        let problems = self.run_once();
        assert_eq!(known, lines(&mut problems.iter()));
        assert_eq!(self.before, before);
        assert!(self.services().eq(&all));
        problems
    }

    /// Writes the manifest of a Service of namespace `default`.
    pub(super) fn put(&mut self, name: &str, spec: &str) -> &mut Self {
        self.put_text(
            name,
            &format!("metadata: {{name: {name}}}\nspec: {{{spec}}}\n"),
        )
    }

    pub(super) fn put_text(&mut self, file: &str, text: &str) -> &mut Self {
        let file = format!("{file}.yaml");
        let parsed = manifest::parse(&file, &format!("apiVersion: v1\nkind: Service\n{text}"));
        let errors = self.store.replace_file(&file, parsed);
        let errors: Vec<_> = errors
            .iter()
            .filter(|it| it.severity == crate::Severity::Error)
            .collect();
        assert!(errors.is_empty(), "{errors:?}");
        self
    }

    /// Takes a Service from an API server, such as it is.
    pub(super) fn put_settled(&mut self, name: &str, spec: serde_json::Value) -> &mut Self {
        let object = serde_json::json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": "default"}, "spec": spec,
        });
        let file = format!("{name}.yaml");
        let parsed = manifest::settled(&file, object);
        let _notes = self.store.replace_file(&file, parsed);
        self
    }

    pub(super) fn remove(&mut self, name: &str) -> &mut Self {
        self.store.remove_file(&format!("{name}.yaml"));
        self
    }

    /// Settles the numbers; returns what could not be granted. Doing it twice changes nothing.
    pub(super) fn run(&mut self) -> Vec<String> {
        if self.is_gradual {
            self.run_gradually();
            let problems = self.check_gradual();
            return problems.iter().map(ToString::to_string).collect();
        }
        let problems = self.run_once();
        let before = self.before.clone();
        let all: Vec<Service> = self.services().cloned().collect();
        assert_eq!(self.run_once(), problems);
        assert_eq!(self.before, before);
        assert!(self.services().eq(&all));
        problems.iter().map(ToString::to_string).collect()
    }

    fn run_once(&mut self) -> Vec<Problem> {
        let services = self.store.written_services();
        let request = Request {
            services: &services,
            before: &self.before,
            ranges: &self.ranges,
            avoid: &self.avoid,
            keep_absent: self.keep_absent,
        };
        let seed = &mut self.seed;
        let mut random = || splitmix(seed);
        let outcome = if self.may_give {
            allocate(&request, Some(&mut random))
        } else {
            allocate(&request, None)
        };
        if self.may_give {
            self.before = outcome.assignments;
        }
        let everybody = Register::everybody(&self.store, &self.before);
        self.store.complete(&everybody, outcome.completed);
        outcome.problems.into_iter().map(|it| it.1).collect()
    }

    /// Settles the numbers, and nothing may be wrong.
    pub(super) fn settle(&mut self) -> &mut Self {
        let problems = self.run();
        assert!(problems.is_empty(), "{problems:?}");
        self
    }

    pub(super) fn services(&self) -> impl Iterator<Item = &Service> {
        self.store
            .objects(Kind::Service)
            .filter_map(|held| held.object.service())
    }

    pub(super) fn service(&self, name: &str) -> &Service {
        let mut services = self.services();
        services
            .find(|it| it.metadata.name.as_deref() == Some(name))
            .unwrap()
    }

    pub(super) fn spec(&self, name: &str) -> &ServiceSpec {
        self.service(name).spec.as_ref().unwrap()
    }

    pub(super) fn cluster_ips(&self, name: &str) -> Vec<IpAddr> {
        spec::cluster_ips(self.spec(name)).collect()
    }

    pub(super) fn cluster_ip(&self, name: &str) -> IpAddr {
        self.cluster_ips(name)[0]
    }

    /// 0: the port has none.
    pub(super) fn node_ports(&self, name: &str) -> Vec<u16> {
        let spec = self.spec(name);
        let ports = spec.ports.iter().flatten();
        ports
            .map(|port| spec::node_port(spec, port).unwrap_or(0))
            .collect()
    }

    pub(super) fn health(&self, name: &str) -> Option<u16> {
        spec::health_check_node_port(self.spec(name))
    }

    pub(super) fn vips(&self, name: &str) -> Vec<String> {
        let service = self.service(name);
        spec::lb_ips(service, self.spec(name))
            .map(|ip| ip.to_string())
            .collect()
    }

    /// All NodePort and health-check numbers, once for each Service that has one.
    pub(super) fn all_numbers(&self) -> Vec<u16> {
        let numbers = self.services().flat_map(|service| {
            let name = service.metadata.name.as_deref().unwrap();
            let ports = self.node_ports(name).into_iter().chain(self.health(name));
            ports.filter(|&number| number != 0).collect::<HashSet<_>>()
        });
        numbers.collect()
    }
}

/// Steele and others, "Fast splittable pseudorandom number generators" (2014).
pub(super) fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

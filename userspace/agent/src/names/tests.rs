use tidegate_abi::Family;
use tidegate_control::{Image, Limits, NodeFacts, Planner, Store, manifest};

use super::*;

fn service(name: &str, last: u8, endpoints: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{clusterIP: 10.96.0.{last}, ports: [{{port: 80}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{port: 8080}}]
endpoints: [{endpoints}]
"
    )
}

struct Loop {
    store: Store,
    compiler: Compiler,
    planner: Planner,
    names: Names,
    is_first: bool,
}

impl Loop {
    fn new() -> Self {
        Self {
            store: Store::new(30000..=32767),
            compiler: Compiler::default(),
            is_first: true,
            planner: Planner::adopt(Image::default(), Limits::default()),
            names: Names::default(),
        }
    }

    fn turn(&mut self, text: &str) {
        let parsed = manifest::parse("all.yaml", text);
        let _problems = self.store.replace_file("all.yaml", parsed);
        let changed = self.store.take_changed();
        let node = NodeFacts::default();
        let update = self.compiler.update(&self.store, &changed, &node);
        let old = self.names.clone();
        if std::mem::take(&mut self.is_first) {
            let _writes = self.planner.plan(&self.compiler.desired());
            self.names = Names::of_all(&self.planner, &self.compiler, &old);
            return;
        }
        let plan = self.planner.advance(&update.delta);
        self.names
            .follow(&self.planner, &self.compiler, &update.services, &plan);
        // Whatever changed, all is as if everything had been named anew.
        let anew = Names::of_all(&self.planner, &self.compiler, &old);
        assert!(self.names.services().eq(anew.services()));
        for family in [Family::V4, Family::V6] {
            assert!(self.names.backends(family).eq(anew.backends(family)));
        }
    }

    fn backend(&self, address: &str) -> Option<(u32, BackendName)> {
        let address = address.parse().unwrap();
        let mut all = self.names.backends(Family::V4);
        all.find(|(_, it)| it.address == address)
            .map(|(id, it)| (id, *it))
    }
}

#[test]
fn every_service_port_and_backend_has_its_name() {
    let mut it = Loop::new();
    let two = "{addresses: [10.244.0.7]}, {addresses: [10.244.1.7], conditions: {ready: false}}";
    it.turn(&service("web", 10, two));
    let (_, backend) = it.backend("10.244.0.7:8080").unwrap();
    let service = it.names.service(backend.service).unwrap();
    assert_eq!(service.key.service, "web");
    assert_eq!((service.port, service.ready, service.total), (80, 1, 2));
    assert!(backend.serves);
    // Id 0 is nobody's.
    assert!(it.names.backends(Family::V4).all(|(id, _)| id != 0));
    assert_eq!(it.names.backends(Family::V6).count(), 0);
}

#[test]
fn a_backend_that_left_keeps_its_name_until_its_id_is_given_out_again() {
    let mut it = Loop::new();
    it.turn(&service("web", 10, "{addresses: [10.244.0.7]}"));
    let (id, before) = it.backend("10.244.0.7:8080").unwrap();
    it.turn(&service("web", 10, ""));
    let (same, after) = it.backend("10.244.0.7:8080").unwrap();
    assert_eq!((same, after.service), (id, before.service));
    assert!(!after.serves);
    // Ids rest for a while: the first plans give new ones.
    for host in 1..200_u8 {
        it.turn(&service(
            "web",
            10,
            &format!("{{addresses: [10.244.2.{host}]}}"),
        ));
    }
    assert_eq!(it.backend("10.244.0.7:8080"), None);
}

#[test]
fn two_service_ports_on_one_pod_have_a_backend_each() {
    let mut it = Loop::new();
    let pod = "{addresses: [10.244.0.7]}";
    it.turn(&(service("web", 10, pod) + "---" + &service("api", 11, pod)));
    let services = it.names.backends(Family::V4);
    let names = services.map(|(_, backend)| {
        let service = it.names.service(backend.service).unwrap();
        service.key.service.clone()
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert_eq!(names, ["api", "web"]);
}

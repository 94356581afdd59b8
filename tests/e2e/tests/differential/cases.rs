//! The Services of both scenes: one for each thing that a proxy decides about.

use serde_json::{Value, json};
use tidegate_e2e::{Ep, Svc};
use tidegate_rig::TwoNodes;

/// One Service with its endpoints.
pub(crate) struct Case {
    pub(crate) svc: Svc,
    pub(crate) endpoints: Vec<Ep>,
}

/// All of them; the order gives each its numbers.
pub(crate) fn cases(scene: &TwoNodes) -> Vec<Case> {
    let mut list = List(Vec::new());
    let pods = [&scene.a, &scene.b].map(|node| Ep::of(&node.pods[0]));
    list.add_policies(&pods);
    list.add_conditions(&pods);
    list.add_ranges(&pods);
    let hosts = [&scene.a, &scene.b].map(|node| Ep::at(node.addresses(), node.name));
    list.add("hosts", |svc| svc, hosts.clone());
    list.add("hosts-local", both_local, hosts);
    list.add("sticky", |svc| svc.affinity(300), pods.clone());
    list.add(
        "sticky-local",
        |svc| external_local(svc).affinity(300),
        pods.clone(),
    );
    list.add("proxy-mode", |svc| svc.with_vip_mode("Proxy"), pods);
    list.0
}

/// All objects, as both sides read them.
pub(crate) fn objects(cases: &[Case]) -> Vec<Value> {
    let objects = cases.iter().map(|case| case.svc.objects(&case.endpoints));
    objects.flatten().collect()
}

impl Case {
    /// Stray addresses are nobody's: a Service with endpoints and one without are enough.
    pub(crate) fn asks_strays(&self) -> bool {
        ["plain", "nobody"].contains(&self.svc.name.as_str())
    }

    pub(crate) fn is_sticky(&self) -> bool {
        self.svc.object["spec"]["sessionAffinity"] == "ClientIP"
    }
}

/// Serves no more, and terminates.
fn gone(endpoint: Ep) -> Ep {
    endpoint.conditions(json!(false), json!(false), json!(true))
}

fn internal_local(svc: Svc) -> Svc {
    svc.internal_policy("Local")
}

fn external_local(svc: Svc) -> Svc {
    svc.external_policy("Local")
}

fn both_local(svc: Svc) -> Svc {
    internal_local(external_local(svc))
}

struct List(Vec<Case>);

impl List {
    fn add_policies(&mut self, pods: &[Ep; 2]) {
        let remote = || [pods[1].clone()];
        self.add("plain", |svc| svc, pods.clone());
        self.add("external-local", external_local, pods.clone());
        self.add("internal-local", internal_local, pods.clone());
        self.add("both-local", both_local, pods.clone());
        self.add("remote", |svc| svc, remote());
        self.add("remote-internal-local", internal_local, remote());
        self.add("remote-external-local", external_local, remote());
        self.add("remote-local", both_local, remote());
    }

    fn add_conditions(&mut self, [a, b]: &[Ep; 2]) {
        let (a, b) = (|| a.clone(), || b.clone());
        self.add("nobody", |svc| svc, []);
        self.add("nobody-local", both_local, []);
        self.add("unready", both_local, [a().unready(), gone(b())]);
        self.add("fallback", external_local, [a().terminating(), b()]);
        self.add(
            "terminating",
            both_local,
            [a().terminating(), b().terminating()],
        );
    }

    fn add_ranges(&mut self, pods: &[Ep; 2]) {
        let client = json!(["192.168.1.10/32", "fd00:1::10/128"]);
        let inside = json!([
            "192.168.1.2/32",
            "fd00:1::2/128",
            "10.244.0.0/24",
            "fd00:244::/48"
        ]);
        let to = |svc: Svc, list: &Value| svc.spec("loadBalancerSourceRanges", list.clone());
        self.add("ranges-client", |svc| to(svc, &client), pods.clone());
        self.add("ranges-node-pods", |svc| to(svc, &inside), pods.clone());
        self.add("ranges-nobody", |svc| to(svc, &client), []);
        let remote = [pods[1].clone()];
        self.add(
            "ranges-remote-local",
            |svc| to(both_local(svc), &client),
            remote,
        );
    }

    fn add(
        &mut self,
        name: &str,
        change: impl FnOnce(Svc) -> Svc,
        endpoints: impl IntoIterator<Item = Ep>,
    ) {
        let number = u8::try_from(self.0.len() + 1).unwrap_or(u8::MAX);
        let svc = Svc::new(name, number).with_vip().with_external_ip();
        self.0.push(Case {
            svc: change(svc),
            endpoints: endpoints.into_iter().collect(),
        });
    }
}

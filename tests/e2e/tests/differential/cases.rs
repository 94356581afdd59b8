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
    let a = || Ep::of(&scene.a.pods[0]);
    let b = || Ep::of(&scene.b.pods[0]);
    let hosts = || [&scene.a, &scene.b].map(|node| Ep::at(node.addresses(), node.name));
    let client = json!(["192.168.1.10/32", "fd00:1::10/128"]);
    let nodes = json!(["192.168.1.2/32", "fd00:1::2/128", "10.244.0.0/24", "fd00:244::/48"]);
    let both = |svc: Svc| svc.internal_policy("Local").external_policy("Local");
    let ranges = |svc: Svc, list: &Value| svc.spec("loadBalancerSourceRanges", list.clone());
    let mut list = List(Vec::new());
    list.add("plain", |svc| svc, [a(), b()]);
    list.add("external-local", |svc| svc.external_policy("Local"), [a(), b()]);
    list.add("internal-local", |svc| svc.internal_policy("Local"), [a(), b()]);
    list.add("both-local", both, [a(), b()]);
    list.add("nobody", |svc| svc, []);
    list.add("nobody-local", both, []);
    list.add("unready", both, [a().unready(), gone(b())]);
    list.add("remote", |svc| svc, [b()]);
    list.add("remote-local", both, [b()]);
    list.add("remote-internal-local", |svc| svc.internal_policy("Local"), [b()]);
    list.add("remote-external-local", |svc| svc.external_policy("Local"), [b()]);
    list.add("fallback", |svc| svc.external_policy("Local"), [a().terminating(), b()]);
    list.add("terminating", both, [a().terminating(), b().terminating()]);
    list.add("ranges-client", |svc| ranges(svc, &client), [a(), b()]);
    list.add("ranges-node-pods", |svc| ranges(svc, &nodes), [a(), b()]);
    list.add("ranges-nobody", |svc| ranges(svc, &client), []);
    list.add("ranges-remote-local", |svc| ranges(both(svc), &client), [b()]);
    list.add("hosts", |svc| svc, hosts());
    list.add("hosts-local", both, hosts());
    list.add("sticky", |svc| svc.affinity(300), [a(), b()]);
    list.add("sticky-local", |svc| svc.affinity(300).external_policy("Local"), [a(), b()]);
    list.add("proxy-mode", |svc| svc.with_vip_mode("Proxy"), [a(), b()]);
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

struct List(Vec<Case>);

impl List {
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

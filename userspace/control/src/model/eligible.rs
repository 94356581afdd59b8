//! Which endpoints new flows may go to (rules 2.1.x and 2.2.x).
//!
//! The two scopes, the whole cluster and this node, are decided apart from one another (rule 2.1.5).

use k8s_openapi::api::discovery::v1::EndpointHints;

use super::{EndpointView, endpoints::Candidate};
use crate::node::NodeFacts;

/// Fills in what each endpoint is used for, and why.
pub(super) fn decide(endpoints: &mut [Candidate<'_>], node: &NodeFacts) {
    let cluster = Scope::of(endpoints.iter().map(|it| &it.view));
    let local = Scope::of(
        endpoints
            .iter()
            .map(|it| &it.view)
            .filter(|view| view.local),
    );
    let hints = if cluster == Scope::Ready {
        Hints::of(endpoints, node)
    } else {
        Hints::Unused
    };
    for endpoint in endpoints {
        let near = hints.admit(endpoint.hints, node);
        let view = &mut endpoint.view;
        view.used_cluster = cluster.admits(view) && near;
        view.used_local = view.local && local.admits(view);
        view.why = why(view, near, hints);
    }
}

/// What a scope has to offer.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Scope {
    /// Ready endpoints: only those (rule 2.1.1).
    Ready,
    /// No ready one, so those that still serve while they terminate (rule 2.1.2).
    Terminating,
    Nothing,
}

impl Scope {
    fn of<'a>(mut views: impl Iterator<Item = &'a EndpointView>) -> Self {
        let mut scope = Self::Nothing;
        loop {
            match views.next() {
                None => return scope,
                Some(view) if view.ready => return Self::Ready,
                Some(view) if serves_last(view) => scope = Self::Terminating,
                Some(_) => {}
            }
        }
    }

    fn admits(self, view: &EndpointView) -> bool {
        match self {
            Self::Ready => view.ready,
            Self::Terminating => serves_last(view),
            Self::Nothing => false,
        }
    }
}

/// Both bits are needed (rules 2.1.3 and 2.1.4).
fn serves_last(view: &EndpointView) -> bool {
    view.serving && view.terminating
}

/// Which hints narrow the cluster scope.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Hints {
    Node,
    Zone,
    Unused,
}

impl Hints {
    /// Rules 2.2.2 to 2.2.5: every ready endpoint has a hint, and one of them is for us.
    fn of(endpoints: &[Candidate<'_>], node: &NodeFacts) -> Self {
        let ready = || {
            endpoints
                .iter()
                .filter(|it| it.view.ready)
                .map(|it| it.hints)
        };
        let applies = |kind: Self, has_any: fn(&EndpointHints) -> bool| {
            ready().all(|hints| hints.is_some_and(has_any))
                && ready().any(|hints| kind.admit(hints, node))
        };
        if applies(Self::Node, |hints| {
            hints.for_nodes.as_ref().is_some_and(|it| !it.is_empty())
        }) {
            Self::Node
        } else if applies(Self::Zone, |hints| {
            hints.for_zones.as_ref().is_some_and(|it| !it.is_empty())
        }) {
            Self::Zone
        } else {
            Self::Unused
        }
    }

    fn admit(self, hints: Option<&EndpointHints>, node: &NodeFacts) -> bool {
        match self {
            Self::Unused => true,
            Self::Node => hints
                .and_then(|it| it.for_nodes.as_ref())
                .is_some_and(|nodes| nodes.iter().any(|it| is_this(&it.name, &node.name))),
            Self::Zone => hints
                .and_then(|it| it.for_zones.as_ref())
                .is_some_and(|zones| zones.iter().any(|it| Some(&it.name) == node.zone.as_ref())),
        }
    }
}

/// A node that does not know its name is nobody's.
fn is_this(hinted: &str, name: &str) -> bool {
    !name.is_empty() && hinted == name
}

fn why(view: &EndpointView, near: bool, hints: Hints) -> &'static str {
    match (view.used_cluster, view.used_local) {
        (true, _) if view.ready && view.terminating => "terminating, but published as ready",
        (true, _) if view.ready && hints == Hints::Node => "ready, and hinted for this node",
        (true, _) if view.ready && hints == Hints::Zone => "ready, and hinted for this zone",
        (true, _) if view.ready => "ready",
        (true, _) => "terminating, but still serving, and no endpoint is ready",
        (false, true) if view.ready => "ready, but hinted elsewhere: used by policy Local only",
        (false, true) => "terminating, but no endpoint here is ready: used by policy Local only",
        (false, false) if view.ready && !near => "ready, but hinted for another zone or node",
        (false, false) if serves_last(view) => "terminating, and others are ready",
        (false, false) if view.terminating => "terminating, and no longer serving",
        (false, false) => "not ready",
    }
}

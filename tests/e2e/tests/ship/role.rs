//! The role of the DaemonSet allows what the agent asks the API server for, and nothing else.

use std::{collections::BTreeSet, net::TcpListener};

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::rbac::v1::ClusterRole;
use serde_json::Value;
use tidegate_apiserver::{ApiServer, Kind, On};
use tidegate_e2e::soon;
use tidegate_rig::AgentSpec;

use crate::{Place, text};

type Right = (String, String, String);

/// Group, resource and verb of all that the role allows.
fn allowed() -> Result<BTreeSet<Right>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text("docs/kubernetes/rbac.yaml")?)?;
    let role = documents.into_iter().find(|it| it["kind"] == "ClusterRole");
    let role: ClusterRole = serde_json::from_value(role.context("no ClusterRole")?)?;
    let mut rights = BTreeSet::new();
    for rule in role.rules.context("no rules")? {
        for group in rule.api_groups.unwrap_or_default() {
            for resource in rule.resources.iter().flatten() {
                rights.extend(
                    rule.verbs
                        .iter()
                        .map(|verb| (group.clone(), resource.clone(), verb.clone())),
                );
            }
        }
    }
    Ok(rights)
}

fn right(on: On) -> Right {
    let (kind, verb) = match on {
        On::List(kind) => (kind, "list"),
        On::Watch(kind) => (kind, "watch"),
    };
    let (group, resource) = match kind {
        Kind::Service => ("", "services"),
        Kind::EndpointSlice => ("discovery.k8s.io", "endpointslices"),
        Kind::Node => ("", "nodes"),
        Kind::ServiceCidr => ("networking.k8s.io", "servicecidrs"),
    };
    (group.to_owned(), resource.to_owned(), verb.to_owned())
}

#[test]
fn the_role_allows_what_the_agent_asks_for_and_nothing_else() -> Result<()> {
    let place = Place::new()?;
    let node = &place.scene.a;
    let server = ApiServer::start(node.ns.run(|| TcpListener::bind("127.0.0.1:0"))?)?;
    let kubeconfig = place.scene_dir()?.join("kubeconfig");
    let url = server.url();
    std::fs::write(
        &kubeconfig,
        format!(
            "{{apiVersion: v1, kind: Config, current-context: c, \
             clusters: [{{name: c, cluster: {{server: '{url}'}}}}], users: [{{name: u, user: {{}}}}], \
             contexts: [{{name: c, context: {{cluster: c, user: u}}}}]}}"
        ),
    )?;
    let kubeconfig = kubeconfig.to_str().context("a path in UTF-8")?;
    let spec = AgentSpec::new(&place.scene, node)?.args(["--kubeconfig", kubeconfig]);
    let _agent = spec.start()?;
    let allowed = allowed()?;
    let asked = || -> BTreeSet<Right> { server.asked().iter().map(|it| right(it.on)).collect() };
    soon(|| {
        let missing: Vec<_> = allowed.difference(&asked()).cloned().collect();
        ensure!(
            missing.is_empty(),
            "allowed, and not asked for: {missing:?}"
        );
        Ok(())
    })?;
    match asked().difference(&allowed).next() {
        Some(more) => bail!("asked for, and not allowed: {more:?}"),
        None => Ok(()),
    }
}

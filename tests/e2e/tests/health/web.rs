//! The Service whose health is asked for, and what its port says.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tidegate_e2e::{ServiceSpec, Setup};
use tidegate_rig::{Pod, pod_endpoints};

use crate::probe::{get, soon};

/// Keeps to local endpoints and has a health-check port.
pub(crate) const WEB: ServiceSpec = ServiceSpec {
    name: "web",
    number: 21,
};
pub(crate) const HEALTH_PORT: u16 = 30_200;
pub(crate) const PROXY_PORT: u16 = 10_256;

/// Both addresses of node A, with a port.
pub(crate) fn node(setup: &Setup, port: u16) -> [SocketAddr; 2] {
    setup
        .scene
        .a
        .addresses()
        .map(|ip| SocketAddr::new(ip, port))
}

/// Writes the Service with these endpoints; `conditions` are those of every one.
pub(crate) fn put_web(
    setup: &Setup,
    pods: &[&Pod],
    conditions: Value,
    change: impl Fn(&mut Value),
) -> Result<()> {
    let mut objects = web(pods, &conditions);
    change(&mut objects[0]["spec"]);
    setup.spec.manifests.put(WEB.name, &objects)
}

/// The Service and its slices.
pub(crate) fn web(pods: &[&Pod], conditions: &Value) -> Vec<Value> {
    let mut objects = WEB.objects(&pod_endpoints(pods.iter().copied()));
    let spec = &mut objects[0]["spec"];
    spec["type"] = json!("LoadBalancer");
    spec["externalTrafficPolicy"] = json!("Local");
    spec["healthCheckNodePort"] = json!(HEALTH_PORT);
    for slice in &mut objects[1..] {
        for endpoint in slice["endpoints"].as_array_mut().into_iter().flatten() {
            endpoint["conditions"] = conditions.clone();
        }
    }
    objects
}

pub(crate) fn ready() -> Value {
    json!({ "ready": true, "serving": true, "terminating": false })
}

/// Waits until both families' ports say so, to a client outside.
pub(crate) fn says(setup: &Setup, status: u16, weight: usize) -> Result<()> {
    for to in node(setup, HEALTH_PORT) {
        soon(|| {
            let answer = get(&setup.scene.client, to, "/")?;
            ensure!(answer.status == status, "{to}: {answer:?}");
            let header = answer.header("x-load-balancing-endpoint-weight");
            ensure!(
                header == Some(weight.to_string().as_str()),
                "{to}: {answer:?}"
            );
            ensure!(
                answer.json()?["localEndpoints"] == weight,
                "{to}: {answer:?}"
            );
            Ok(())
        })?;
    }
    Ok(())
}

//! Numbers that the API server gave are not touched, and are given to nobody else.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tidegate_e2e::{Ep, Svc};

use crate::{
    cluster::{Cluster, eventually},
    expected::compare,
};

#[test]
fn rule_7_1_13_what_the_server_has_not_given_nobody_gives() -> Result<()> {
    let mut cluster = Cluster::without_agent(&["--lb-pool", "198.51.100.0/24"])?;
    cluster.world.replace_agent()?;
    // Of type LoadBalancer, and its controller has not answered yet (7.2.9); a NodePort out of our range.
    let mut svc = Svc::new("web", 1);
    svc.object["spec"]["type"] = json!("LoadBalancer");
    for port in svc.object["spec"]["ports"]
        .as_array_mut()
        .context("ports")?
    {
        port["nodePort"] = json!(20_080);
    }
    cluster.put(&svc, &[Ep::of(cluster.world.a(1))]);
    eventually(|| compare(&cluster))?;
    // It wants a clusterIP that is taken, and one that is free.
    let manifest = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "file", "namespace": "default"},
        "spec": {"type": "NodePort", "ports": [{"port": 80}]},
    });
    cluster.world.put_objects("file", &[manifest])?;
    let rows = cluster.world.frontends()?;
    let of = |name: &str| {
        let own = rows
            .iter()
            .filter(|it| it["service"] == name && it["port"] != 0);
        own.map(|it| it["address"].to_string()).collect::<Vec<_>>()
    };
    let (own, file) = (of("web"), of("file"));
    ensure!(
        !file.is_empty(),
        "the manifest's Service was given nothing: {rows:?}"
    );
    ensure!(own.iter().all(|it| !it.contains("198.51.100.")), "{own:?}");
    Ok(())
}

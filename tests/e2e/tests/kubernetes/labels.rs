//! Labels that make objects invisible, through the server's selectors.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tidegate_e2e::{Ep, Proto, Svc, refused, served_by, silent};

use crate::{
    cluster::{Cluster, eventually},
    expected::compare,
};

fn labelled(object: &Value, key: &str) -> Value {
    let mut object = object.clone();
    object["metadata"]["labels"][key] = json!("other");
    object
}

fn frontends_of(cluster: &Cluster, service: &str) -> Result<usize> {
    let rows = cluster.world.frontends()?;
    Ok(rows.iter().filter(|it| it["service"] == service).count())
}

#[test]
fn rule_1_2_1_a_service_that_is_given_to_another_proxy_goes_and_comes_back() -> Result<()> {
    let cluster = Cluster::new()?;
    let svc = Svc::new("web", 1);
    let pod = cluster.world.a(1);
    cluster.put(&svc, &[Ep::of(pod)]);
    eventually(|| compare(&cluster))?;
    served_by(
        &cluster.world.a(2).ns,
        Proto::Tcp,
        svc.cluster(false),
        &[&pod.name],
    )?;
    let key = "service.kubernetes.io/service-proxy-name";
    cluster.server.put(labelled(&svc.object, key));
    eventually(|| {
        ensure!(frontends_of(&cluster, "web")? == 0, "it is still there");
        Ok(())
    })?;
    silent(&cluster.world.a(2).ns, Proto::Tcp, svc.cluster(false))?;
    cluster.server.put(svc.object.clone());
    eventually(|| compare(&cluster))?;
    served_by(
        &cluster.world.a(2).ns,
        Proto::Tcp,
        svc.cluster(false),
        &[&pod.name],
    )
    .map(drop)
}

#[test]
fn rule_1_2_2_a_slice_that_is_labelled_headless_goes_and_comes_back() -> Result<()> {
    let cluster = Cluster::new()?;
    let svc = Svc::new("web", 1);
    let pod = cluster.world.a(1);
    cluster.put(&svc, &[Ep::of(pod)]);
    eventually(|| compare(&cluster))?;
    let slices = svc.slices("all", &[Ep::of(pod)]);
    for slice in &slices {
        cluster
            .server
            .put(labelled(slice, "service.kubernetes.io/headless"));
    }
    eventually(|| {
        let list = cluster.world.spec.get("endpoints")?;
        ensure!(
            list["items"].as_array().is_some_and(Vec::is_empty),
            "{list}"
        );
        Ok(())
    })?;
    refused(&cluster.world.a(2).ns, Proto::Tcp, svc.cluster(false))?;
    for slice in slices {
        cluster.server.put(slice);
    }
    eventually(|| compare(&cluster))?;
    served_by(
        &cluster.world.a(2).ns,
        Proto::Tcp,
        svc.cluster(false),
        &[&pod.name],
    )
    .map(drop)
}

//! The API server's own Service.

use anyhow::{Result, ensure};
use tidegate_apiserver::Kind;
use tidegate_e2e::{Ep, Proto, Svc, refused, served_by};

use crate::{
    cluster::{Cluster, eventually},
    dialler::Dialler,
    expected::compare,
};

#[test]
fn rule_5_1_14_the_server_s_own_service_keeps_its_last_backend_and_others_go_to_zero() -> Result<()>
{
    let cluster = Cluster::new()?;
    let (own, other) = (Svc::new("kubernetes", 1), Svc::new("other", 2));
    let pods = [cluster.world.a(1), cluster.world.b(1)];
    cluster.put(&own, &[Ep::of(pods[0])]);
    cluster.put(&other, &[Ep::of(pods[0])]);
    eventually(|| compare(&cluster))?;
    let dialler = Dialler::start(&cluster.world, std::slice::from_ref(&own));
    for svc in [&own, &other] {
        for slice in svc.slices("all", &[]) {
            cluster.server.put(slice);
        }
    }
    eventually(|| refused(&cluster.world.a(2).ns, Proto::Tcp, other.cluster(false)).map(drop))?;
    eventually(|| {
        let problems = cluster.problems()?;
        ensure!(
            problems.len() == 1 && problems[0].contains("its last ones are kept"),
            "{problems:?}"
        );
        Ok(())
    })?;
    dialler.some_more(100)?;
    // Nor do its objects end it; the server makes them anew.
    cluster.delete(&own);
    cluster.server.delete(Kind::Service, "default", "other");
    eventually(|| {
        let rows = cluster.world.frontends()?;
        ensure!(
            rows.iter().all(|it| it["service"] != "other"),
            "the other is still there"
        );
        Ok(())
    })?;
    dialler.some_more(100)?;
    cluster.put(&own, &[Ep::of(pods[1])]);
    cluster.delete(&other);
    eventually(|| compare(&cluster))?;
    served_by(
        &cluster.world.a(2).ns,
        Proto::Tcp,
        own.cluster(false),
        &[&pods[1].name],
    )?;
    ensure!(cluster.problems()?.is_empty(), "{:?}", cluster.problems()?);
    dialler.finish().map(drop)
}

//! The API server is away: at the start, in between, and for the successor of an agent.

use anyhow::{Result, ensure};
use serde_json::json;
use tidegate_e2e::{Ep, Proto, Svc, served_by};
use tidegate_rig::AgentSpec;

use crate::{
    cluster::{Cluster, eventually},
    dialler::Dialler,
    expected::compare,
};

fn says_that_it_is_away(cluster: &Cluster, what_stays: &str) -> Result<()> {
    eventually(|| {
        let problems = cluster.problems()?;
        let line = problems
            .iter()
            .find(|it| it.starts_with("Kubernetes API: cannot read services"));
        ensure!(
            line.is_some_and(|it| it.ends_with(what_stays)),
            "{problems:?}"
        );
        Ok(())
    })
}

#[test]
fn rule_5_1_10_while_the_server_is_away_the_last_state_serves() -> Result<()> {
    let cluster = Cluster::new()?;
    let svc = [Svc::new("web", 1)];
    cluster.put(&svc[0], &[Ep::of(cluster.world.a(1))]);
    eventually(|| compare(&cluster))?;
    let dialler = Dialler::start(&cluster.world, &svc);
    cluster.server.away(true);
    says_that_it_is_away(&cluster, "what was known stays")?;
    cluster.put(&svc[0], &[Ep::of(cluster.world.b(1))]);
    cluster.put(&Svc::new("new", 2), &[Ep::of(cluster.world.b(1))]);
    dialler.some_more(100)?;
    cluster.server.away(false);
    eventually(|| compare(&cluster))?;
    eventually(|| {
        let problems = cluster.problems()?;
        ensure!(problems.is_empty(), "{problems:?}");
        Ok(())
    })?;
    dialler.some_more(100)?;
    dialler.finish().map(drop)
}

#[test]
fn rule_5_1_8_and_5_1_9_and_5_1_10_an_agent_that_starts_while_the_server_is_away_takes_nothing_away()
-> Result<()> {
    let mut cluster = Cluster::new()?;
    let svc = [Svc::new("web", 1)];
    cluster.put(
        &svc[0],
        &[Ep::of(cluster.world.a(1)), Ep::of(cluster.world.b(1))],
    );
    eventually(|| compare(&cluster))?;
    let dialler = Dialler::start(&cluster.world, &svc);
    cluster.server.away(true);
    cluster.world.kill_agent()?;
    // It is not ready before it has read everything, and answers questions all the same.
    let mut waiting = cluster.world.spec.command().spawn()?;
    let outcome = (|| {
        says_that_it_is_away(&cluster, "what the maps hold stays")?;
        dialler.some_more(200)?;
        cluster.put(&Svc::new("new", 2), &[Ep::of(cluster.world.b(1))]);
        cluster.server.away(false);
        eventually(|| compare(&cluster))?;
        dialler.some_more(100)
    })();
    waiting.kill()?;
    waiting.wait()?;
    outcome?;
    dialler.finish().map(drop)
}

#[test]
fn rule_1_2_3_a_server_that_shows_services_and_no_slices_empties_nothing() -> Result<()> {
    use tidegate_apiserver::Kind;
    let mut cluster = Cluster::new()?;
    let svc = [Svc::new("web", 1)];
    cluster.put(&svc[0], &[Ep::of(cluster.world.a(1))]);
    eventually(|| compare(&cluster))?;
    cluster.server.allows(Kind::EndpointSlice, false);
    cluster.world.kill_agent()?;
    let dialler = Dialler::start(&cluster.world, &svc);
    let mut waiting = cluster.world.spec.command().spawn()?;
    let outcome = (|| {
        eventually(|| {
            let problems = cluster.problems()?;
            let is_told = problems
                .iter()
                .any(|it| it.contains("cannot read endpointslices"));
            ensure!(is_told, "{problems:?}");
            Ok(())
        })?;
        dialler.some_more(200)?;
        cluster.server.allows(Kind::EndpointSlice, true);
        cluster.put(&Svc::new("new", 2), &[Ep::of(cluster.world.b(1))]);
        eventually(|| compare(&cluster))
    })();
    waiting.kill()?;
    waiting.wait()?;
    outcome?;
    dialler.finish().map(drop)
}

#[test]
fn rule_2_2_8_the_zone_of_the_own_node_narrows_the_choice() -> Result<()> {
    let cluster = Cluster::new()?;
    let svc = Svc::new("web", 1);
    let endpoints = [Ep::of(cluster.world.a(1)), Ep::of(cluster.world.b(1))];
    let mut objects = svc.objects(&endpoints);
    for slice in &mut objects[1..] {
        slice["endpoints"][0]["hints"] = json!({"forZones": [{"name": "here"}]});
        slice["endpoints"][1]["hints"] = json!({"forZones": [{"name": "there"}]});
    }
    for object in objects {
        cluster.server.put(object);
    }
    eventually(|| compare(&cluster))?;
    let spec: &AgentSpec = &cluster.world.spec;
    let name = cluster.world.scene.a.name;
    for (zone, pod) in [("there", cluster.world.b(1)), ("here", cluster.world.a(1))] {
        let labels = json!({"topology.kubernetes.io/zone": zone});
        cluster
            .server
            .put(json!({"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": labels}}));
        eventually(|| {
            let list = spec.get("endpoints")?;
            let rows = list["items"].as_array().into_iter().flatten();
            let used = rows.filter(|it| it["usedCluster"] == true);
            let all: Vec<_> = used.map(|it| it["address"].clone()).collect();
            let own = pod.addresses().map(|it| json!(it));
            ensure!(
                !all.is_empty() && all.iter().all(|it| own.contains(it)),
                "{all:?}"
            );
            Ok(())
        })?;
        for v6 in [false, true] {
            served_by(
                &cluster.world.a(2).ns,
                Proto::Tcp,
                svc.cluster(v6),
                &[&pod.name],
            )?;
        }
    }
    Ok(())
}

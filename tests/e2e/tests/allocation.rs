//! Services that name no numbers: they are given some, serve under them, and keep them (rules 1.6.x,
//! 7.1.x, 7.2.x and 7.3.x).

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tidegate_e2e::{Ep, Proto, SERVICE_PORT, Svc, World, ask, ask_many, soon};
use tidegate_rig::{AgentSpec, Netns, TwoNodes};

/// The client has routes to these by node A.
const POOLS: &str = "198.51.100.200-198.51.100.203,2001:db8:51::/64";

/// A Service and its endpoints, without any number but its ports'.
fn bare(name: &str, spec: &Value, endpoints: &[Ep]) -> Result<Vec<Value>> {
    let mut objects = Svc::internal(name, 0).objects(endpoints);
    let fields = objects[0]["spec"].as_object_mut().context("no spec")?;
    for given in ["clusterIP", "clusterIPs", "ipFamilies"] {
        fields.remove(given);
    }
    fields.extend(spec.as_object().context("not an object")?.clone());
    Ok(objects)
}

/// What a family of a Service was given.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Given {
    cluster_ip: IpAddr,
    node_port: u16,
    balancer_ip: Option<IpAddr>,
}

/// By family; the protocols of a Service must agree.
fn given(spec: &AgentSpec, name: &str) -> Result<BTreeMap<String, Given>> {
    let list = spec.get("services")?;
    let mut found = BTreeMap::new();
    for row in list["items"].as_array().context("no items")? {
        if row["name"] != name {
            continue;
        }
        let text = |value: &Value| value.as_str().map(str::parse::<IpAddr>).transpose();
        let it = Given {
            cluster_ip: text(&row["clusterIp"])?.with_context(|| format!("no clusterIP: {row}"))?,
            node_port: u16::try_from(row["nodePort"].as_u64().unwrap_or(0))?,
            balancer_ip: text(&row["loadBalancerIps"][0])?,
        };
        let family = row["family"].as_str().context("no family")?.to_owned();
        let known = found.entry(family).or_insert_with(|| it.clone());
        ensure!(*known == it, "{known:?} and {it:?}");
    }
    Ok(found)
}

/// Every way to dial the Service, from where it may be dialled.
fn callers<'a>(
    scene: &'a TwoNodes,
    given: &BTreeMap<String, Given>,
) -> Result<Vec<(&'a Netns, SocketAddr)>> {
    let (client, pod, node) = (&scene.client, &scene.a.pods[2].ns, &scene.a.ns);
    let mut callers: Vec<(&Netns, SocketAddr)> = Vec::new();
    for it in given.values() {
        let balancer_ip = it.balancer_ip.context("no load-balancer address")?;
        let node_address = scene.a.addresses()[usize::from(it.cluster_ip.is_ipv6())];
        callers.extend([
            (pod, (it.cluster_ip, SERVICE_PORT).into()),
            (node, (it.cluster_ip, SERVICE_PORT).into()),
            (client, (node_address, it.node_port).into()),
            (client, (balancer_ip, SERVICE_PORT).into()),
            (pod, (balancer_ip, SERVICE_PORT).into()),
        ]);
    }
    Ok(callers)
}

fn all_are_served(callers: &[(&Netns, SocketAddr)], by: &str) -> Result<()> {
    for (from, to) in callers {
        for proto in [Proto::Tcp, Proto::Udp] {
            let answers = from
                .run(|| ask_many(proto, *to, 10))
                .with_context(|| format!("from {}", from.name()))?;
            ensure!(answers.iter().all(|it| it.backend == by), "{answers:?}");
        }
    }
    Ok(())
}

#[test]
fn rule_7_1_11_and_1_6_8_and_1_7_7_and_7_3_1_what_was_given_serves_and_survives_kill_and_restart()
-> Result<()> {
    let mut world = World::builder().args(&["--lb-pool", POOLS]).build()?;
    let pods = &world.scene.a.pods;
    let spec = json!({ "type": "LoadBalancer", "ipFamilyPolicy": "RequireDualStack" });
    world.put_objects("auto", &bare("auto", &spec, &[Ep::of(&pods[0])])?)?;
    let before = given(&world.spec, "auto")?;
    let families: Vec<&str> = before.keys().map(String::as_str).collect();
    ensure!(families == ["IPv4", "IPv6"], "{before:?}");
    let (v4, v6) = (&before["IPv4"], &before["IPv6"]);
    ensure!(v4.node_port == v6.node_port, "{before:?}");
    ensure!((30_086..=32_767).contains(&v4.node_port), "{before:?}");
    ensure!(
        v4.balancer_ip == Some([198, 51, 100, 200].into()),
        "{before:?}"
    );
    all_are_served(&callers(&world.scene, &before)?, &pods[0].name)?;

    // What kubectl shows, `get services` shows: without `-o wide`.
    let output = world.spec.cli(["get", "services"]).output()?;
    let shown = String::from_utf8(output.stdout)?;
    for number in [
        v4.cluster_ip.to_string(),
        v4.node_port.to_string(),
        "198.51.100.200".into(),
    ] {
        ensure!(shown.contains(&number), "no {number}: {shown}");
    }

    // A manifest that comes first in every order must not take the numbers while nobody looks.
    world.kill_agent()?;
    let pods = &world.scene.a.pods;
    let callers_before = callers(&world.scene, &before)?;
    let spec = json!({ "type": "LoadBalancer", "ipFamilyPolicy": "PreferDualStack" });
    let first = bare("a-first", &spec, &[Ep::of(&pods[1])])?;
    world.spec.manifests.put("a-first", &first)?;
    all_are_served(&callers_before, &pods[0].name).context("without an agent")?;
    let _again = world.spec.start()?;
    ensure!(given(&world.spec, "auto")? == before, "renumbered");
    all_are_served(&callers_before, &pods[0].name).context("after the restart")?;
    let second = given(&world.spec, "a-first")?;
    all_are_served(&callers(&world.scene, &second)?, &pods[1].name)
}

#[test]
fn rule_7_1_12_and_1_6_7_who_asks_for_what_was_given_is_told_and_the_first_serves_on() -> Result<()>
{
    let world = World::builder().build()?;
    let node_port = json!({ "type": "NodePort" });
    world.put_objects("first", &bare("first", &node_port, &[Ep::of(world.a(1))])?)?;
    let first = given(&world.spec, "first")?["IPv4"].clone();
    let second = json!({
        "type": "NodePort",
        "ports": [{ "name": "tcp", "port": SERVICE_PORT, "nodePort": first.node_port }],
    });
    world.put_objects("second", &bare("second", &second, &[Ep::of(world.a(2))])?)?;
    let problems = world.spec.status()?["problems"].to_string();
    let expected = format!(
        "spec.ports[0].nodePort: {} was given to Service default/first",
        first.node_port
    );
    ensure!(problems.contains(&expected), "{problems}");
    let to = SocketAddr::new(world.node_address(false), first.node_port);
    let by = |pod: &str| -> Result<()> {
        let answer = world.scene.client.run(|| ask(Proto::Tcp, to))?;
        ensure!(answer.backend == pod, "{answer:?}");
        Ok(())
    };
    by(&world.a(1).name)?;
    // Once the first is gone the wish is granted, without another word.
    world.spec.manifests.remove("first.json")?;
    soon(|| by(&world.a(2).name))?;
    soon(|| {
        let problems = &world.spec.status()?["problems"];
        ensure!(*problems == json!([]), "{problems}");
        Ok(())
    })
}

#[test]
fn rule_1_6_9_and_7_2_7_a_health_check_port_is_given_and_answers_until_it_has_no_use() -> Result<()>
{
    let world = World::builder().build()?;
    let local = json!({
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",
        "allocateLoadBalancerNodePorts": false,
    });
    world.put_objects("auto", &bare("auto", &local, &[Ep::of(world.a(1))])?)?;
    let file = world.scene.dir("nodea/state")?.join("allocations.json");
    let content: Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
    let number = content["services"][0]["healthCheckNodePort"]
        .as_u64()
        .context("no number")?;
    let to = SocketAddr::new(world.node_address(false), u16::try_from(number)?);
    let answer = || -> Result<String> {
        world.scene.client.run(|| {
            let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(5))?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(b"GET / HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            Ok(text)
        })
    };
    let text = soon(answer)?;
    ensure!(
        text.starts_with("HTTP/1.1 200") && text.contains("\"auto\""),
        "{text}"
    );
    ensure!(given(&world.spec, "auto")?["IPv4"].node_port == 0);
    let cluster = json!({ "type": "LoadBalancer", "allocateLoadBalancerNodePorts": false });
    world.put_objects("auto", &bare("auto", &cluster, &[Ep::of(world.a(1))])?)?;
    // Rule 1.6.12: nobody listens on a port that was let go.
    soon(|| {
        ensure!(answer().is_err(), "still open");
        Ok(())
    })
}

#[test]
fn rule_1_6_12_and_7_3_2_an_address_that_is_let_go_is_given_to_who_waits() -> Result<()> {
    let pool = "198.51.100.200";
    let world = World::builder().args(&["--lb-pool", pool]).build()?;
    let balancer = json!({ "type": "LoadBalancer" });
    world.put_objects("first", &bare("first", &balancer, &[Ep::of(world.a(1))])?)?;
    world.put_objects("second", &bare("second", &balancer, &[Ep::of(world.a(2))])?)?;
    // Rule 7.2.9: who waits has the rest.
    let waiting = given(&world.spec, "second")?["IPv4"].clone();
    ensure!(
        waiting.balancer_ip.is_none() && waiting.node_port != 0,
        "{waiting:?}"
    );
    let problems = world.spec.status()?["problems"].to_string();
    ensure!(
        problems.contains("no address is left in --lb-pool"),
        "{problems}"
    );
    let to: SocketAddr = (pool.parse::<IpAddr>()?, SERVICE_PORT).into();
    let by = |pod: &str| -> Result<()> {
        let answer = world.scene.client.run(|| ask(Proto::Tcp, to))?;
        ensure!(answer.backend == pod, "{answer:?}");
        Ok(())
    };
    by(&world.a(1).name)?;
    // Rule 7.3.6: another type is as good as none.
    let internal = bare(
        "first",
        &json!({ "type": "ClusterIP" }),
        &[Ep::of(world.a(1))],
    )?;
    world.put_objects("first", &internal)?;
    soon(|| by(&world.a(2).name))?;
    let after = given(&world.spec, "second")?["IPv4"].clone();
    ensure!(after.cluster_ip == waiting.cluster_ip && after.node_port == waiting.node_port);
    Ok(())
}

#[test]
fn rule_7_1_11_a_damaged_file_ends_the_start_and_a_lost_one_never_gives_out_what_is_served()
-> Result<()> {
    let mut world = World::builder().args(&["--lb-pool", POOLS]).build()?;
    let pods = &world.scene.a.pods;
    let balancer = json!({ "type": "LoadBalancer" });
    world.put_objects("auto", &bare("auto", &balancer, &[Ep::of(&pods[0])])?)?;
    let before = given(&world.spec, "auto")?;
    let file = world.scene.dir("nodea/state")?.join("allocations.json");
    let text = fs::read_to_string(&file).context("the agent's file")?;
    world.kill_agent()?;
    let pods = &world.scene.a.pods;

    fs::write(&file, &text[..text.len() / 2])?;
    let output = world.spec.command().output()?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(
        output.status.code() == Some(1) && said.lines().count() == 1,
        "{said}"
    );
    ensure!(
        said.contains("allocations.json is damaged (") && said.contains("delete it"),
        "{said}"
    );
    // The data path does not mind.
    all_are_served(&callers(&world.scene, &before)?, &pods[0].name)?;

    fs::remove_file(&file)?;
    let _again = world.spec.start()?;
    let after = given(&world.spec, "auto")?;
    let (old, new) = (&before["IPv4"], &after["IPv4"]);
    ensure!(
        old.cluster_ip != new.cluster_ip
            && old.node_port != new.node_port
            && old.balancer_ip != new.balancer_ip,
        "{old:?}, then {new:?}"
    );
    all_are_served(&callers(&world.scene, &after)?, &pods[0].name)
}

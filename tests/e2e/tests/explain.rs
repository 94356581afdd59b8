//! `tidegate explain` on a real node: what it says of a packet is what becomes of the connection, and saying
//! it leaves no trace.

use std::{
    io::{Read as _, Write as _},
    net::SocketAddr,
    os::unix::net::UnixStream,
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tidegate_e2e::{Ep, Outcome, Proto, Shared, Svc, World, ask_from, dial, probe, soon};
use tidegate_rig::{Netns, output_of};

static WORLD: Shared = Shared::new(|| World::builder().build());

fn explain(world: &World, args: &[&str]) -> Command {
    world.spec.cli(["explain"].iter().chain(args).copied())
}

/// What is said of a packet.
fn told(
    world: &World,
    from: SocketAddr,
    to: SocketAddr,
    proto: Proto,
    more: &[&str],
) -> Result<Value> {
    let proto = if proto == Proto::Tcp { "tcp" } else { "udp" };
    let (from, to) = (from.to_string(), format!("{to}/{proto}"));
    let args = ["--from", &from, "--to", &to, "-o", "json"];
    let text = output_of(&mut explain(world, &[&args, more].concat()))?;
    serde_json::from_str(&text).with_context(|| format!("not JSON: {text}"))
}

fn address(told: &Value, of: &str, field: &str) -> Result<SocketAddr> {
    let text = told[of][field].as_str();
    let text = text.with_context(|| format!("no {of}.{field} in {told}"))?;
    Ok(text.parse()?)
}

/// The pod that has an address.
fn pod_at(world: &World, at: SocketAddr) -> Result<String> {
    let mut pods = world.scene.pods();
    let pod = pods.find(|pod| pod.addresses().contains(&at.ip()));
    Ok(pod
        .with_context(|| format!("no pod has {at}"))?
        .name
        .clone())
}

/// How often packets ended so, and the flows of a Service.
fn traces(world: &World, service: &str) -> Result<(u64, u64, usize)> {
    let flows = world.spec.get("flows")?;
    let flows = flows["items"].as_array().into_iter().flatten();
    let refused = world.counted("no_endpoints")?;
    let opened = world.counted("new_flow")?;
    let of_service = flows.filter(|flow| flow["service"] == service);
    Ok((refused, opened, of_service.count()))
}

/// Explains, then dials from the very port, and compares who answered and whom the backend saw.
fn holds(
    world: &World,
    from: &Netns,
    client: SocketAddr,
    to: SocketAddr,
    proto: Proto,
) -> Result<Value> {
    let told = told(world, client, to, proto, &[])?;
    ensure!(told["verdict"]["reason"] == "new_flow", "{told}");
    let backend = pod_at(world, address(&told, "backend", "address")?)?;
    let answer = from.run(|| ask_from(proto, client.port(), to));
    let answer = answer.with_context(|| format!("{client} to {to}, {told}"))?;
    ensure!(
        answer.backend == backend,
        "{} answered, {told}",
        answer.backend
    );
    let seen = address(&told, "after", "from")?;
    ensure!(answer.seen_as == seen, "seen as {}, {told}", answer.seen_as);
    Ok(told)
}

#[test]
fn a_connection_goes_where_the_explanation_says() -> Result<()> {
    let world = WORLD.borrow()?;
    let svc = Svc::new("explained", 11);
    world.put(&svc, &Ep::all(world.scene.pods()))?;
    for v6 in [false, true] {
        let (pod, index) = (world.a(1), usize::from(v6));
        for proto in Proto::BOTH {
            for port in 42_000..42_008 {
                let from_pod = SocketAddr::new(pod.addresses()[index], port);
                let told = holds(&world, &pod.ns, from_pod, svc.cluster(v6), proto)?;
                ensure!(told["device"]["role"] == "pod", "{told}");
                ensure!(told["service"]["name"] == "explained", "{told}");
                let outside = SocketAddr::new(world.client_address(v6), port);
                let at = svc.node_port(world.node_address(v6));
                let told = holds(&world, &world.scene.client, outside, at, proto)?;
                ensure!(told["device"]["name"] == "eth0", "{told}");
                let is_local = told["backend"]["nodeLocal"] == true;
                ensure!(told["masqueraded"] == !is_local, "{told}");
            }
        }
    }
    world.remove(&svc)
}

#[test]
fn with_xdp_both_programs_are_told() -> Result<()> {
    let world = World::builder().pods(1, 1).xdp().build()?;
    let svc = Svc::new("express", 11);
    world.put(&svc, &Ep::all(world.scene.pods()))?;
    let to = svc.node_port(world.node_address(false));
    let mut doors = std::collections::BTreeSet::new();
    for port in 42_000..42_016 {
        let client = SocketAddr::new(world.client_address(false), port);
        let told = told(&world, client, to, Proto::Tcp, &[])?;
        let stages = told["steps"].as_array().into_iter().flatten();
        let by_xdp = stages.clone().any(|step| step["stage"] == "xdp");
        ensure!(by_xdp, "{told}");
        let backend = pod_at(&world, address(&told, "backend", "address")?)?;
        let answer = world.scene.client.run(|| ask_from(Proto::Tcp, port, to))?;
        ensure!(
            answer.backend == backend,
            "{} answered, {told}",
            answer.backend
        );
        let seen = address(&told, "after", "from")?;
        ensure!(answer.seen_as == seen, "seen as {}, {told}", answer.seen_as);
        doors.insert(told["door"]["kind"].to_string());
    }
    // The backend elsewhere by XDP at once, the one here by tc.
    ensure!(doors.contains("\"transmit\""), "{doors:?}");
    ensure!(doors.contains("\"peer\""), "{doors:?}");
    Ok(())
}

#[test]
fn an_explanation_leaves_no_trace() -> Result<()> {
    let world = WORLD.borrow()?;
    let (svc, empty) = (
        Svc::new("traceless", 12).affinity(600),
        Svc::new("nobody", 13),
    );
    world.put(&svc, &Ep::all(world.scene.pods()))?;
    world.put(&empty, &[])?;
    let client = SocketAddr::new(world.client_address(false), 43_000);
    let at = |svc: &Svc| svc.node_port(world.node_address(false));
    let before = traces(&world, &svc.name)?;
    let new = told(&world, client, at(&svc), Proto::Tcp, &[])?;
    ensure!(new["confirmation"]["outcome"] == "notTried", "{new}");
    let refused = told(&world, client, at(&empty), Proto::Tcp, &[])?;
    ensure!(refused["verdict"]["reason"] == "no_endpoints", "{refused}");
    ensure!(
        refused["confirmation"]["outcome"] == "confirmed",
        "{refused}"
    );
    let after = traces(&world, &svc.name)?;
    ensure!(before == after, "{before:?} became {after:?}");
    let outcome = probe(&world.scene.client, Proto::Tcp, at(&empty));
    ensure!(outcome == Outcome::Refused, "{outcome:?}");
    // A real packet does leave one.
    let real = traces(&world, &svc.name)?;
    ensure!(real.0 > after.0, "{after:?} became {real:?}");
    world.remove(&svc)?;
    world.remove(&empty)
}

#[test]
fn a_living_connection_is_known_and_goes_on() -> Result<()> {
    let world = WORLD.borrow()?;
    let svc = Svc::new("living", 14);
    world.put(&svc, &Ep::all([world.b(1)]))?;
    let to = svc.node_port(world.node_address(false));
    let client = SocketAddr::new(world.client_address(false), 44_000);
    let mut stream = world.scene.client.run(|| dial(client.port(), to))?;
    // A run changes nothing unless the flow's records are due; then it would note the time.
    soon(|| {
        stream.write_all(b"tide")?;
        let known = told(&world, client, to, Proto::Tcp, &["--flags", "ack"])?;
        ensure!(known["verdict"]["reason"] == "known_flow", "{known}");
        ensure!(known["backend"]["nodeName"] == "nodeb", "{known}");
        ensure!(known["confirmation"]["outcome"] == "confirmed", "{known}");
        Ok(())
    })?;
    drop(stream);
    world.remove(&svc)
}

#[test]
fn a_process_of_the_host_is_told_its_backend() -> Result<()> {
    let world = WORLD.borrow()?;
    let svc = Svc::internal("hosted", 15);
    world.put(&svc, &Ep::all([world.b(2)]))?;
    let to = format!("{}/tcp", svc.cluster(false));
    let args = ["--from-host", "--to", &to, "-o", "json"];
    let told: Value = serde_json::from_str(&output_of(&mut explain(&world, &args))?)?;
    ensure!(told["verdict"]["reason"] == "socket_translated", "{told}");
    let said = pod_at(&world, address(&told, "backend", "address")?)?;
    let outcome = probe(&world.scene.a.ns, Proto::Tcp, svc.cluster(false));
    ensure!(outcome.is_from(&said), "{outcome:?}, {told}");
    world.remove(&svc)
}

#[test]
fn a_ping_is_explained_too() -> Result<()> {
    let world = WORLD.borrow()?;
    let svc = Svc::internal("pinged", 16);
    world.put(&svc, &Ep::all([world.a(1)]))?;
    let (from, to) = (
        world.a(2).addresses()[0].to_string(),
        format!("{}/icmp", svc.cluster(false).ip()),
    );
    let args = ["--from", &from, "--to", &to, "-o", "yaml"];
    let text = output_of(&mut explain(&world, &args))?;
    ensure!(text.contains("reason: ping_answered"), "{text}");
    ensure!(text.contains("outcome: confirmed"), "{text}");
    world.remove(&svc)
}

#[test]
fn bad_input_is_one_line_and_exit_code_2() -> Result<()> {
    let world = WORLD.borrow()?;
    let wrong: [&[&str]; 5] = [
        &["--from", "10.244.0.5", "--to", "10.96.0.1:80/tcp"],
        &["--from", "10.244.0.5:1", "--to", "10.96.0.1:80"],
        &["--from", "10.244.0.5:1", "--to", "10.96.0.1:80/quic"],
        &["--from", "10.244.0.5:1", "--to", "[fd00::1]:80/tcp"],
        &[
            "--from",
            "10.244.0.5:1",
            "--to",
            "10.96.0.1:80/udp",
            "--flags",
            "syn",
        ],
    ];
    for args in wrong {
        let output = explain(&world, args).output()?;
        let said = String::from_utf8(output.stderr)?;
        ensure!(output.status.code() == Some(2), "{args:?}: {said}");
        ensure!(said.lines().count() == 1, "{args:?}: {said}");
    }
    Ok(())
}

#[test]
fn an_unknown_device_is_exit_code_1_and_the_others_are_named() -> Result<()> {
    let world = WORLD.borrow()?;
    let args = [
        "--from",
        "192.168.1.10:1",
        "--to",
        "10.96.0.1:80/tcp",
        "--device",
        "eth9",
    ];
    let output = explain(&world, &args).output()?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(1), "{said}");
    let names_both = said.contains("eth9") && said.contains("attached: ") && said.contains("eth0");
    ensure!(names_both && said.lines().count() == 1, "{said}");
    Ok(())
}

#[test]
fn text_is_for_people_and_starts_with_the_packet() -> Result<()> {
    let world = WORLD.borrow()?;
    let svc = Svc::internal("readable", 17);
    world.put(&svc, &Ep::all([world.b(1)]))?;
    let (from, to) = (
        SocketAddr::new(world.a(1).addresses()[0], 45_000).to_string(),
        format!("{}/tcp", svc.cluster(false)),
    );
    let text = output_of(&mut explain(&world, &["--from", &from, "--to", &to]))?;
    println!("{text}");
    let line = |begin: &str| text.lines().any(|line| line.starts_with(begin));
    ensure!(
        line(&format!("TCP SYN {from} > {}", svc.cluster(false))),
        "{text}"
    );
    let steps = [
        "frontend", "firewall", "policy", "affinity", "slot", "backend", "rewrite", "door",
    ];
    for step in steps {
        ensure!(line(step), "no {step}: {text}");
    }
    ensure!(text.contains("default/readable:tcp"), "{text}");
    world.remove(&svc)
}

/// What the API answers to a body: its status line.
fn post(world: &World, body: &str) -> Result<String> {
    let command = world.spec.cli([]);
    let socket = command.get_args().last().context("no --api")?;
    let mut stream = UnixStream::connect(socket)?;
    let length = body.len();
    write!(
        stream,
        "POST /v1/explain HTTP/1.1\r\nHost: tidegate\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    let _bytes = stream.read_to_string(&mut answer)?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

#[test]
fn the_api_refuses_what_is_no_packet() -> Result<()> {
    let world = WORLD.borrow()?;
    let right = r#"{"from":"10.244.0.2:1","to":"10.96.0.1:80","proto":"TCP"}"#;
    ensure!(post(&world, right)?.contains(" 200 "), "{right}");
    let wrong = [
        "",
        "{}",
        "[1, 2",
        r#"{"from":"nobody","to":"10.96.0.1:80","proto":"TCP"}"#,
        r#"{"from":"10.244.0.2:1","to":"10.96.0.1:80","proto":"QUIC"}"#,
        r#"{"from":"10.244.0.2:1","to":"[fd00::1]:80","proto":"TCP"}"#,
        r#"{"from":"10.244.0.2:1","to":"10.96.0.1:80","proto":"TCP","form":1}"#,
        r#"{"to":"10.96.0.1:80","proto":"TCP"}"#,
        r#"{"to":"10.96.0.1:80","proto":"ICMP","fromHost":true}"#,
        r#"{"from":"10.244.0.2:1","to":"10.96.0.1:80","proto":"TCP","device":"eth9"}"#,
    ];
    for body in wrong {
        let status = post(&world, body)?;
        ensure!(status.starts_with("HTTP/1.1 4"), "{body}: {status}");
    }
    Ok(())
}

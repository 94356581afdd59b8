//! Where the port is, and what stands in its way.

use std::net::{SocketAddr, TcpListener};

use anyhow::{Result, ensure};
use tidegate_e2e::{Ep, Proto, Svc, World, ask, soon};

use crate::scrape::{DEFAULT, get, scrape};

#[test]
fn a_port_that_is_taken_is_a_problem_until_it_is_free_and_traffic_flows() -> Result<()> {
    let mut world = World::builder().pods(1, 0).no_agent().build()?;
    let node = world.scene.a.ns.clone();
    let taken = node.run(|| TcpListener::bind(SocketAddr::from(DEFAULT)))?;
    world.replace_agent()?;
    let svc = Svc::new("taken", 11);
    world.put(&svc, &[Ep::of(world.a(1))])?;
    let problem = "cannot listen at --metrics-address 127.0.0.1:10249: Address already in use";
    let problems = || -> Result<String> { Ok(world.spec.status()?["problems"].to_string()) };
    ensure!(problems()?.contains(problem), "{}", problems()?);
    let to = svc.node_port(world.node_address(false));
    ensure!(world.scene.client.run(|| ask(Proto::Tcp, to))?.backend == world.a(1).name);
    drop(taken);
    soon(|| {
        let mode = get(&node, DEFAULT, "/proxyMode", "*/*")?;
        ensure!(mode.body == "tidegate", "{mode:?}");
        ensure!(!problems()?.contains(problem), "{}", problems()?);
        Ok(())
    })?;
    // What happened before the port was open is not lost.
    ensure!(scrape(&node)?.of("taken", "TCP", "IPv4")?.opened == 1.0);
    Ok(())
}

#[test]
fn the_port_is_where_the_flag_says_or_nowhere() -> Result<()> {
    let mut world = World::builder()
        .pods(1, 0)
        .args(&[
            "--metrics-address",
            "0.0.0.0:9249",
            "--metrics-series-max",
            "0",
        ])
        .build()?;
    world.put(&Svc::new("where", 11), &[Ep::of(world.a(1))])?;
    for v6 in [false, true] {
        let page = get(
            &world.scene.client,
            (world.node_address(v6), 9249),
            "/metrics",
            "*/*",
        )?;
        ensure!(
            page.status == 200 && page.body.contains("service=\"where\""),
            "{page:?}"
        );
        ensure!(!page.body.contains("address=\""), "backends have series");
        let left_out = "tidegate_left_out{kind=\"backend\",flag=\"metrics-series-max\"} 4\n";
        ensure!(page.body.contains(left_out), "{}", page.body);
    }
    ensure!(get(&world.scene.a.ns, DEFAULT, "/proxyMode", "*/*").is_err());
    world.kill_agent()?;
    let off = tidegate_rig::AgentSpec::new(&world.scene, &world.scene.a)?
        .args(["--metrics-address", "off"]);
    let _agent = off.start()?;
    ensure!(get(&world.scene.a.ns, DEFAULT, "/proxyMode", "*/*").is_err());
    ensure!(
        !off.status()?["problems"]
            .to_string()
            .contains("--metrics-address")
    );
    Ok(())
}

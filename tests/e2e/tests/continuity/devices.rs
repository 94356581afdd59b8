//! The uplink goes down and up, goes away and comes back as another device, and the node gets another address.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Ep, Proto, Svc, World, ask, ask_many, soon};
use tidegate_rig::{link, mac_of};

use crate::crashes::Flow;

const OTHER: &str = "192.168.1.22";

fn served(world: &World, to: SocketAddr) -> Result<()> {
    soon(|| world.scene.client.run(|| ask(Proto::Tcp, to)).map(drop))
}

#[test]
fn rule_5_1_8_flows_live_on_when_the_uplink_goes_down_and_up() -> Result<()> {
    let world = World::builder().build()?;
    let svc = Svc::new("web", 1);
    world.put(&svc, &[Ep::of(world.a(1)), Ep::of(world.b(1))])?;
    let to = svc.node_port(world.node_address(false));
    let mut flows = (0..6)
        .map(|_| Flow::open(&world.scene.client, to))
        .collect::<Result<Vec<_>>>()?;
    let node = &world.scene.a.ns;
    // Routes by this device go with it, and come back as whoever configures the node wants it.
    let routes = node.sh("ip route show dev eth0")?;
    node.ip("link set eth0 down")?;
    ensure!(
        world.scene.client.run(|| ask(Proto::Udp, to)).is_err(),
        "not down"
    );
    node.ip("link set eth0 up")?;
    for route in routes.lines().filter(|it| it.contains("via")) {
        node.ip(&format!("route replace {} dev eth0", route.trim()))?;
    }
    served(&world, to)?;
    flows.iter_mut().try_for_each(Flow::goes_on)?;
    let _answers = world.scene.client.run(|| ask_many(Proto::Tcp, to, 20))?;
    Ok(())
}

#[test]
fn an_uplink_that_comes_back_with_another_index_is_attached_and_its_flows_live_on() -> Result<()> {
    let world = World::builder().build()?;
    let svc = Svc::new("web", 1);
    world.put(&svc, &[Ep::of(world.a(1))])?;
    let to = svc.node_port(world.node_address(false));
    let mut flow = Flow::open(&world.scene.client, to)?;
    let scene = &world.scene;
    let node = &scene.a.ns;
    let mac = mac_of(node, "eth0")?
        .map(|byte| format!("{byte:02x}"))
        .join(":");
    let before = std::fs::read_dir(world.spec.pins.join("v1/links"))?.count();
    node.ip("link del eth0")?;
    link(node, "eth0", &scene.lan, "again")?;
    node.ip(&format!(
        "link set eth0 address {mac}\n\
         addr add 192.168.1.2/24 dev eth0\n\
         addr add fd00:1::2/64 dev eth0 nodad"
    ))?;
    scene.lan.ip("link set again master br0")?;
    served(&world, to)?;
    flow.goes_on()?;
    soon(|| {
        let now = std::fs::read_dir(world.spec.pins.join("v1/links"))?.count();
        ensure!(now == before, "{before} links, then {now}");
        Ok(())
    })
}

#[test]
fn rule_3_5_5_node_ports_and_the_masquerade_address_follow_the_address_of_the_node() -> Result<()> {
    let world = World::builder().build()?;
    let svc = Svc::new("far", 1);
    world.put(&svc, &[Ep::of(world.b(1))])?;
    let (client, node) = (&world.scene.client, &world.scene.a.ns);
    let old = svc.node_port(world.node_address(false));
    let answer = client.run(|| ask(Proto::Tcp, old))?;
    ensure!(
        answer.seen_as.ip() == world.node_address(false),
        "{answer:?}"
    );
    let routes = node.sh("ip route show")?;
    node.ip(&format!(
        "addr del 192.168.1.2/24 dev eth0\naddr add {OTHER}/24 dev eth0"
    ))?;
    for route in routes
        .lines()
        .filter(|it| it.contains("via") && it.contains("eth0"))
    {
        node.ip(&format!("route replace {}", route.trim()))?;
    }
    // Who sends to pods behind this node knows its new address, too.
    for machine in [client, &world.scene.b.ns] {
        let routes = machine.sh("ip route show via 192.168.1.2")?;
        for route in routes.lines() {
            let target = route.split(' ').next().context("an empty line")?;
            machine.ip(&format!("route replace {target} via {OTHER} dev eth0"))?;
        }
    }
    let ip: IpAddr = OTHER.parse()?;
    let new = svc.node_port(ip);
    served(&world, new)?;
    let answer = client.run(|| ask(Proto::Tcp, new))?;
    ensure!(
        answer.seen_as.ip() == ip,
        "masqueraded to the old address: {answer:?}"
    );
    let old = old.to_string();
    let shown = world.frontends()?;
    let at_old = shown.iter().any(|row| {
        let (address, port) = (row["address"].as_str(), row["port"].as_u64());
        format!("{}:{}", address.unwrap_or_default(), port.unwrap_or(0)) == old
    });
    ensure!(!at_old, "{old} is still a frontend");
    Ok(())
}

//! `--nodeport-addresses`: the default, `all`, and blocks; and addresses that come and go.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context as _, Result};
use tidegate_e2e::{Ep, Proto, Svc, World, refused, served_by, soon};

use crate::world;

/// The node's addresses: the primary ones, a second one of the uplink, and one of another device.
pub(crate) const ADDRESSES: [&str; 5] = [
    "192.168.1.2",
    "fd00:1::2",
    "192.168.1.22",
    "fd00:1::22",
    "10.244.0.1",
];

/// Gives the node more addresses than its primary ones, and the client the way there.
pub(crate) fn add_more(world: &World) -> Result<()> {
    world.scene.a.ns.ip(
        "addr add 192.168.1.22/24 dev eth0\naddr add fd00:1::22/64 dev eth0 nodad\n\
         link add gateway type bridge\nlink set gateway up\naddr add 10.244.0.1/32 dev gateway",
    )?;
    let route = format!("route add 10.244.0.1/32 via {}", world.scene.a.v4);
    world.scene.client.ip(&route)
}

/// The NodePort answers on these addresses, and on the others the node itself does.
fn answers_on(world: &World, svc: &Svc, open: &[&str]) -> Result<()> {
    let pods = [world.a(1).name.as_str()];
    for address in ADDRESSES {
        let to = svc.node_port(address.parse::<IpAddr>()?);
        for proto in Proto::BOTH {
            for from in [&world.scene.client, &world.a(2).ns] {
                if open.contains(&address) {
                    served_by(from, proto, to, &pods)?;
                } else {
                    refused(from, proto, to)?;
                }
            }
        }
    }
    Ok(())
}

fn with(args: &[&str], open: &[&str]) -> Result<()> {
    let args = [&["--nodeport-addresses"], args].concat();
    let world = World::builder().pods(2, 0).args(&args).build()?;
    add_more(&world)?;
    let svc = Svc::new("where", 1);
    world.put(&svc, &[Ep::of(world.a(1))])?;
    // The agent hears of addresses in its own time.
    soon(|| answers_on(&world, &svc, open)).with_context(|| format!("{args:?}"))?;
    on_the_loopback(&world, &svc)
}

/// Decision 7: the loopback goes through the socket hook, whatever the addresses.
fn on_the_loopback(world: &World, svc: &Svc) -> Result<()> {
    for loopback in [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        Ipv6Addr::LOCALHOST.into(),
    ] {
        for proto in Proto::BOTH {
            let to = svc.node_port(loopback);
            served_by(&world.scene.a.ns, proto, to, &[&world.a(1).name])?;
        }
    }
    Ok(())
}

#[test]
fn rule_3_5_2_node_ports_answer_on_the_primary_addresses_by_default() -> Result<()> {
    with(&["primary"], &["192.168.1.2", "fd00:1::2"])
}

#[test]
fn rule_3_5_3_and_3_5_6_node_ports_answer_in_the_given_blocks_only() -> Result<()> {
    with(
        &["192.168.1.22/32,fd00:1::/64"],
        &["192.168.1.22", "fd00:1::2", "fd00:1::22"],
    )
}

#[test]
fn rule_3_5_3_a_family_without_a_block_answers_everywhere() -> Result<()> {
    with(
        &["fd00:1::22/128"],
        &["192.168.1.2", "192.168.1.22", "10.244.0.1", "fd00:1::22"],
    )
}

#[test]
fn rule_3_5_4_a_block_of_all_addresses_outweighs_the_others() -> Result<()> {
    with(&["0.0.0.0/0,192.168.1.22/32,::/0"], &ADDRESSES)
}

#[test]
fn rule_3_5_1_and_3_5_12_all_means_every_address() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("everywhere", 2);
    world.put(&svc, &[Ep::of(world.a(1))])?;
    soon(|| answers_on(&world, &svc, &ADDRESSES))?;
    on_the_loopback(&world, &svc)
}

#[test]
fn rule_3_5_5_node_ports_follow_addresses_that_come_and_go() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("following", 3);
    world.put(&svc, &[Ep::of(world.a(1))])?;
    let pods = [world.a(1).name.as_str()];
    for (add, del, address) in [
        (
            "addr add 192.168.1.23/24 dev eth0",
            "addr del 192.168.1.23/24 dev eth0",
            "192.168.1.23",
        ),
        (
            "addr add fd00:1::23/64 dev eth0 nodad",
            "addr del fd00:1::23/64 dev eth0",
            "fd00:1::23",
        ),
    ] {
        let to = svc.node_port(address.parse::<IpAddr>()?);
        for _ in 0..2 {
            world.scene.a.ns.ip(add)?;
            soon(|| served_by(&world.scene.client, Proto::Tcp, to, &pods)).context(add)?;
            served_by(&world.scene.client, Proto::Udp, to, &pods)?;
            world.scene.a.ns.ip(del)?;
            soon(|| {
                let frontends = world.frontends()?;
                let listed = frontends.iter().any(|row| row["address"] == address);
                anyhow::ensure!(!listed, "{address} is still a frontend");
                Ok(())
            })?;
        }
    }
    Ok(())
}

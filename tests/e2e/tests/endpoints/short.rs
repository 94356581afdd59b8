//! Policy Local binds strangers: pods and the node itself reach the whole cluster (2.3.4 to 2.3.6).

use anyhow::{Result, bail, ensure};
use tidegate_e2e::{Ep, Outcome, Proto, Svc, probe, silent};

use crate::world;

#[test]
fn rule_2_3_4_and_2_3_5_and_2_3_6_pods_and_the_node_are_short_circuited_to_another_node()
-> Result<()> {
    let world = world()?;
    let svc = Svc::new("short", 51)
        .with_vip()
        .with_external_ip()
        .external_policy("Local");
    let b1 = world.b(1);
    world.put(&svc, &[Ep::of(b1)])?;
    for v6 in [false, true] {
        let node = world.node_address(v6);
        let pod = world.a(2).addresses()[usize::from(v6)];
        for to in [svc.vip(v6), svc.external(v6), svc.node_port(node)] {
            for proto in Proto::BOTH {
                for (from, source) in [(&world.a(2).ns, pod), (&world.scene.a.ns, node)] {
                    let outcome = probe(from, proto, to);
                    let Outcome::Answered(answer) = &outcome else {
                        bail!("{proto:?} {} to {to}: {outcome:?}", from.name());
                    };
                    let seen = answer.seen_as.ip().to_canonical();
                    ensure!(
                        seen == source && answer.backend == b1.name,
                        "{to}: {answer:?}"
                    );
                }
                silent(&world.scene.client, proto, to)?;
            }
        }
    }
    Ok(())
}

#[test]
fn rule_2_3_3_the_external_policy_of_a_service_without_external_frontends_is_nothing() -> Result<()>
{
    let world = world()?;
    let svc = Svc::internal("inside", 52).external_policy("Local");
    let b1 = world.b(1);
    world.put(&svc, &[Ep::of(b1)])?;
    for proto in Proto::BOTH {
        tidegate_e2e::served_by(&world.a(2).ns, proto, svc.cluster(false), &[&b1.name])?;
        tidegate_e2e::served_by(&world.scene.a.ns, proto, svc.cluster(true), &[&b1.name])?;
    }
    Ok(())
}

#[test]
fn rule_3_1_2_a_host_socket_keeps_the_source_that_it_is_bound_to() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("bound", 53);
    let second = "192.168.1.22";
    world
        .scene
        .a
        .ns
        .ip(&format!("addr add {second}/24 dev eth0"))?;
    for pod in [world.b(1), world.a(1)] {
        world.put(&svc, &[Ep::of(pod)])?;
        let outcome = world.scene.a.ns.run(|| bound(second, svc.cluster(false)));
        let seen = outcome?;
        ensure!(
            seen.starts_with(&format!("{} saw {second}:", pod.name)),
            "{seen}"
        );
    }
    world
        .scene
        .a
        .ns
        .ip(&format!("addr del {second}/24 dev eth0"))
}

/// The greeting that a socket bound to `own` hears.
fn bound(own: &str, to: std::net::SocketAddr) -> Result<String> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    let own: std::net::SocketAddr = format!("{own}:0").parse()?;
    socket.bind(&own.into())?;
    socket.connect_timeout(&to.into(), std::time::Duration::from_secs(5))?;
    let mut line = String::new();
    let stream: std::net::TcpStream = socket.into();
    let _length = std::io::BufRead::read_line(&mut std::io::BufReader::new(stream), &mut line)?;
    Ok(line)
}

//! Load-balancer addresses that are ours (`ipMode: VIP`) and those that are not.

use std::io::{Read as _, Write as _};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tidegate_e2e::{Ep, Proto, Svc, World, dial, served_by, silent};
use tidegate_rig::Capture;

use crate::world;

#[test]
fn rule_3_7_1_and_3_7_2_and_3_7_4_a_change_of_ip_mode_moves_new_connections_only() -> Result<()> {
    let world = world()?;
    let (vip, proxy) = (
        Svc::new("mode", 21).with_vip(),
        Svc::new("mode", 21).with_vip_mode("Proxy"),
    );
    let a1 = world.a(1);
    world.put(&vip, &[Ep::of(a1)])?;
    let mut kept = world.a(2).ns.run(|| dial(0, vip.vip(false)))?;
    let _greeting = kept.read(&mut [0; 256])?;
    world.put(&proxy, &[Ep::of(a1)])?;
    leaves_untouched(&world, &proxy)?;
    for proto in Proto::BOTH {
        // NodePort and clusterIP are as before.
        let node_port = proxy.node_port(world.node_address(true));
        served_by(&world.scene.client, proto, node_port, &[&a1.name])?;
        served_by(&world.a(2).ns, proto, proxy.cluster(false), &[&a1.name])?;
    }
    kept.write_all(b"still")
        .context("the established connection")?;
    kept.read_exact(&mut [0; 5])
        .context("the established connection")?;
    world.put(&vip, &[Ep::of(a1)])?;
    for v6 in [false, true] {
        for from in [&world.a(2).ns, &world.scene.client, &world.scene.a.ns] {
            served_by(from, Proto::Tcp, vip.vip(v6), &[&a1.name])?;
        }
    }
    Ok(())
}

/// What a pod sends to the address goes out by the uplink as it is.
fn leaves_untouched(world: &World, svc: &Svc) -> Result<()> {
    let node = &world.scene.a.ns;
    let filter = format!(
        "host {} or host {}",
        svc.vip(false).ip(),
        svc.vip(true).ip()
    );
    let capture = Capture::start(&world.scene, node, "eth0", &filter)?;
    for v6 in [false, true] {
        silent(&world.a(2).ns, Proto::Udp, svc.vip(v6))?;
    }
    let packets = capture.finish()?;
    for v6 in [false, true] {
        let (pod, vip) = (world.a(2).addresses()[usize::from(v6)], svc.vip(v6));
        let (pod, vip) = (format!("{pod}."), format!("> {}.{}", vip.ip(), vip.port()));
        let seen = packets
            .iter()
            .any(|it| it.contains(&pod) && it.contains(&vip));
        ensure!(seen, "no packet from {pod} {vip}: {packets:#?}");
    }
    Ok(())
}

#[test]
fn rule_3_7_3_a_host_name_is_no_address() -> Result<()> {
    let world = world()?;
    let mut svc = Svc::new("named-balancer", 22).spec("type", json!("LoadBalancer"));
    svc.object["status"] = json!({ "loadBalancer": { "ingress": [{ "hostname": "lb.test" }] } });
    world.put(&svc, &[Ep::of(world.a(1))])?;
    silent(&world.scene.client, Proto::Tcp, svc.vip(false))?;
    served_by(
        &world.a(2).ns,
        Proto::Tcp,
        svc.cluster(false),
        &[&world.a(1).name],
    )
}

#[test]
fn rule_1_1_8_every_address_of_the_status_in_mode_vip_is_served() -> Result<()> {
    let world = world()?;
    let mut svc = Svc::new("several", 23).spec("type", json!("LoadBalancer"));
    let (other, third) = (Svc::new("", 24), Svc::new("", 25));
    svc.object["status"] = json!({ "loadBalancer": { "ingress": [
        { "ip": svc.vip(false).ip() },
        { "ip": svc.vip(true).ip(), "ipMode": "VIP" },
        { "ip": other.vip(false).ip() },
        { "ip": third.vip(false).ip(), "ipMode": "Proxy" },
        { "hostname": "lb.test" },
    ] } });
    world.put(&svc, &[Ep::of(world.a(1))])?;
    for to in [svc.vip(false), svc.vip(true), other.vip(false)] {
        served_by(&world.scene.client, Proto::Udp, to, &[&world.a(1).name])?;
    }
    silent(&world.scene.client, Proto::Udp, third.vip(false))
}

#[test]
fn rule_1_7_3_an_external_ip_of_a_family_that_the_service_lacks_is_not_captured() -> Result<()> {
    let world = world()?;
    let mut svc = Svc::new("one-family", 26).with_vip().with_external_ip();
    let ip = svc.cluster(false).ip();
    svc = svc
        .spec("clusterIPs", json!([ip]))
        .spec("ipFamilies", json!(["IPv4"]));
    world.put(&svc, &[Ep::of(world.a(1))])?;
    for to in [
        svc.vip(false),
        svc.external(false),
        svc.node_port(world.node_address(false)),
    ] {
        served_by(&world.scene.client, Proto::Tcp, to, &[&world.a(1).name])?;
    }
    silent(&world.scene.client, Proto::Tcp, svc.external(true))?;
    silent(&world.scene.client, Proto::Tcp, svc.vip(true))?;
    let node_port = svc.node_port(world.node_address(true));
    let passed = world.counted("not_service")?;
    tidegate_e2e::refused(&world.scene.client, Proto::Tcp, node_port)?;
    ensure!(
        world.counted("not_service")? > passed,
        "the node did not answer itself"
    );
    Ok(())
}

#[test]
fn rule_1_7_1_the_families_of_a_service_do_not_influence_each_other() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("families", 27);
    let mut objects = svc.objects(&[Ep::of(world.a(1))]);
    // No IPv6 endpoints.
    objects[2]["endpoints"] = json!([]);
    world.put_objects(&svc.name, &objects)?;
    for proto in Proto::BOTH {
        served_by(
            &world.a(2).ns,
            proto,
            svc.cluster(false),
            &[&world.a(1).name],
        )?;
        tidegate_e2e::refused(&world.a(2).ns, proto, svc.cluster(true))?;
    }
    Ok(())
}

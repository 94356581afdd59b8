//! Every kind of client to every kind of backend.

use std::collections::HashMap;

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Answer, Proto, ServiceSpec, Setup, ask_many};
use tidegate_rig::Netns;

/// Connections of each kind; fewer on an emulated machine (`TIDEGATE_CONNECTIONS`).
fn each() -> usize {
    let given = std::env::var("TIDEGATE_CONNECTIONS").ok();
    given.and_then(|it| it.parse().ok()).unwrap_or(1000)
}

#[test]
fn every_client_reaches_every_backend_with_the_hooks_chosen() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    everybody_reaches_everything(&setup)
}

#[test]
fn every_client_reaches_every_backend_with_xdp_forced_and_offloads_off() -> Result<()> {
    let setup = Setup::new("xdp", false, &[])?;
    everybody_reaches_everything(&setup)?;
    let counted = setup.spec.status()?;
    ensure!(
        counted.to_string().contains("xdp (native)"),
        "XDP is not attached: {counted}"
    );
    Ok(())
}

#[test]
fn every_client_reaches_every_backend_with_filters_in_the_place_of_tcx() -> Result<()> {
    let setup = Setup::new("auto", true, &["--tcx=false"])?;
    everybody_reaches_everything(&setup)?;
    let status = setup.spec.status()?.to_string();
    ensure!(
        status.contains("clsact") && !status.contains("tcx"),
        "{status}"
    );
    Ok(())
}

/// Who dials, what, and how often the backend must see which source (table 3.1, decision 2).
fn everybody_reaches_everything(setup: &Setup) -> Result<()> {
    let (client, node) = (&setup.scene.client, &setup.scene.a.ns);
    let (own, other) = (&setup.scene.a.pods[0].ns, &setup.scene.a.pods[2].ns);
    for service in [Setup::LOCAL, Setup::REMOTE] {
        clients(setup, "pod to clusterIP", other, service, false)?;
        clients(setup, "pod to NodePort", other, service, true)?;
        clients(setup, "off-node client to NodePort", client, service, true)?;
        clients(setup, "host process to clusterIP", node, service, false)?;
        clients(setup, "host process to NodePort", node, service, true)?;
    }
    // 3.3.1: the only endpoint is the caller itself.
    clients(setup, "pod to its own service", own, Setup::LOCAL, false)?;
    clients(setup, "pod to its own NodePort", own, Setup::LOCAL, true)
}

fn clients(
    setup: &Setup,
    what: &str,
    from: &Netns,
    service: ServiceSpec,
    node_port: bool,
) -> Result<()> {
    for v6 in [false, true] {
        for proto in [Proto::Tcp, Proto::Udp] {
            let to = if node_port {
                service.node_port(setup, v6)
            } else {
                service.cluster(v6)
            };
            let answers = from
                .run(|| ask_many(proto, to, each()))
                .with_context(|| format!("{what}, {} backend", service.name))?;
            let expected = expected_source(setup, what, service, v6);
            if let Some(expected) = expected {
                let wrong = answers
                    .iter()
                    .find(|answer| answer.seen_as.ip().to_canonical() != expected);
                ensure!(
                    wrong.is_none(),
                    "{what}, {} backend: seen as {wrong:?}, not {expected}",
                    service.name
                );
            }
        }
    }
    Ok(())
}

/// The source that the backend must see; `None`: the kernel chooses.
fn expected_source(
    setup: &Setup,
    what: &str,
    service: ServiceSpec,
    v6: bool,
) -> Option<std::net::IpAddr> {
    let pick = |addresses: [std::net::IpAddr; 2]| addresses[usize::from(v6)];
    let node = pick(setup.scene.a.addresses());
    let pod = pick(setup.scene.a.pods[2].addresses());
    let client: std::net::IpAddr = if v6 {
        "fd00:1::10".parse().ok()?
    } else {
        "192.168.1.10".parse().ok()?
    };
    let remote = service.name == "remote";
    match what {
        "pod to clusterIP" => Some(pod),
        "pod to NodePort" => Some(if remote { node } else { pod }),
        "off-node client to NodePort" => Some(if remote { node } else { client }),
        "pod to its own service" | "pod to its own NodePort" => Some(node),
        _ => None,
    }
}

#[test]
fn rule_2_1_9_new_flows_spread_evenly_over_four_backends() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    for v6 in [false, true] {
        let to = Setup::SPREAD.node_port(&setup, v6);
        // Fixed source ports, so that the hash, and with it the result, is the same every time.
        let answers: Vec<Answer> = setup.scene.client.run(|| {
            (0..10_000)
                .map(|nth| tidegate_e2e::ask_from(Proto::Udp, 20_000 + nth, to))
                .collect::<Result<_>>()
        })?;
        let mut counts: HashMap<&str, u32> = HashMap::new();
        for answer in &answers {
            *counts.entry(&answer.backend).or_default() += 1;
        }
        ensure!(counts.len() == 4, "{counts:?}");
        for (pod, count) in &counts {
            ensure!(
                (2375..=2625).contains(count),
                "{pod} got {count} of 10,000: {counts:?}"
            );
        }
    }
    Ok(())
}

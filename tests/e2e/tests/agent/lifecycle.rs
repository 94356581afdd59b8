//! Start, news while it runs, and the friendly end.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tidegate_e2e::{Proto, Setup, ask, ask_many, dial};
use tidegate_rig::{Netns, link};

use crate::wait::soon;

/// A connection that has heard its greeting.
pub(crate) fn established(client: &Netns, to: SocketAddr) -> Result<TcpStream> {
    let mut stream = client.run(|| dial(0, to))?;
    let _greeting = stream.read(&mut [0; 256])?;
    Ok(stream)
}

/// Whether bytes still go there and come back.
pub(crate) fn goes_on(stream: &mut TcpStream) -> Result<()> {
    stream.write_all(b"still here").context("the old flow")?;
    let mut echo = [0; 10];
    stream.read_exact(&mut echo).context("the old flow")?;
    ensure!(&echo == b"still here", "the old flow: {echo:?}");
    Ok(())
}

#[test]
fn it_says_ready_once_ends_with_code_0_and_the_data_path_serves_on() -> Result<()> {
    for attach in ["auto", "xdp"] {
        let setup = Setup::new(attach, attach == "auto", &[])?;
        let said = setup.agent.output();
        let ready = said.lines().filter(|line| *line == "ready").count();
        ensure!(ready == 1, "{said}");
        let services = [Setup::LOCAL, Setup::REMOTE];
        let from_outside =
            [false, true].map(|v6| services.map(|service| service.node_port(&setup, v6)));
        let inside = [false, true].map(|v6| services.map(|service| service.cluster(v6)));
        let (client, pod, node) = (
            &setup.scene.client,
            &setup.scene.a.pods[2].ns,
            &setup.scene.a.ns,
        );
        let mut old = from_outside
            .as_flattened()
            .iter()
            .map(|to| established(client, *to))
            .collect::<Result<Vec<_>>>()?;

        let status = setup.agent.stop()?;
        ensure!(status.code() == Some(0), "{attach}: {status}");
        old.iter_mut().try_for_each(goes_on)?;
        let outside = from_outside.as_flattened().iter().map(|to| (client, *to));
        let cluster = inside.as_flattened().iter();
        let cluster = cluster.flat_map(|to| [(pod, *to), (node, *to)]);
        for (from, to) in outside.chain(cluster) {
            for proto in [Proto::Tcp, Proto::Udp] {
                from.run(|| ask_many(proto, to, 20))
                    .with_context(|| format!("{attach}: from {}", from.name()))?;
            }
        }
        // Its socket is gone, so nobody is kept waiting there.
        let asked = setup.spec.cli(["get", "services"]).output()?;
        ensure!(asked.status.code() == Some(3), "{}", asked.status);
    }
    Ok(())
}

#[test]
fn a_pod_that_comes_later_is_served_and_forgotten_when_it_goes() -> Result<()> {
    const DEVICE: &str = "veth-late";
    let mut setup = Setup::new("auto", true, &[])?;
    let pod = setup.scene.scene_mut().netns("late")?;
    ensure!(row(&setup, DEVICE)?.is_none(), "there before it was made");
    plug(&pod, &setup.scene.a.ns, DEVICE)?;
    let shown = soon(|| row(&setup, DEVICE)?.context("no row"))?;
    ensure!(shown["role"] == "pod" && shown["hooks"] == "tcx", "{shown}");
    for v6 in [false, true] {
        for service in [Setup::LOCAL, Setup::REMOTE] {
            for proto in [Proto::Tcp, Proto::Udp] {
                let to = service.cluster(v6);
                let answer = pod.run(|| ask(proto, to))?;
                let expected = if v6 {
                    IpAddr::from(LATE6)
                } else {
                    LATE4.into()
                };
                ensure!(answer.seen_as.ip() == expected, "{answer:?}");
            }
        }
    }
    let links = || std::fs::read_dir(setup.spec.pins.join("v1/links")).map(Iterator::count);
    let before = links()?;
    setup.scene.a.ns.ip(&format!("link del {DEVICE}"))?;
    soon(|| {
        ensure!(row(&setup, DEVICE)?.is_none(), "the row stays");
        Ok(())
    })?;
    ensure!(links()? == before - 1, "{before} pins, then {}", links()?);
    Ok(())
}

const LATE4: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 99);
const LATE6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x244, 0, 0, 0, 0, 0, 0x99);

/// The device's row of `get devices`.
fn row(setup: &Setup, device: &str) -> Result<Option<Value>> {
    let devices = setup.spec.get("devices")?;
    let rows = devices["items"].as_array().context("no items")?;
    Ok(rows.iter().find(|row| row["name"] == device).cloned())
}

/// A routed pod, as a network plug-in makes it. The node's routes come last: the pod's addresses are
/// known to nobody before its cable is.
fn plug(pod: &Netns, node: &Netns, device: &str) -> Result<()> {
    for scope in ["all", "default"] {
        pod.sysctl(&format!("ipv6.conf.{scope}.accept_dad"), 0)?;
    }
    link(pod, "eth0", node, device)?;
    node.sysctl(&format!("ipv4.conf.{device}.proxy_arp"), 1)?;
    node.sysctl(&format!("ipv4.neigh.{device}.proxy_delay"), 0)?;
    pod.ip(&format!(
        "addr add {LATE4}/32 dev eth0\n\
         addr add {LATE6}/128 dev eth0 nodad\n\
         route add 169.254.1.1 dev eth0 scope link\n\
         route add default via 169.254.1.1 dev eth0\n\
         route add default via fe80::1 dev eth0"
    ))?;
    node.ip(&format!(
        "addr add fe80::1/64 dev {device} nodad\n\
         route add {LATE4}/32 dev {device}\n\
         route add {LATE6}/128 dev {device}"
    ))
}

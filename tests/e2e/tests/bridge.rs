//! Pods behind a bridge, as the CNI plugins `bridge` and flannel make them: the host ends of their
//! links are ports of `cni0`, which has the gateway's address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Proto, ServiceSpec, ask_many};
use tidegate_rig::{AgentSpec, EchoServer, Netns, Node, Pod, Scene, link, pod_endpoints};

const BOTH: ServiceSpec = ServiceSpec {
    name: "both",
    number: 21,
};
const ONE: ServiceSpec = ServiceSpec {
    name: "one",
    number: 22,
};

#[test]
fn rule_3_3_6_pods_behind_a_bridge_are_clients_and_backends_and_their_own_backends() -> Result<()> {
    let mut scene = Scene::new()?;
    let (node, client) = build(&mut scene)?;
    let _echoes: Vec<EchoServer> = node
        .pods
        .iter()
        .map(|pod| EchoServer::start(&pod.ns, &pod.name, 8080))
        .collect::<Result<_>>()?;
    let spec =
        AgentSpec::new(&scene, &node)?.args(["--service-cidr", "10.96.0.0/12,fd00:96::/112"]);
    spec.manifests
        .put(BOTH.name, &BOTH.objects(&pod_endpoints(&node.pods)))?;
    spec.manifests
        .put(ONE.name, &ONE.objects(&pod_endpoints([&node.pods[0]])))?;
    let _agent = spec.start()?;
    for v6 in [false, true] {
        let node_port = |service: ServiceSpec| {
            let ip: IpAddr = if v6 { node.v6.into() } else { node.v4.into() };
            (ip, service.node_port_number()).into()
        };
        for proto in [Proto::Tcp, Proto::Udp] {
            for (what, from, to) in [
                ("pod to clusterIP", &node.pods[1].ns, BOTH.cluster(v6)),
                ("pod to its own service", &node.pods[0].ns, ONE.cluster(v6)),
                ("pod to its own NodePort", &node.pods[0].ns, node_port(ONE)),
                ("client to NodePort", &client, node_port(BOTH)),
                ("host to clusterIP", &node.ns, BOTH.cluster(v6)),
            ] {
                let answers = from
                    .run(|| ask_many(proto, to, 100))
                    .with_context(|| what.to_owned())?;
                ensure!(answers.len() == 100);
            }
        }
    }
    Ok(())
}

#[test]
fn rule_3_2_1_what_is_masqueraded_to_a_pod_behind_a_bridge_comes_from_the_bridge() -> Result<()> {
    let mut scene = Scene::new()?;
    let (node, _client) = build(&mut scene)?;
    let backend = &node.pods[0];
    let _echo = EchoServer::start(&backend.ns, &backend.name, 8080)?;
    let spec = AgentSpec::new(&scene, &node)?.args([
        "--service-cidr",
        "10.96.0.0/12,fd00:96::/112",
        "--masquerade-all",
    ]);
    spec.manifests
        .put(ONE.name, &ONE.objects(&pod_endpoints([backend])))?;
    let _agent = spec.start()?;
    let bridge: [IpAddr; 2] = ["10.244.0.1".parse()?, "fd00:244::1".parse()?];
    for (v6, bridge) in [false, true].into_iter().zip(bridge) {
        for proto in Proto::BOTH {
            let answers = node.pods[1]
                .ns
                .run(|| ask_many(proto, ONE.cluster(v6), 20))?;
            for answer in answers {
                let seen = answer.seen_as.ip().to_canonical();
                ensure!(seen == bridge, "{proto:?}: seen as {seen}");
            }
        }
    }
    Ok(())
}

fn build(scene: &mut Scene) -> Result<(Node, Netns)> {
    let (ns, client) = (namespace(scene, "nodea")?, namespace(scene, "client")?);
    link(&ns, "eth0", &client, "eth0")?;
    client.ip("addr add 192.168.1.10/24 dev eth0\naddr add fd00:1::10/64 dev eth0 nodad")?;
    ns.ip(
        "addr add 192.168.1.2/24 dev eth0\naddr add fd00:1::2/64 dev eth0 nodad\n\
         link add cni0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0\nlink set cni0 up\n\
         addr add 10.244.0.1/24 dev cni0\naddr add fd00:244::1/64 dev cni0 nodad",
    )?;
    ns.sysctl("ipv4.ip_forward", 1)?;
    ns.sysctl("ipv6.conf.all.forwarding", 1)?;
    let pods = (2..5)
        .map(|number| pod(scene, &ns, number))
        .collect::<Result<Vec<_>>>()?;
    let (v4, v6) = (
        Ipv4Addr::new(192, 168, 1, 2),
        Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 2),
    );
    Ok((
        Node {
            name: "nodea",
            ns,
            v4,
            v6,
            pods,
        },
        client,
    ))
}

/// Without waiting for duplicate addresses: until that is over nobody answers a neighbour solicitation.
fn namespace(scene: &mut Scene, name: &str) -> Result<Netns> {
    let ns = scene.netns(name)?;
    for scope in ["all", "default"] {
        ns.sysctl(&format!("ipv6.conf.{scope}.accept_dad"), 0)?;
    }
    Ok(ns)
}

fn pod(scene: &mut Scene, node: &Netns, number: u8) -> Result<Pod> {
    let (name, device) = (format!("pod{number}"), format!("veth{number}"));
    let ns = namespace(scene, &name)?;
    link(&ns, "eth0", node, &device)?;
    node.ip(&format!("link set {device} master cni0"))?;
    ns.ip(&format!(
        "addr add 10.244.0.{number}/24 dev eth0\naddr add fd00:244::{number}/64 dev eth0 nodad\n\
         route add default via 10.244.0.1\nroute add default via fd00:244::1"
    ))?;
    let v4 = Ipv4Addr::new(10, 244, 0, number);
    let v6 = Ipv6Addr::new(0xfd00, 0x244, 0, 0, 0, 0, 0, number.into());
    Ok(Pod {
        name,
        node: "nodea",
        ns,
        v4,
        v6,
        device,
    })
}

//! Backends that are processes of the node itself, as the API server is on a control-plane node.

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Proto, ServiceSpec, Setup, ask_many};
use tidegate_rig::{EchoServer, Endpoint};

/// Its number gives it 10.96.0.17 and nodePort 30017.
const HOST: ServiceSpec = ServiceSpec {
    name: "host",
    number: 17,
};

#[test]
fn a_process_of_this_node_serves_pods_and_clients_and_the_node() -> Result<()> {
    for (attach, offloads) in [("auto", true), ("xdp", false)] {
        let setup = Setup::new(attach, offloads, &[])?;
        let node = &setup.scene.a;
        let _echo = EchoServer::start(&node.ns, "nodea", 8080)?;
        let endpoint = |address| Endpoint {
            address,
            node: "nodea".to_owned(),
            ready: true,
        };
        let endpoints: Vec<Endpoint> = node.addresses().map(endpoint).into();
        setup
            .spec
            .manifests
            .put(HOST.name, &HOST.objects(&endpoints))?;
        let pod = &node.pods[0].ns;
        for v6 in [false, true] {
            let (cluster, node_port) = (HOST.cluster(v6), HOST.node_port(&setup, v6));
            setup.served(pod, cluster)?;
            for proto in [Proto::Tcp, Proto::Udp] {
                for (from, to) in [
                    (pod, cluster),
                    (pod, node_port),
                    (&setup.scene.client, node_port),
                    (&node.ns, cluster),
                    (&node.ns, node_port),
                ] {
                    let answers = from
                        .run(|| ask_many(proto, to, 100))
                        .with_context(|| format!("{attach}: from {}", from.name()))?;
                    ensure!(answers.iter().all(|answer| answer.backend == "nodea"));
                }
            }
        }
    }
    Ok(())
}

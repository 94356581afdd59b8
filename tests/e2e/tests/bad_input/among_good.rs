//! Good and bad objects in one file.

use std::fs;

use anyhow::{Result, ensure};
use tidegate_e2e::{Proto, Setup, ask_many};

use crate::written::{GOOD, Written, problems_are, served_by, soon};

/// What is wrong with `mixed.yaml`, and with `bytes.yaml` beside it.
const EXPECTED: [&str; 8] = [
    "mixed.yaml: document 3: cannot be read as YAML or JSON: ",
    "mixed.yaml: document 4: Service default/zero: spec.ports[0].port: 0 is not a port",
    "mixed.yaml: document 6: Service default/proto: spec.ports[0].protocol: \"ICMP\" is not a protocol",
    "mixed.yaml: document 8: Service default/address: spec.clusterIP: \"10.96.0.999\" is not an IP address",
    "mixed.yaml: document 10: Service default/thief: spec.ports[0].nodePort: nodePort 30041 belongs to the older Service default/good",
    "mixed.yaml: document 12: Service default/type: spec.ports[0].port: ",
    "mixed.yaml: document 14: EndpointSlice default/backend-1: endpoints[0].addresses[0]: 127.0.0.1 is loopback",
    "bytes.yaml: ",
];

/// Wants the nodePort of [`GOOD`], and has everything else for itself.
const THIEF: Written = Written {
    name: "thief",
    cluster_ip: "10.96.0.45",
    ..GOOD
};

/// Two good Services, and one of each way to be bad.
fn mixed() -> String {
    let bad = |name, cluster_ip, port, protocol, node_port| Written {
        name,
        cluster_ip,
        port,
        protocol,
        node_port,
        ..GOOD
    };
    let backend = Written {
        name: "backend",
        backend: "127.0.0.1",
        ..GOOD
    };
    [
        GOOD.text(),
        "---\nkind: [Service\nspec: }\n".to_owned(),
        bad("zero", "10.96.0.42", "0", "TCP", 30_042).text(),
        bad("proto", "10.96.0.43", "80", "ICMP", 30_043).text(),
        bad("address", "10.96.0.999", "80", "TCP", 30_044).text(),
        THIEF.text(),
        bad("type", "10.96.0.46", "eighty", "TCP", 30_046).text(),
        backend.slice(),
    ]
    .concat()
}

#[test]
fn good_objects_serve_and_each_bad_one_is_one_line_with_file_document_field_and_reason()
-> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    let manifests = &setup.spec.manifests;
    manifests.put_text("mixed.yaml", &mixed())?;
    // No YAML at all, and nothing at all.
    fs::write(manifests.path().join("bytes.yaml"), [0xff, 0xfe, 0])?;
    manifests.put_text("empty.yaml", "")?;
    problems_are(&setup, &EXPECTED)?;
    ensure!(setup.spec.status()?["synced"] == true, "not synced");

    served_by(&setup, &GOOD, "poda1")?;
    let pod = &setup.scene.a.pods[2].ns;
    // All that is not contested works: the thief's clusterIP, and the Services of other files.
    let remote = Setup::REMOTE.cluster(true);
    for to in [GOOD.at_cluster_ip()?, THIEF.at_cluster_ip()?, remote] {
        let _answers = pod.run(|| ask_many(Proto::Tcp, to, 20))?;
    }
    Ok(())
}

#[test]
fn the_log_has_each_problem_once_however_often_the_files_are_looked_at() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    setup.spec.manifests.put_text("mixed.yaml", &mixed())?;
    let expected = &EXPECTED[..7];
    problems_are(&setup, expected)?;
    for (name, cluster_ip, node_port) in [("x", "10.96.0.51", 30_051), ("y", "10.96.0.52", 30_052)]
    {
        let another = Written {
            name,
            cluster_ip,
            node_port,
            ..GOOD
        };
        let file = format!("{name}.yaml");
        setup.spec.manifests.put_text(&file, &another.text())?;
        served_by(&setup, &another, "poda1")?;
    }
    soon(|| {
        let said = setup.agent.output();
        for expected in expected {
            let lines = said.lines().filter(|line| line.contains(expected)).count();
            ensure!(lines == 1, "{lines} lines with {expected:?}: {said}");
        }
        Ok(())
    })
}

//! What is taken away is served no more.

use std::{io::ErrorKind, net::TcpStream, time::Duration};

use anyhow::{Result, ensure};
use tidegate_e2e::{Proto, Setup, ask_many};

use crate::written::{GOOD, Written, problems, problems_are, refused, served_by};

#[test]
fn with_the_file_the_frontends_go_and_the_node_answers_for_itself() -> Result<()> {
    const FILE: &str = "going.yaml";
    let setup = Setup::new("auto", true, &[])?;
    let pod = &setup.scene.a.pods[2].ns;
    for (text, left) in [
        (GOOD.text(), 0),
        // A file that is bad when it goes takes its last good state with it.
        (GOOD.text() + "---\n]\n", 1),
    ] {
        setup.spec.manifests.put_text(FILE, &text)?;
        served_by(&setup, &GOOD, "poda1")?;
        ensure!(problems(&setup)?.len() == left, "{:?}", problems(&setup)?);
        setup.spec.manifests.remove(FILE)?;
        refused(&setup, &GOOD)?;
        problems_are(&setup, &[])?;
        for what in ["services", "endpoints", "frontends"] {
            let list = setup.spec.get(what)?.to_string();
            ensure!(!list.contains("\"good\""), "{what}: {list}");
        }
        // The address is nobody's again: silence, so that nothing loops.
        let to = GOOD.at_cluster_ip()?;
        let dialled = pod.run(|| TcpStream::connect_timeout(&to, Duration::from_millis(300)));
        let error = dialled.err().map(|error| error.kind());
        ensure!(error == Some(ErrorKind::TimedOut), "{to}: {error:?}");
    }
    Ok(())
}

#[test]
fn when_the_older_service_goes_the_other_gets_the_node_port() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    let second = Written {
        name: "second",
        cluster_ip: "10.96.0.45",
        backend: "10.244.0.3",
        ..GOOD
    };
    setup.spec.manifests.put_text("first.yaml", &GOOD.text())?;
    served_by(&setup, &GOOD, "poda1")?;
    setup
        .spec
        .manifests
        .put_text("second.yaml", &second.text())?;
    problems_are(
        &setup,
        &["second.yaml: document 1: Service default/second: spec.ports[0].nodePort: "],
    )?;
    let to = GOOD.at_node(&setup);
    let answers = setup.scene.client.run(|| ask_many(Proto::Tcp, to, 20))?;
    ensure!(
        answers.iter().all(|it| it.backend == "poda1"),
        "{answers:?}"
    );
    setup.spec.manifests.remove("first.yaml")?;
    served_by(&setup, &second, "poda2")?;
    problems_are(&setup, &[])
}

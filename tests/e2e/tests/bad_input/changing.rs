//! What was good, became bad, and is good again.

use std::fs;

use anyhow::{Context as _, Result, bail, ensure};
use tidegate_e2e::{Proto, Setup, ask_many};

use crate::written::{GOOD, Written, problems, problems_are, served_by, soon};

#[test]
fn what_becomes_bad_keeps_its_last_good_state_until_it_is_good_again() -> Result<()> {
    const FILE: &str = "changing.yaml";
    let setup = Setup::new("auto", true, &[])?;
    let put = |text: &str| setup.spec.manifests.put_text(FILE, text);
    put(&GOOD.text())?;
    served_by(&setup, &GOOD, "poda1")?;

    let moved = Written {
        backend: "10.244.0.3",
        ..GOOD
    };
    for (text, problem) in [
        (
            Written {
                protocol: "XTP",
                ..GOOD
            }
            .text(),
            "changing.yaml: document 1: Service default/good: spec.ports[0].protocol: ",
        ),
        (
            Written {
                backend: "10.244.0.300",
                ..GOOD
            }
            .text(),
            "changing.yaml: document 2: EndpointSlice default/good-1: endpoints[0].addresses[0]: ",
        ),
        (
            "---\nkind: {\n".to_owned(),
            "changing.yaml: document 1: cannot be read as YAML or JSON: ",
        ),
        (
            GOOD.service() + "---\n]\n",
            "changing.yaml: document 2: cannot be read as YAML or JSON: ",
        ),
    ] {
        put(&text)?;
        problems_are(&setup, &[problem])?;
        for to in [GOOD.at_node(&setup), Setup::LOCAL.node_port(&setup, false)] {
            let answers = setup.scene.client.run(|| ask_many(Proto::Tcp, to, 20));
            let answers = answers.with_context(|| format!("while {problem}"))?;
            ensure!(
                answers.iter().all(|it| it.backend == "poda1"),
                "{answers:?}"
            );
        }
        // Good again, with another endpoint, and back.
        put(&moved.text())?;
        problems_are(&setup, &[])?;
        served_by(&setup, &GOOD, "poda2")?;
        put(&GOOD.text())?;
        served_by(&setup, &GOOD, "poda1")?;
    }
    Ok(())
}

#[test]
fn a_directory_that_goes_keeps_its_last_good_state_until_it_comes_back() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    let directory = setup.spec.manifests.path();
    let aside = directory.with_extension("aside");
    fs::rename(directory, &aside)?;
    soon(|| match problems(&setup)?.as_slice() {
        [line] if line.contains("its last good state stays") => Ok(()),
        other => bail!("{other:?}"),
    })?;
    let to = Setup::LOCAL.node_port(&setup, false);
    let _answers = setup.scene.client.run(|| ask_many(Proto::Tcp, to, 20))?;
    fs::rename(&aside, directory)?;
    problems_are(&setup, &[])?;
    let _answers = setup.scene.client.run(|| ask_many(Proto::Tcp, to, 20))?;
    // What changes in it is seen again.
    setup.spec.manifests.put_text("new.yaml", &GOOD.text())?;
    served_by(&setup, &GOOD, "poda1")
}

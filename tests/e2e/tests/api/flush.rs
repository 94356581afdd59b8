//! Flows: filters, and dropping them.

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Ep, Proto, Svc, World, served_by, soon};

use crate::{ask, socket};

#[test]
fn flows_are_filtered_and_flushed_both_records_of_each() -> Result<()> {
    let world = World::builder().pods(2, 0).build()?;
    let (socket, one, two) = (socket(&world)?, Svc::new("one", 1), Svc::new("two", 2));
    for svc in [&one, &two] {
        world.put(svc, &[Ep::of(world.a(1))])?;
        served_by(
            &world.a(2).ns,
            Proto::Udp,
            svc.cluster(false),
            &[&world.a(1).name],
        )?;
    }
    let count = |filter: &str| -> Result<usize> {
        let list = ask(&socket, "GET", &format!("/v1/flows?{filter}"), None, 200)?;
        Ok(list["items"].as_array().context("no items")?.len())
    };
    let used = || -> Result<u64> {
        let status = ask(&socket, "GET", "/v1/status", None, 200)?;
        let maps = status["maps"].as_array().context("no maps")?;
        let row = maps.iter().find(|row| row["name"] == "flows4");
        row.and_then(|row| row["used"].as_u64())
            .context("no flows4")
    };
    let client = world.a(2).v4;
    ensure!(count("proto=udp&service=one")? >= 1, "no flow of one");
    ensure!(
        count(&format!("client={client}&service=one"))? >= 1,
        "not by client"
    );
    ensure!(
        count("client=203.0.113.0/24")? == 0,
        "clients that are none"
    );
    ensure!(
        count(&format!("frontend={}", two.cluster(false)))? >= 1,
        "not by frontend"
    );
    ask(&socket, "DELETE", "/v1/flows", None, 400)?;
    ask(&socket, "GET", "/v1/flows?client=nobody", None, 400)?;
    let others = count("service=two")?;
    let done = ask(&socket, "DELETE", "/v1/flows?service=one", None, 200)?;
    ensure!(done["removed"].as_u64() >= Some(1), "{done}");
    ensure!(count("service=one")? == 0, "flows of one are still there");
    ensure!(count("service=two")? == others, "flows of two went as well");
    ask(&socket, "DELETE", "/v1/flows?all=true", None, 200)?;
    soon(|| {
        let used = used()?;
        ensure!(used == 0, "{used} records are left");
        Ok(())
    })?;
    served_by(
        &world.a(2).ns,
        Proto::Udp,
        one.cluster(false),
        &[&world.a(1).name],
    )
}

//! The master table of the specification (3.1), every cell with real sockets: which of the two
//! endpoints answer, and with which source they see the client.
//!
//! [`TABLE`] is the specification's table as the design's section 7 changes it. `–` means that the
//! source is kept, `M` that it is an address of the node. Where it differs, and why:
//!
//! - Decision 2: a client keeps its address when the backend is on this node, since the reply
//!   passes here anyway. So "both **M**" is `local –, remote M` for packets that enter by a device.
//! - Node rows: processes of the node are translated in the socket, so "M" is the source that the
//!   kernel chooses for the way to the backend, which is a node address.
//! - Decision 4: row 3.1.3 needs `--external-clusterip`; without it the packet is dropped.
//! - Decision 7: row 3.1.7 works through the socket hook, with IPv6 too.
//! - "No detector": the pods' devices are given as tunnels, so no device says "a pod sent this". Who
//!   is not known to be a pod is a stranger: no short-circuit, hence `local –` under policy Local as
//!   in kube-proxy; and a remote backend of a clusterIP is masqueraded (kube-proxy keeps the source
//!   when it cannot tell), because only a pod's source is known to be routed back through here.

mod cell;
mod executed;
mod table;

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Ep, Outcome, Proto, Shared, Svc, World, probe, silent};

use cell::run;
use executed::Executed;
use table::{Column, Row, Source, TABLE};

static POLICIES: Shared = Shared::new(|| build(World::builder().args(&["--external-clusterip"])));
static NO_DETECTOR: Shared = Shared::new(|| {
    build(
        World::builder()
            .args(&["--external-clusterip"])
            .pods_unknown(),
    )
});
static MASQUERADE_ALL: Shared =
    Shared::new(|| build(World::builder().args(&["--external-clusterip", "--masquerade-all"])));

fn build(builder: tidegate_e2e::WorldBuilder) -> Result<World> {
    let world = builder.build()?;
    for policies in Column::POLICIES {
        let endpoints = [Ep::of(world.a(1)), Ep::of(world.b(1))];
        world.put(&policies.service(), &endpoints)?;
    }
    Ok(world)
}

/// Runs a row in all columns, both families and both protocols; fails with the row as it was.
fn row(id: &str) -> Result<()> {
    let row = TABLE
        .iter()
        .find(|row| row.id == id)
        .context("no such row")?;
    let mut found = Executed::new(row);
    for column in Column::ALL {
        let world = match column {
            Column::NoDetector => NO_DETECTOR.borrow()?,
            Column::MasqueradeAll => MASQUERADE_ALL.borrow()?,
            _ => POLICIES.borrow()?,
        };
        execute(&mut found, &world, row, column);
    }
    found.check()
}

fn execute(found: &mut Executed<'_>, world: &World, row: &Row, column: Column) {
    for (to, v6, proto) in row.kinds() {
        let met = run(world, row.source, &column.service(), to, v6, proto);
        let family = if v6 { "IPv6" } else { "IPv4" };
        found.note(column, &format!("{to:?} {family} {proto:?}"), met);
    }
}

#[test]
fn rule_3_1_1_and_3_1_11_and_3_1_15_and_3_4_5_pod_to_cluster_ip() -> Result<()> {
    row("3.1.1")
}

#[test]
fn rule_3_1_2_node_to_cluster_ip() -> Result<()> {
    row("3.1.2")
}

#[test]
fn rule_3_1_3_and_2_3_11_off_cluster_to_cluster_ip() -> Result<()> {
    row("3.1.3")
}

#[test]
fn rule_3_1_4_and_2_3_7_and_2_3_9_and_3_4_4_pod_to_node_port() -> Result<()> {
    row("3.1.4")
}

#[test]
fn rule_3_1_5_and_3_1_16_and_3_1_18_and_3_1_19_pod_to_load_balancer_and_external_ip() -> Result<()>
{
    row("3.1.5")
}

#[test]
fn rule_3_1_6_node_to_its_own_node_port() -> Result<()> {
    row("3.1.6")
}

#[test]
fn rule_3_1_7_and_3_5_11_and_3_5_12_node_to_node_port_on_the_loopback() -> Result<()> {
    row("3.1.7")
}

#[test]
fn rule_3_1_8_and_3_1_18_node_to_load_balancer_and_external_ip() -> Result<()> {
    row("3.1.8")
}

#[test]
fn rule_3_1_9_and_3_1_12_and_3_1_13_off_cluster_to_node_port() -> Result<()> {
    row("3.1.9")
}

#[test]
fn rule_3_1_10_and_3_1_18_off_cluster_to_load_balancer_and_external_ip() -> Result<()> {
    row("3.1.10")
}

#[test]
fn rule_3_1_3_and_3_1_9_and_3_1_10_under_xdp_off_cluster_clients_meet_the_same() -> Result<()> {
    let world = build(World::builder().args(&["--external-clusterip"]).xdp())?;
    for row in TABLE.iter().filter(|row| row.source == Source::OffCluster) {
        let mut found = Executed::new(row);
        for column in Column::POLICIES {
            execute(&mut found, &world, row, column);
        }
        found.check()?;
    }
    Ok(())
}

#[test]
fn rule_3_8_2_without_the_flag_cluster_ips_are_not_for_off_cluster_clients() -> Result<()> {
    let world = World::builder().build()?;
    let svc = Svc::new("inside", 9);
    world.put(&svc, &[Ep::of(world.a(1)), Ep::of(world.b(1))])?;
    for v6 in [false, true] {
        for proto in [Proto::Tcp, Proto::Udp] {
            let before = world.counted("external_cluster_ip")?;
            silent(&world.scene.client, proto, svc.cluster(v6))?;
            ensure!(
                world.counted("external_cluster_ip")? > before,
                "not counted"
            );
            let inside = probe(&world.a(2).ns, proto, svc.cluster(v6));
            ensure!(matches!(inside, Outcome::Answered(_)), "{inside:?}");
        }
    }
    Ok(())
}

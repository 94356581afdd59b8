//! Devices with a driver of their own, which no namespace can make: `./x vm` gives each machine two network cards
//! (virtio_net) on one cable.

use std::{net::UdpSocket, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use tidegate_loader::{Attach, Attached, DataPath, Role, kernel_at_least};
use tidegate_rig::{Netns, XdpPass, output_of};

use crate::{says::soon, stage::Stage};

const CARD: &str = "eth0";
const OTHER: &str = "eth1";

/// Gives a namespace the device.
fn hand_over(device: &str, to: &Netns) -> Result<()> {
    let mut ip = Command::new("ip");
    ip.args(["link", "set", device, "netns", to.name()]);
    output_of(&mut ip).map(drop)
}

fn attach(
    stage: &Stage,
    data_path: &mut DataPath,
    device: &str,
    attach: Attach,
) -> Result<Attached> {
    let attached = stage
        .node
        .run(|| data_path.attach_device(device, Role::Uplink, attach))?;
    Ok(attached)
}

/// A datagram of so many bytes from the far end arrives.
fn is_reached(stage: &Stage, bytes: usize) -> Result<()> {
    let server = stage.node.run(|| UdpSocket::bind("192.0.2.1:9"))?;
    server.set_read_timeout(Some(Duration::from_millis(500)))?;
    let client = stage.far.run(|| UdpSocket::bind("192.0.2.2:0"))?;
    // The driver stops the queues while it takes XDP on.
    let arrived = soon(|| {
        client.send_to(&vec![7; bytes], "192.0.2.1:9")?;
        server.recv_from(&mut [0; 16_384])?;
        Ok(())
    });
    arrived.with_context(|| format!("a datagram of {bytes} bytes"))
}

#[test]
#[ignore = "takes eth0 and eth1 of the machine, as ./x vm has them"]
fn by_itself_a_card_gets_xdp_and_where_that_cannot_be_had_tc() -> Result<()> {
    let stage = Stage::new()?;
    hand_over(CARD, &stage.node)?;
    hand_over(OTHER, &stage.far)?;
    let up = |device, ip| format!("addr add {ip}/24 dev {device}\nlink set {device} up");
    stage.node.ip(&up(CARD, "192.0.2.1"))?;
    stage.far.ip(&up(OTHER, "192.0.2.2"))?;
    is_reached(&stage, 4).context("without a program")?;

    let mut data_path = stage.load()?;
    let attached = attach(&stage, &mut data_path, CARD, Attach::Auto)?;
    ensure!(
        attached.hooks.starts_with("xdp (native) + "),
        "{attached:?}"
    );
    is_reached(&stage, 4).with_context(|| format!("{attached:?}"))?;

    // Earlier ones do not let XDP go at such an MTU.
    if !kernel_at_least(6, 3) {
        return Ok(());
    }
    // This driver takes the MTU with XDP, too, and then loses frames of more than a page.
    for (mtu, bytes, fits) in [(9_000, 8_000, false), (1_500, 4, true)] {
        stage.node.ip(&format!("link set {CARD} mtu {mtu}"))?;
        stage.far.ip(&format!("link set {OTHER} mtu {mtu}"))?;
        let attached = attach(&stage, &mut data_path, CARD, Attach::Auto)?;
        ensure!(
            attached.hooks.contains("xdp") == fits,
            "{mtu}: {attached:?}"
        );
        is_reached(&stage, bytes).with_context(|| format!("{attached:?}"))?;
    }
    Ok(())
}

#[test]
#[ignore = "takes eth1 of the machine, as ./x vm has it"]
fn where_somebody_has_xdp_on_a_card_tc_serves_and_says_so() -> Result<()> {
    let stage = Stage::new()?;
    // It comes back from the namespaces of the test before.
    soon(|| hand_over(OTHER, &stage.node))?;
    stage.node.ip(&format!("link set {OTHER} mtu 1500 up"))?;
    let _theirs = XdpPass::attach(&stage.node, OTHER)?;
    let mut data_path = stage.load()?;
    let attached = attach(&stage, &mut data_path, OTHER, Attach::Auto)?;
    ensure!(
        !attached.hooks.contains("xdp") && attached.why.contains("tc alone serves"),
        "{attached:?}"
    );
    let index = |name| stage.node.run(|| nix::net::if_::if_nametoindex(name));
    let links = stage.links()?;
    let tried = format!("xdp-{}", index(OTHER)?);
    ensure!(!links.contains(&tried), "{links:?}");
    let forced = attach(&stage, &mut data_path, OTHER, Attach::Xdp);
    let error = forced.err().context("XDP was refused before")?.to_string();
    ensure!(
        error.contains("try --attach tc") && error.lines().count() == 1,
        "{error}"
    );
    Ok(())
}

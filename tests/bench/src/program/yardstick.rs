//! What the same lookups cost without tidegate; see the eBPF side.

use anyhow::{Context as _, Result, ensure};
use aya::maps::HashMap;
use tidegate_frames::frame::{Frame, tcp as flag};
use tidegate_journeys::textbook::{Places, UPLINK};

use super::{LEN, PACKETS, ROUND, by_turns, scene};
use crate::{
    driver::{Driver, Hook, Plan, side},
    report::Row,
};

const PROGRAM: &str = "yardstick";
/// `XDP_TX`.
const SENT: u32 = 3;

pub(super) fn label(flows: u32) -> Vec<String> {
    [
        PROGRAM,
        "IPv4",
        "TCP",
        "established",
        "remote",
        &flows.to_string(),
    ]
    .map(str::to_owned)
    .to_vec()
}

pub(super) fn measure(flows: u32, driver: &mut Driver) -> Result<Row> {
    let dialled = Places::v4().roles.node_port;
    let mut bytes = Frame::tcp(scene::client(false), dialled)
        .flags(flag::ACK)
        .build();
    bytes.resize(LEN, 0);
    serve(&bytes, driver)?;
    let id = driver.id(PROGRAM)?;
    driver.aim(Hook::Xdp, Some(id))?;
    driver.plan(&Plan::of(&bytes, flows, side::TCP | side::OTHER_ORDER))?;
    let _opened = driver.run(Hook::Xdp, UPLINK, LEN, flows)?;
    driver.plan(&Plan::of(&bytes, flows, side::TCP))?;
    let place = (Hook::Xdp, UPLINK);
    let rounds = PACKETS.max(2 * flows) / ROUND;
    let (with, without) = by_turns(driver, place, rounds, ROUND, |driver| {
        driver.aim(Hook::Xdp, Some(id))?;
        let (ns, code) = driver.run(Hook::Xdp, UPLINK, LEN, ROUND)?;
        ensure!(code == SENT, "the yardstick's code was {code}");
        Ok(ns)
    })?;
    Ok(Row::program(&label(flows), with - without, without))
}

/// The yardstick knows the packet's destination.
fn serve(frame: &[u8], driver: &mut Driver) -> Result<()> {
    let word =
        |at: usize| u32::from_ne_bytes([frame[at], frame[at + 1], frame[at + 2], frame[at + 3]]);
    let map = driver.ebpf.map_mut("ys_vips").context("map ys_vips")?;
    let mut map: HashMap<_, [u32; 5], [u32; 2]> = map.try_into()?;
    let (proto, ports) = (u32::from(frame[23]), word(34));
    map.insert(&[word(30), 0, 0, 0, proto << 16 | ports >> 16], &[1, 0], 0)?;
    Ok(())
}

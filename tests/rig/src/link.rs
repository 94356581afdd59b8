//! Cables between namespaces, and the offloads of their ends.

use anyhow::Result;

use crate::netns::Netns;

/// A veth pair with both ends up: `a_dev` in `a`, `b_dev` in `b`.
///
/// Receive offload (GRO) is on at both ends. It gives a veth its NAPI, without which the other
/// end can neither send (`XDP_TX`) nor be redirected to from XDP.
pub fn link(a: &Netns, a_dev: &str, b: &Netns, b_dev: &str) -> Result<()> {
    let peer = b.name();
    a.ip(&format!(
        "link add {a_dev} type veth peer name {b_dev} netns {peer}"
    ))?;
    for (ns, dev) in [(a, a_dev), (b, b_dev)] {
        ns.sh(&format!("ip link set {dev} up; ethtool -K {dev} gro on"))?;
    }
    Ok(())
}

/// Switches checksum and segmentation offloads of the sender on or off, as a pair of veth ends
/// has them by default or as a wire would see the packets.
pub fn offloads(ns: &Netns, dev: &str, on: bool) -> Result<()> {
    let on = if on { "on" } else { "off" };
    ns.sh(&format!("ethtool -K {dev} tx {on} tso {on} gso {on}"))
        .map(|_printed| ())
}

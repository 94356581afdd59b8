//! Lists of ranges, the odd ones too.

use anyhow::{Context as _, Result};
use tidegate_e2e::Proto;

use crate::{Blocked, guarded, open, pods, world};

/// Of both families and both protocols: open to the client, or not.
fn is(what: &str, ranges: &[&str], open4: bool, open6: bool) -> Result<()> {
    let world = world()?;
    let svc = guarded("list", 11, ranges);
    world.put(&svc, &pods(&world))?;
    let mut blocked = Blocked::default();
    for (v6, is_open) in [(false, open4), (true, open6)] {
        for proto in Proto::BOTH {
            let from = &world.scene.client;
            if is_open {
                open(from, proto, svc.vip(v6)).with_context(|| what.to_owned())?;
            } else {
                blocked.add(from, proto, svc.vip(v6));
            }
        }
    }
    blocked.check(&world).with_context(|| what.to_owned())
}

#[test]
fn rule_1_1_11_and_3_6_9_a_range_of_all_addresses_switches_the_guard_off() -> Result<()> {
    is("one /0", &["0.0.0.0/0", "::/0"], true, true)?;
    is(
        "a /0 among others",
        &["192.0.2.0/24", "0.0.0.0/0", "2001:db8:9::/48"],
        true,
        false,
    )
}

#[test]
fn rule_3_6_9_two_halves_are_the_whole_and_a_range_of_nobody_denies_everybody() -> Result<()> {
    is(
        "halves",
        &["0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"],
        true,
        true,
    )?;
    is(
        "nobody",
        &["192.0.2.7/32", "2001:db8:9::7/128"],
        false,
        false,
    )
}

#[test]
fn rule_1_1_12_and_3_6_11_each_family_has_its_own_list_and_no_list_means_open() -> Result<()> {
    is("IPv6 only, denied", &["2001:db8:9::/48"], true, false)?;
    is("IPv4 only, denied", &["192.0.2.0/24"], false, true)?;
    is(
        "IPv4 allowed, IPv6 denied",
        &["192.168.1.0/24", "2001:db8:9::/48"],
        true,
        false,
    )
}

#[test]
fn rule_1_1_9_and_1_1_10_ranges_are_read_with_patience() -> Result<()> {
    is(
        "padded",
        &[" 192.168.1.0/24 ", "\tfd00:1::/64 "],
        true,
        true,
    )?;
    is(
        "padded, denied",
        &[" 192.0.2.0/24 ", " 2001:db8:9::/48"],
        false,
        false,
    )?;
    is(
        "leading zeros",
        &["192.168.001.010/032", "fd00:1::/64"],
        true,
        true,
    )?;
    is(
        "host bits",
        &["192.168.1.77/24", "fd00:1::77/64"],
        true,
        true,
    )
}

#[test]
fn rule_3_6_10_ranges_may_overlap_and_nest() -> Result<()> {
    is(
        "nested",
        &[
            "192.168.0.0/16",
            "192.168.1.0/24",
            "192.168.1.128/25",
            "fd00::/16",
            "fd00:1::/64",
        ],
        true,
        true,
    )?;
    is(
        "a small one beside",
        &["192.168.1.11/32", "192.168.1.0/28", "fd00:1::/120"],
        true,
        true,
    )
}

#[test]
fn rule_3_6_13_ranges_are_set_and_unset() -> Result<()> {
    for _ in 0..2 {
        is("unset", &[], true, true)?;
        is("set", &["192.0.2.0/24", "2001:db8:9::/48"], false, false)?;
        is(
            "changed",
            &["192.168.1.0/24", "2001:db8:9::/48"],
            true,
            false,
        )?;
    }
    Ok(())
}

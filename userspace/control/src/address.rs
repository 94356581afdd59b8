//! Addresses as people write them (rule 1.1.9), and which of them may be used for what.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tidegate_abi::Family;

/// Reads an address leniently: blanks around it and leading zeros are history that must still work,
/// and an IPv4 address inside an IPv6 one is the IPv4 address.
pub fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if text.contains(':') {
        return Some(parse6(text)?.to_canonical());
    }
    parse4(text).map(IpAddr::V4)
}

/// Reads a block such as `10.0.0.0/8` as leniently: its first address, and how many bits of it count.
/// Host bits may be set, as the API allows; an IPv4 block inside an IPv6 one is the IPv4 block.
pub fn parse_block(text: &str) -> Option<(IpAddr, u8)> {
    let (ip, bits) = text.trim().split_once('/')?;
    let digits = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
    let bits: u8 = bits.parse().ok().filter(|_| digits)?;
    let ip = if ip.contains(':') {
        IpAddr::V6(parse6(ip)?)
    } else {
        IpAddr::V4(parse4(ip)?)
    };
    match ip {
        IpAddr::V4(ip) if bits <= 32 => Some((network4(ip, bits), bits)),
        IpAddr::V6(ip) if bits <= 128 => Some(match (ip.to_ipv4_mapped(), bits.checked_sub(96)) {
            (Some(ip), Some(bits)) => (network4(ip, bits), bits),
            _ => (network6(ip, bits), bits),
        }),
        _ => None,
    }
}

/// The family of an address.
pub fn family(ip: IpAddr) -> Family {
    match ip {
        IpAddr::V4(_) => Family::V4,
        IpAddr::V6(_) => Family::V6,
    }
}

/// The family as Kubernetes writes it.
pub fn family_name(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}

/// Why an address can belong neither to an endpoint (rule 1.3.13) nor to a frontend: it means
/// something else on every node.
pub fn special(ip: IpAddr) -> Option<&'static str> {
    let (link_local, multicast) = match ip {
        IpAddr::V4(ip) => (ip.is_link_local(), ip.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(ip) => (
            ip.is_unicast_link_local(),
            ip.is_multicast() && ip.octets()[1] & 0xf == 2,
        ),
    };
    if ip.is_unspecified() {
        Some("unspecified")
    } else if ip.is_loopback() {
        Some("loopback")
    } else if link_local {
        Some("link-local")
    } else if multicast {
        Some("link-local multicast")
    } else {
        None
    }
}

fn network4(ip: Ipv4Addr, bits: u8) -> IpAddr {
    let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
    Ipv4Addr::from_bits(ip.to_bits() & mask).into()
}

fn network6(ip: Ipv6Addr, bits: u8) -> IpAddr {
    let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
    Ipv6Addr::from_bits(ip.to_bits() & mask).into()
}

fn parse4(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        *octet = if digits {
            part.parse().ok()?
        } else {
            return None;
        };
    }
    parts.next().is_none().then(|| octets.into())
}

/// The standard library is strict only about IPv4 parts, which may end an IPv6 address.
fn parse6(text: &str) -> Option<Ipv6Addr> {
    let tail = text.rsplit(':').next()?;
    if !tail.contains('.') {
        return text.parse().ok();
    }
    let head = &text[..text.len() - tail.len()];
    format!("{head}{}", parse4(tail)?).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_1_1_9_leading_zeros_are_decimal_and_blanks_are_trimmed() {
        for (text, expected) in [
            ("192.168.099.022", Some("192.168.99.22")),
            (" 10.0.0.1 ", Some("10.0.0.1")),
            ("::ffff:10.0.0.010", Some("10.0.0.10")),
            ("2001:DB8::0001", Some("2001:db8::1")),
            ("10.0.0", None),
            ("10.0.0.1.2", None),
            ("10.0.0.256", None),
            ("10.0.0.+1", None),
            ("", None),
            ("fe80::1%eth0", None),
            ("10.0.0.1/32", None),
        ] {
            assert_eq!(
                parse(text).map(|ip| ip.to_string()).as_deref(),
                expected,
                "{text:?}"
            );
        }
    }

    #[test]
    fn rule_1_1_9_and_1_1_10_blocks_are_read_as_leniently_and_lose_their_host_bits() {
        for (text, expected) in [
            ("203.0.113.000/025", Some("203.0.113.0/25")),
            (" 10.1.2.3/8\t", Some("10.0.0.0/8")),
            ("10.1.2.3/32", Some("10.1.2.3/32")),
            ("1.2.3.4/0", Some("0.0.0.0/0")),
            ("2001:DB8:ffff::1/32", Some("2001:db8::/32")),
            ("::1/0", Some("::/0")),
            ("fd00::1/128", Some("fd00::1/128")),
            ("::ffff:10.1.2.3/104", Some("10.0.0.0/8")),
            ("10.0.0.0/33", None),
            ("fd00::/129", None),
            ("10.0.0.0/+8", None),
            ("10.0.0.0/", None),
            ("10.0.0.0", None),
            ("10.0.0/8", None),
            ("", None),
        ] {
            let read = parse_block(text).map(|(ip, bits)| format!("{ip}/{bits}"));
            assert_eq!(read.as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn rule_1_3_13_addresses_that_mean_something_else_are_known() {
        for (text, expected) in [
            ("0.0.0.0", Some("unspecified")),
            ("::", Some("unspecified")),
            ("127.1.2.3", Some("loopback")),
            ("::1", Some("loopback")),
            ("169.254.169.254", Some("link-local")),
            ("fe80::1", Some("link-local")),
            ("224.0.0.18", Some("link-local multicast")),
            ("ff02::1", Some("link-local multicast")),
            ("10.0.0.1", None),
            ("fd00::1", None),
        ] {
            assert_eq!(parse(text).and_then(special), expected, "{text}");
        }
    }
}

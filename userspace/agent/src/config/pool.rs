//! `--lb-pool`: load-balancer addresses, as a block, as two ends, or as a single address.

use std::{fmt, net::IpAddr, str::FromStr};

use tidegate_control::{address, allocate::AddressRange};

use crate::cidr::Cidr;

/// One element of `--lb-pool`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Pool {
    text: String,
    first: IpAddr,
    last: IpAddr,
    range: AddressRange,
}

impl Pool {
    /// The addresses in it.
    pub(crate) fn range(&self) -> AddressRange {
        self.range
    }

    /// Whether the pool and the block share an address.
    pub(crate) fn overlaps(&self, block: &Cidr) -> bool {
        block.contains(self.first)
            || block.contains(self.last)
            || self.range.contains(block.parts().0)
    }

    fn new(text: &str, first: IpAddr, last: IpAddr) -> Result<Self, String> {
        for ip in [first, last] {
            let what = address::special(ip).or(ip.is_multicast().then_some("multicast"));
            if let Some(what) = what {
                return Err(format!(
                    "`{text}` holds {ip}, which is {what}: nobody can be reached there"
                ));
            }
        }
        let range = AddressRange::new(first, last)
            .ok_or_else(|| format!("`{text}` does not go from a lower address to a higher one"))?;
        Ok(Self {
            text: text.to_owned(),
            first,
            last,
            range,
        })
    }
}

impl FromStr for Pool {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let wrong = || {
            format!(
                "`{text}` is neither an address block nor a range such as 192.0.2.10-192.0.2.50"
            )
        };
        if text.contains('/') {
            let block: Cidr = text.parse().map_err(|_not_a_block| wrong())?;
            return Self::new(text, block.parts().0, block.last());
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok(last)) => Self::new(text, first, last),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_a_block_or_two_ends_or_one_address() {
        for (text, shown) in [
            ("192.0.2.0/30", "192.0.2.0-192.0.2.3"),
            ("192.0.2.77/30", "192.0.2.76-192.0.2.79"),
            ("192.0.2.10-192.0.2.12", "192.0.2.10-192.0.2.12"),
            (" 192.0.2.10 - 192.0.2.12 ", "192.0.2.10-192.0.2.12"),
            ("192.0.2.9", "192.0.2.9-192.0.2.9"),
            ("2001:db8::/64", "2001:db8::-2001:db8::ffff:ffff:ffff:ffff"),
            ("2001:db8::1-2001:db8::9", "2001:db8::1-2001:db8::9"),
        ] {
            let pool: Pool = text.parse().unwrap();
            assert_eq!(pool.range().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_a_sentence() {
        for (text, expected) in [
            ("", "is neither an address block nor a range"),
            ("192.0.2.0/33", "is neither an address block nor a range"),
            ("192.0.2.1-9", "is neither an address block nor a range"),
            ("a-b", "is neither an address block nor a range"),
            (
                "192.0.2.9-192.0.2.1",
                "from a lower address to a higher one",
            ),
            (
                "192.0.2.1-2001:db8::1",
                "from a lower address to a higher one",
            ),
            ("127.0.0.0/8", "is loopback"),
            ("224.0.1.0/24", "is multicast"),
            ("0.0.0.0/0", "is unspecified"),
        ] {
            let error = text.parse::<Pool>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_pool_and_a_block_overlap_when_they_share_an_address() {
        let block: Cidr = "10.96.0.0/12".parse().unwrap();
        for (text, expected) in [
            ("10.95.0.0/16", false),
            ("10.95.255.255-10.96.0.0", true),
            ("10.100.0.0/24", true),
            ("10.0.0.0/8", true),
            ("10.112.0.0/16", false),
            ("2001:db8::/64", false),
        ] {
            assert_eq!(
                text.parse::<Pool>().unwrap().overlaps(&block),
                expected,
                "{text}"
            );
        }
    }
}

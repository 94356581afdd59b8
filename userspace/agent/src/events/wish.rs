//! What a listener wants to hear, and what all of them together make of the kernel's filter.

use std::{
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use tidegate_abi::{Event, EventFilter, Ip6, Reason, reason::Kind};

use crate::{cidr::Cidr, names::Names};

/// A listener's wish. An event must pass every test.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Wish {
    /// Bit `n`: reason number `n`.
    pub(crate) reasons: u64,
    /// Source or destination lies in it.
    pub(crate) block: Option<Block>,
    /// Namespace and name.
    pub(crate) service: Option<(String, String)>,
    /// One event in `2^shift`.
    pub(crate) shift: u32,
}

/// An address block of either family, in IPv4-mapped form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Block {
    base: u128,
    prefix: u32,
}

/// `new`, `reject` or `drop`; `None`: such packets are not told of.
pub(crate) fn kind(reason: Reason) -> Option<&'static str> {
    match (reason, reason.kind()) {
        (Reason::NewFlow | Reason::SocketTranslated, _) => Some("new"),
        (_, Kind::Reject) => Some("reject"),
        (_, Kind::Drop) => Some("drop"),
        (_, Kind::Pass | Kind::Forward) => None,
    }
}

/// Reasons that can be wished for.
pub(crate) fn tellable() -> impl Iterator<Item = Reason> {
    let all = Reason::ALL.iter().copied();
    all.filter(|reason| kind(*reason).is_some())
}

impl Wish {
    /// Whether the event is wanted, but for the sampling.
    pub(super) fn admits(&self, event: &Event, names: &Names) -> bool {
        let bit = 1_u64.checked_shl(event.reason).unwrap_or(0);
        self.reasons & bit != 0
            && self
                .block
                .is_none_or(|block| block.has(event.src) || block.has(event.dst))
            && self.is_of_service(event.service, names)
    }

    fn is_of_service(&self, id: u32, names: &Names) -> bool {
        let Some((namespace, name)) = &self.service else {
            return true;
        };
        let found = names.service(id);
        found.is_some_and(|it| it.key.namespace == *namespace && it.key.service == *name)
    }

    /// The one service port that is wanted. The kernel's filter has room for one: of a Service with several
    /// ports, or families, the kernel tells of all, and the rest is left out here.
    fn service_port(&self, names: &Names) -> Option<u32> {
        self.service.as_ref()?;
        let mut ids = names.services().map(|(id, _)| id);
        let id = ids.find(|id| self.is_of_service(*id, names))?;
        let is_only = !ids.any(|other| self.is_of_service(other, names));
        is_only.then_some(id)
    }
}

/// What the kernel must tell of, so that everybody hears all that is wished for.
pub(super) fn filter<'a>(wishes: impl Iterator<Item = &'a Wish>, names: &Names) -> EventFilter {
    let each = wishes.map(|wish| Together {
        reasons: wish.reasons,
        block: wish.block.unwrap_or(Block::ANY),
        service: wish.service_port(names).unwrap_or(0),
        shift: wish.shift,
    });
    let Some(all) = each.reduce(Together::and) else {
        return EventFilter::default();
    };
    EventFilter {
        reasons: all.reasons,
        addr: Ip6::new((all.block.base & all.block.mask()).to_be_bytes()),
        mask: Ip6::new(all.block.mask().to_be_bytes()),
        service: all.service,
        shift: all.shift,
    }
}

struct Together {
    reasons: u64,
    block: Block,
    service: u32,
    shift: u32,
}

impl Together {
    /// As narrow as it gets.
    fn and(self, other: Self) -> Self {
        Self {
            reasons: self.reasons | other.reasons,
            block: self.block.around(other.block),
            service: if self.service == other.service {
                self.service
            } else {
                0
            },
            shift: self.shift.min(other.shift),
        }
    }
}

impl Block {
    const ANY: Self = Self { base: 0, prefix: 0 };
    const FULL: u32 = 128;
    /// The length of `::ffff:0:0`.
    const MAPPED: u32 = 96;

    fn has(self, addr: Ip6) -> bool {
        (u128::from_be_bytes(addr.octets()) ^ self.base) & self.mask() == 0
    }

    fn mask(self) -> u128 {
        u128::MAX.checked_shl(Self::FULL - self.prefix).unwrap_or(0)
    }

    /// The smallest block that holds both.
    fn around(self, other: Self) -> Self {
        let common = (self.base ^ other.base).leading_zeros();
        let prefix = common.min(self.prefix).min(other.prefix);
        let block = Self { prefix, ..self };
        Self {
            base: self.base & block.mask(),
            ..block
        }
    }
}

impl FromStr for Block {
    type Err = String;

    /// `10.96.0.10`, `10.96.0.0/12`, and the same for IPv6.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is neither an address nor a block such as 10.96.0.0/12");
        let (ip, prefix) = match text.parse::<IpAddr>() {
            Ok(ip) => (ip, if ip.is_ipv4() { 32 } else { 128 }),
            Err(_not_an_address) => {
                let block: Cidr = text.parse().map_err(|_neither: String| wrong())?;
                block.parts()
            }
        };
        let (ip, mapped) = match ip {
            IpAddr::V4(ip) => (ip.to_ipv6_mapped(), Self::MAPPED),
            IpAddr::V6(ip) => (ip, 0),
        };
        let prefix = mapped + u32::from(prefix);
        Ok(Self {
            base: Ipv6Addr::to_bits(ip),
            prefix,
        })
    }
}

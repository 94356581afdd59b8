//! By what the rows are ordered.

use std::cmp::Ordering;

use super::state::Row;

/// A column to order by.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Sort {
    #[default]
    Packets,
    Bytes,
    New,
    Active,
    Refused,
    Ready,
    Name,
}

impl Sort {
    /// In the order of the columns.
    pub(super) const ALL: [Self; 7] = [
        Self::Name,
        Self::Packets,
        Self::Bytes,
        Self::New,
        Self::Active,
        Self::Refused,
        Self::Ready,
    ];

    /// The key that chooses it, and its name.
    pub(super) fn key(self) -> (char, &'static str) {
        match self {
            Self::Name => ('o', "name"),
            Self::Packets => ('p', "packets"),
            Self::Bytes => ('b', "bytes"),
            Self::New => ('n', "new flows"),
            Self::Active => ('a', "active flows"),
            Self::Refused => ('x', "refused"),
            Self::Ready => ('e', "endpoints"),
        }
    }

    /// The column on the right; after the last one the first.
    pub(super) fn next(self) -> Self {
        let all = Self::ALL.iter().cycle().copied();
        let mut rest = all.skip_while(|it| *it != self).skip(1);
        rest.next().unwrap_or_default()
    }

    /// Most first, names from the first letter; equal ones by name, so that rows do not jump.
    pub(super) fn compare(self, one: &Row, other: &Row) -> Ordering {
        let by_name = || (&one.name, one.id).cmp(&(&other.name, other.id));
        let by = |value: fn(&Row) -> f64| value(other).total_cmp(&value(one));
        let order = match self {
            Self::Name => Ordering::Equal,
            Self::Packets => by(|row| row.rates.map_or(-1.0, |it| it.all_packets())),
            Self::Bytes => by(|row| row.rates.map_or(-1.0, |it| it.all_bytes())),
            Self::New => by(|row| row.rates.map_or(-1.0, |it| it.opened)),
            Self::Active => other.active.cmp(&one.active),
            Self::Refused => by(|row| row.rates.map_or(-1.0, |it| it.refused)),
            // What lacks most endpoints is what one looks for.
            Self::Ready => one.lacking().cmp(&other.lacking()).reverse(),
        };
        order.then_with(by_name)
    }
}

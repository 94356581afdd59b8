//! What the maps hold, as values.

use std::collections::{BTreeSet, HashMap};

use tidegate_abi::{
    Address, Backend, BackendId, Frontend, FrontendKey, Ip4, Ip6, Pool, SourceRangeKey, maps,
};

/// The maps that the planner rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Image {
    /// `frontends4`, `backends4` and `source_ranges4`.
    pub v4: FamilyImage<Ip4>,
    /// `frontends6`, `backends6` and `source_ranges6`.
    pub v6: FamilyImage<Ip6>,
    /// `slots`, from the first one; what is not here is zero.
    pub slots: Vec<BackendId>,
}

/// The maps of one family.
#[derive(Clone, Debug, PartialEq)]
pub struct FamilyImage<A: Address> {
    /// Frontends.
    pub frontends: HashMap<FrontendKey<A>, Frontend>,
    /// Backends by id; what is not here is zero.
    pub backends: Vec<Backend<A>>,
    /// Source ranges.
    pub source_ranges: BTreeSet<SourceRangeKey<A>>,
}

/// How much fits into the maps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Frontends of each family.
    pub frontends: u32,
    /// Backends of each family, id 0 included.
    pub backends: u32,
    /// Slots of all tables.
    pub slots: u32,
    /// Source ranges of each family.
    pub source_ranges: u32,
}

impl<A: Address> Default for FamilyImage<A> {
    fn default() -> Self {
        Self {
            frontends: HashMap::new(),
            backends: Vec::new(),
            source_ranges: BTreeSet::new(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frontends: maps::FRONTENDS_MAX,
            backends: maps::BACKENDS_MAX,
            slots: maps::SLOTS_MAX,
            source_ranges: maps::SOURCE_RANGES_MAX,
        }
    }
}

impl<A: Address> FamilyImage<A> {
    pub(super) fn backend(&self, id: BackendId) -> Option<&Backend<A>> {
        self.backends.get(id.0 as usize)
    }

    pub(super) fn set_backend(&mut self, id: BackendId, backend: Backend<A>) {
        let index = id.0 as usize;
        if index >= self.backends.len() {
            self.backends.resize(index + 1, Backend::default());
        }
        self.backends[index] = backend;
    }
}

/// The ids in a table; none where the range is not wholly inside.
pub(super) fn table(slots: &[BackendId], pool: Pool) -> Option<&[BackendId]> {
    let start = pool.start as usize;
    slots.get(start..start.checked_add(pool.len as usize)?)
}

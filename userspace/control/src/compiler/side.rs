//! The two address families of everything that is kept twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::Hash,
};

use tidegate_abi::{Address, FrontendKey, Ip4, Ip6};

use super::{
    Compiler, Work,
    entry::{Entry, Half},
    owners::Owners,
};
use crate::desired::{Delta, FamilyDelta};

/// What is known of a family.
#[derive(Debug)]
pub(super) struct Family<A> {
    pub(super) frontends: Owners<FrontendKey<A>>,
    /// Who would mark an address.
    pub(super) markers: Owners<A>,
    /// The markers that are to be there.
    pub(super) marked: BTreeMap<A, u32>,
}

impl<A> Default for Family<A> {
    fn default() -> Self {
        Self {
            frontends: Owners::default(),
            markers: Owners::default(),
            marked: BTreeMap::new(),
        }
    }
}

/// An address family.
pub(super) trait Side: Address + Eq + Hash + Ord {
    fn family(compiler: &Compiler) -> &Family<Self>;
    fn family_mut(compiler: &mut Compiler) -> &mut Family<Self>;
    fn half(entry: &Entry) -> &Half<Self>;
    fn half_mut(entry: &mut Entry) -> &mut Half<Self>;
    fn delta(delta: &mut Delta) -> &mut FamilyDelta<Self>;
    fn markers(work: &mut Work) -> &mut BTreeSet<Self>;
}

macro_rules! side {
    ($family:ty, $half:ident, $markers:ident) => {
        impl Side for $family {
            fn family(compiler: &Compiler) -> &Family<Self> {
                &compiler.$half
            }
            fn family_mut(compiler: &mut Compiler) -> &mut Family<Self> {
                &mut compiler.$half
            }
            fn half(entry: &Entry) -> &Half<Self> {
                &entry.$half
            }
            fn half_mut(entry: &mut Entry) -> &mut Half<Self> {
                &mut entry.$half
            }
            fn delta(delta: &mut Delta) -> &mut FamilyDelta<Self> {
                &mut delta.$half
            }
            fn markers(work: &mut Work) -> &mut BTreeSet<Self> {
                &mut work.$markers
            }
        }
    };
}

side!(Ip4, v4, markers4);
side!(Ip6, v6, markers6);

//! One write to one map, and the trait that finds a family's maps.

use tidegate_abi::{Address, Backend, BackendId, Frontend, FrontendKey, Ip4, Ip6, SourceRangeKey};

use super::{
    Planner,
    image::{FamilyImage, Image},
    known::Known,
};
use crate::desired::{Desired, DesiredFamily};

/// A write. Packets see it as a whole, but for [`Write::Slots`], to which nothing points yet.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Sets an entry of `backends4`.
    Backend4(BackendId, Backend<Ip4>),
    /// Sets an entry of `backends6`.
    Backend6(BackendId, Backend<Ip6>),
    /// Fills a range of `slots`.
    Slots {
        /// The first slot.
        start: u32,
        /// What they name.
        ids: Vec<BackendId>,
    },
    /// Adds an entry to `source_ranges4`.
    Admit4(SourceRangeKey<Ip4>),
    /// Adds an entry to `source_ranges6`.
    Admit6(SourceRangeKey<Ip6>),
    /// Sets an entry of `frontends4`.
    Frontend4(FrontendKey<Ip4>, Frontend),
    /// Sets an entry of `frontends6`.
    Frontend6(FrontendKey<Ip6>, Frontend),
    /// Deletes an entry of `frontends4`.
    RemoveFrontend4(FrontendKey<Ip4>),
    /// Deletes an entry of `frontends6`.
    RemoveFrontend6(FrontendKey<Ip6>),
    /// Deletes an entry of `source_ranges4`.
    Bar4(SourceRangeKey<Ip4>),
    /// Deletes an entry of `source_ranges6`.
    Bar6(SourceRangeKey<Ip6>),
}

/// The maps of an address family.
pub(super) trait Maps: Address {
    fn half(image: &Image) -> &FamilyImage<Self>;
    fn half_mut(image: &mut Image) -> &mut FamilyImage<Self>;
    fn desired(desired: &Desired) -> &DesiredFamily<Self>;
    fn known(planner: &Planner) -> &Known<Self>;
    /// What is known of the family together with its half of the mirror.
    fn state(planner: &mut Planner) -> (&mut Known<Self>, &mut FamilyImage<Self>);
    fn backend(id: BackendId, backend: Backend<Self>) -> Write;
    fn frontend(key: FrontendKey<Self>, frontend: Frontend) -> Write;
    fn remove(key: FrontendKey<Self>) -> Write;
    fn admit(key: SourceRangeKey<Self>) -> Write;
    fn bar(key: SourceRangeKey<Self>) -> Write;
}

macro_rules! maps {
    ($family:ty, $half:ident, $known:ident, $($name:ident: $write:ident($($part:ident: $kind:ty),+)),+) => {
        impl Maps for $family {
            fn half(image: &Image) -> &FamilyImage<Self> {
                &image.$half
            }
            fn half_mut(image: &mut Image) -> &mut FamilyImage<Self> {
                &mut image.$half
            }
            fn desired(desired: &Desired) -> &DesiredFamily<Self> {
                &desired.$half
            }
            fn known(planner: &Planner) -> &Known<Self> {
                &planner.$known
            }
            fn state(planner: &mut Planner) -> (&mut Known<Self>, &mut FamilyImage<Self>) {
                (&mut planner.$known, &mut planner.image.$half)
            }
            $(fn $name($($part: $kind),+) -> Write {
                Write::$write($($part),+)
            })+
        }
    };
}

maps!(Ip4, v4, known4,
    backend: Backend4(id: BackendId, backend: Backend<Self>),
    frontend: Frontend4(key: FrontendKey<Self>, frontend: Frontend),
    remove: RemoveFrontend4(key: FrontendKey<Self>),
    admit: Admit4(key: SourceRangeKey<Self>),
    bar: Bar4(key: SourceRangeKey<Self>));
maps!(Ip6, v6, known6,
    backend: Backend6(id: BackendId, backend: Backend<Self>),
    frontend: Frontend6(key: FrontendKey<Self>, frontend: Frontend),
    remove: RemoveFrontend6(key: FrontendKey<Self>),
    admit: Admit6(key: SourceRangeKey<Self>),
    bar: Bar6(key: SourceRangeKey<Self>));

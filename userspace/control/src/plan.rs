//! What the maps hold and what they should hold, to ordered writes.
//!
//! The order keeps traffic whole (rule 5.1.12): backends, then the slots of new tables (written where
//! nobody looks), then frontends, each of which moves in one write, then frontends that go, then
//! backends that nobody names any more; source ranges around the frontends, see [`guard`]. A packet that read a frontend just before it moved still
//! walks the old table; so what a plan lets go, slots and backend ids alike, is given to somebody
//! else by the plan after the next at the earliest.
//!
//! A service port that does not fit is left as it is, and told about; the others go on.

pub mod image;
pub mod write;
mod ranges;
mod backends;
mod services;
mod known;
mod adopt;
mod draft;
mod tables;
mod place;
mod guard;
mod finish;
mod release;

use std::net::IpAddr;

use tidegate_abi::{Address, BackendId, Family, Ip4, Ip6, maps};

use crate::{
    desired::{Delta, Desired},
    model::PortKey,
    problem::Problem,
};
use draft::Draft;
use finish::Markers;
pub use image::{FamilyImage, Image, Limits};
use known::Known;
use ranges::Ranges;
use services::Services;
use write::Maps;
pub use write::Write;

/// Keeps ids and table ranges from plan to plan, and a mirror of what the maps hold.
#[derive(Debug)]
pub struct Planner {
    image: Image,
    limits: Limits,
    ranges: Ranges,
    services: Services,
    known4: Known<Ip4>,
    known6: Known<Ip6>,
    /// The number of this plan.
    turn: u64,
}

/// What a plan wants written, in order.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Plan {
    /// To be carried out one after the other. If one fails, read the maps and adopt them again.
    pub writes: Vec<Write>,
    /// Service ports that did not fit; the next plan tries again.
    pub problems: Vec<Problem>,
    /// UDP backends stop serving: sockets that were translated when they connected do not notice.
    pub lost_udp: bool,
    /// UDP frontends are taken away from service ports, or given to others: their flows do not go on
    /// (rules 5.2.9 and 5.2.12).
    pub moved_udp: bool,
    /// Ids that this plan gave to service ports: whatever is kept by id begins anew, before the writes.
    pub new_services: Vec<u32>,
    /// Ids that belong to no service port any more.
    pub gone_services: Vec<u32>,
}

impl Planner {
    /// Starts from what the maps hold: nothing, or what an earlier agent left there, in any state.
    pub fn adopt(mut image: Image, limits: Limits) -> Self {
        adopt::source_ranges(&mut image.v4);
        adopt::source_ranges(&mut image.v6);
        let ranges = adopt::ranges(&image, &limits);
        let services = adopt::services(&image);
        let backends4 = adopt::backends(&image.v4, &image.slots, limits.backends);
        let backends6 = adopt::backends(&image.v6, &image.slots, limits.backends);
        Self {
            image,
            limits,
            ranges,
            services,
            known4: Known::new(backends4),
            known6: Known::new(backends6),
            turn: 0,
        }
    }

    /// The writes that make the maps hold what is desired, and nothing else. The mirror is changed as if they
    /// had all been carried out. The first plan must be one of these.
    pub fn plan(&mut self, desired: &Desired) -> Plan {
        self.begin();
        if self.turn == 1 {
            let seen4 = services::seen(&self.image.v4, &desired.v4.ports);
            let seen6 = services::seen(&self.image.v6, &desired.v6.ports);
            self.services.recognise(seen4.chain(seen6));
        }
        let mut draft = Draft::default();
        self.place_all::<Ip4>(desired, &mut draft);
        self.place_all::<Ip6>(desired, &mut draft);
        let markers = Markers {
            v4: &desired.v4.markers,
            v6: &desired.v6.markers,
        };
        self.sweep(&markers, &mut draft);
        self.finished(draft)
    }

    /// The same where all that changed since the last plan is known: the cost is that of the change.
    pub fn advance(&mut self, delta: &Delta) -> Plan {
        self.begin();
        let mut draft = Draft::default();
        let touched4 = self.place_some::<Ip4>(&delta.v4, &mut draft);
        let touched6 = self.place_some::<Ip6>(&delta.v6, &mut draft);
        self.release(touched4, &mut draft);
        self.release(touched6, &mut draft);
        self.finished(draft)
    }

    fn begin(&mut self) {
        self.turn += 1;
        self.ranges.begin(self.turn);
        self.known4.backends.begin(self.turn);
        self.known6.backends.begin(self.turn);
    }

    fn finished(&mut self, draft: Draft) -> Plan {
        Plan {
            new_services: self.services.take_new(),
            gone_services: self.services.take_gone(),
            ..draft.into_plan()
        }
    }

    fn place_all<A: Maps>(&mut self, desired: &Desired, draft: &mut Draft) {
        let family = A::desired(desired);
        let (known, _) = A::state(self);
        let mut old = std::mem::take(&mut known.ports);
        known.short.clear();
        known.unmarked.clear();
        known.forget_places();
        for port in &family.ports {
            known.tell(None, Some(port), &mut known::Moves::new());
        }
        for port in &family.ports {
            let old = old.remove(&port.key).and_then(|it| it.placed);
            self.settle(port, old.as_ref(), draft);
        }
        for &(addr, flags) in &family.markers {
            self.mark(addr, flags, draft);
        }
    }

    /// What the maps hold once all writes so far are carried out.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Name, entries used and capacity of the maps that are arrays, whose entries nobody else can count. What
    /// rests before it may be given out again is used.
    pub fn map_use(&self) -> [(&'static str, u32, u32); 3] {
        let Limits {
            slots, backends, ..
        } = self.limits;
        let ids = |room: usize| {
            // Nobody has id 0.
            let all = backends.saturating_sub(1);
            all.saturating_sub(u32::try_from(room).unwrap_or(all))
        };
        [
            (
                maps::BACKENDS[0],
                ids(self.known4.backends.room()),
                backends,
            ),
            (
                maps::BACKENDS[1],
                ids(self.known6.backends.room()),
                backends,
            ),
            (maps::SLOTS, slots.saturating_sub(self.ranges.room()), slots),
        ]
    }

    /// The address and port of a backend that serves.
    pub fn backend_key(&self, family: Family, id: BackendId) -> Option<(IpAddr, u16)> {
        match family {
            Family::V4 => backends::key(&self.image.v4, id),
            Family::V6 => backends::key(&self.image.v6, id),
        }
    }

    /// The id of the service port that has this backend, as long as it serves.
    pub fn backend_owner(&self, family: Family, id: BackendId) -> Option<u32> {
        match family {
            Family::V4 => self.known4.backends.owner(id),
            Family::V6 => self.known6.backends.owner(id),
        }
    }

    /// The service port with this id.
    pub fn service_name(&self, service: u32) -> Option<&PortKey> {
        self.services.name(service)
    }

    /// The id of a service port.
    pub fn service_id(&self, key: &PortKey) -> Option<u32> {
        self.services.id(key)
    }

    /// Makes flows to an address begin anew: the pod behind it is another one, or moved.
    pub fn bump_backends_at(&mut self, ip: IpAddr) -> Vec<Write> {
        match ip {
            IpAddr::V4(_) => Ip4::from_ip(ip).map(|addr| self.bump(addr)),
            IpAddr::V6(_) => Ip6::from_ip(ip).map(|addr| self.bump(addr)),
        }
        .unwrap_or_default()
    }

    fn bump<A: Maps>(&mut self, addr: A) -> Vec<Write> {
        let (known, half) = A::state(self);
        let bumped = known.backends.bump(half, addr);
        bumped
            .into_iter()
            .map(|(id, backend)| A::backend(id, backend))
            .collect()
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod random_tests;
#[cfg(test)]
pub(crate) mod testing;

//! The maps, and the packets that walk them between any two writes.

use std::collections::{HashMap, HashSet};

use tidegate_abi::{
    Backend, BackendId, Frontend, FrontendKey, Ip4, Ip6, Port, SourceRangeKey, backend,
};

use super::Change;
use crate::{
    desired::canonical,
    plan::{Image, Planner, Write, image::table, write::Maps},
};

/// What a frontend resolves to: its service port, and the backends of both tables.
type Resolved<A> = (FrontendKey<A>, Frontend, [Vec<(A, Port)>; 2]);

/// The maps, and what packets may have read from them in this plan and in the one before.
#[derive(Default)]
pub(crate) struct Kernel {
    pub(crate) image: Image,
    read4: [Vec<Resolved<Ip4>>; 2],
    read6: [Vec<Resolved<Ip6>>; 2],
    records4: Records,
    records6: Records,
}

/// What clients with affinity remember: service port, backend and its generation.
pub(super) type Records = HashSet<(u32, BackendId, u32)>;

impl Kernel {
    pub(crate) fn holding(image: Image) -> Self {
        Self {
            image,
            ..Self::default()
        }
    }

    pub(crate) fn apply(&mut self, write: &Write) {
        match write {
            Write::Backend4(id, backend) => set(&mut self.image, *id, *backend),
            Write::Backend6(id, backend) => set(&mut self.image, *id, *backend),
            Write::Frontend4(key, value) => drop(self.image.v4.frontends.insert(*key, *value)),
            Write::Frontend6(key, value) => drop(self.image.v6.frontends.insert(*key, *value)),
            Write::RemoveFrontend4(key) => {
                assert!(
                    self.image.v4.frontends.remove(key).is_some(),
                    "{key:?} was not there"
                );
            }
            Write::RemoveFrontend6(key) => {
                assert!(
                    self.image.v6.frontends.remove(key).is_some(),
                    "{key:?} was not there"
                );
            }
            Write::Admit4(key) => admit(&mut self.image, *key),
            Write::Admit6(key) => admit(&mut self.image, *key),
            Write::Bar4(key) => bar(&mut self.image, *key),
            Write::Bar6(key) => bar(&mut self.image, *key),
            Write::Slots { start, ids } => {
                let (start, end) = (*start as usize, *start as usize + ids.len());
                if self.image.slots.len() < end {
                    self.image.slots.resize(end, BackendId::default());
                }
                self.image.slots[start..end].copy_from_slice(ids);
            }
        }
    }

    /// A new plan: readers of the plan before the last one are done.
    pub(crate) fn next_plan(&mut self) {
        self.read4.swap(0, 1);
        self.read4[1].clear();
        self.read6.swap(0, 1);
        self.read6[1].clear();
        forget::<Ip4>(&self.image, &mut self.records4);
        forget::<Ip6>(&self.image, &mut self.records6);
        self.read();
    }

    /// Another agent starts: readers of the last one are done. What clients remember stays.
    pub(crate) fn restart(&mut self) {
        (self.read4, self.read6) = Default::default();
    }

    /// Packets read all frontends now, and clients with affinity go to all backends.
    pub(crate) fn read(&mut self) {
        read_all(&self.image, &mut self.read4[1]);
        read_all(&self.image, &mut self.read6[1]);
        remember::<Ip4>(&self.image, &mut self.records4);
        remember::<Ip6>(&self.image, &mut self.records6);
    }

    /// Rule 5.1.12, for packets that read a frontend now and for those that read one a plan ago; and
    /// that nobody is let in, kept out, or led by affinity who should not be.
    pub(crate) fn check(&self, change: &Change<'_>, planner: &Planner) {
        check_now(&self.image, &change.v4.allowed);
        check_now(&self.image, &change.v6.allowed);
        check_readers(&self.image, &self.read4);
        check_readers(&self.image, &self.read6);
        change.v4.check_clients(&self.image, planner);
        change.v6.check_clients(&self.image, planner);
        let (image, is_listed) = (&self.image, change.is_listed);
        change
            .v4
            .check_affinity(image, &self.records4, planner, is_listed);
        change
            .v6
            .check_affinity(image, &self.records6, planner, is_listed);
    }
}

fn admit<A: Maps>(image: &mut Image, key: SourceRangeKey<A>) {
    assert_eq!(canonical(key), key, "bits behind the prefix");
    assert!(
        A::half_mut(image).source_ranges.insert(key),
        "{key:?} was there"
    );
}

/// The kernel does not look at bits behind the prefix.
fn bar<A: Maps>(image: &mut Image, key: SourceRangeKey<A>) {
    let held = &mut A::half_mut(image).source_ranges;
    let before = held.len();
    held.retain(|other| canonical(*other) != key);
    assert_eq!(held.len() + 1, before, "{key:?} was not there");
}

fn remember<A: Maps>(image: &Image, records: &mut Records) {
    let half = A::half(image);
    for value in half.frontends.values() {
        for pool in [value.cluster, value.local] {
            for id in table(&image.slots, pool).into_iter().flatten() {
                let backend = half.backend(*id).expect("no such backend");
                records.insert((value.service, *id, backend.generation));
            }
        }
    }
}

/// Nobody asks for records of another generation.
fn forget<A: Maps>(image: &Image, records: &mut Records) {
    let serves = |id: BackendId, generation: u32| {
        let backend = A::half(image).backend(id);
        backend.is_some_and(|it| it.serves(generation))
    };
    records.retain(|(_, id, generation)| serves(*id, *generation));
}

fn set<A: Maps>(image: &mut Image, id: BackendId, new: Backend<A>) {
    let half = A::half_mut(image);
    if let Some(old) = half.backend(id) {
        let (was, is) = (
            old.flags & backend::flags::SERVING,
            new.flags & backend::flags::SERVING,
        );
        let other = (old.addr, old.port) != (new.addr, new.port) || was != is;
        assert!(new.generation >= old.generation, "a generation shrank");
        assert!(
            !other || new.generation > old.generation,
            "{old:?} became {new:?}"
        );
    }
    half.set_backend(id, new);
}

fn read_all<A: Maps>(image: &Image, read: &mut Vec<Resolved<A>>) {
    for (key, value) in &A::half(image).frontends {
        // What was read before is compared already.
        if !read
            .iter()
            .any(|(known, old, _)| known == key && old == value)
        {
            read.push((*key, *value, resolve(image, value)));
        }
    }
}

pub(super) fn resolve<A: Maps>(image: &Image, value: &Frontend) -> [Vec<(A, Port)>; 2] {
    [value.cluster, value.local].map(|pool| {
        let ids = table(&image.slots, pool).expect("a table lies outside the map");
        let backends = ids
            .iter()
            .map(|id| A::half(image).backend(*id).expect("no such backend"));
        backends
            .map(|backend| (backend.addr, backend.port))
            .collect()
    })
}

fn check_readers<A: Maps>(image: &Image, read: &[Vec<Resolved<A>>; 2]) {
    for (key, value, then) in read.iter().flatten() {
        assert_eq!(
            &resolve(image, value),
            then,
            "a packet to {key:?} went elsewhere"
        );
    }
}

fn check_now<A: Maps>(image: &Image, allowed: &HashMap<FrontendKey<A>, HashSet<(A, Port)>>) {
    for (key, value) in &A::half(image).frontends {
        for pool in [value.cluster, value.local] {
            for id in table(&image.slots, pool).expect("a table lies outside the map") {
                let backend = A::half(image).backend(*id).expect("no such backend");
                assert!(
                    backend.flags & backend::flags::SERVING != 0,
                    "{key:?}: {id:?} is gone"
                );
                let target = (backend.addr, backend.port);
                assert!(
                    allowed[key].contains(&target),
                    "{key:?} has a foreign backend"
                );
            }
        }
    }
}

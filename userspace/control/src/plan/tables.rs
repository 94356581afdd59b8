//! Selection tables: which one a service port keeps, and what is written into a new one.

use tidegate_abi::{BackendId, Pool};

use super::{
    Planner, Write,
    draft::{Draft, Shortage},
    image::table,
    known::Placed,
    write::Maps,
};
use crate::desired::{DesiredPort, Target};

/// A table that is in the maps already, or a range for one.
#[derive(Clone, Copy)]
pub(super) enum Table {
    Kept(Pool),
    New(Pool),
}

impl Table {
    pub(super) fn pool(self) -> Pool {
        match self {
            Self::Kept(pool) | Self::New(pool) => pool,
        }
    }
}

impl Planner {
    /// Finds or takes the service port's two tables, cluster and local, or takes nothing.
    pub(super) fn tables<A: Maps>(
        &mut self,
        service: u32,
        port: &DesiredPort<A>,
        old: Option<&Placed<A>>,
    ) -> Result<(Table, Table), Shortage> {
        let known = match old {
            Some(old) => vec![old.cluster, old.local],
            None => self.found_tables(port),
        };
        let cluster = self
            .table_for(service, &port.cluster, &known)
            .ok_or(Shortage::Slots)?;
        let alike = port.cluster.len() == port.local.len()
            && port
                .cluster
                .iter()
                .zip(&port.local)
                .all(|(one, other)| same(one, other));
        if alike {
            return Ok((cluster, Table::Kept(cluster.pool())));
        }
        if let Some(local) = self.table_for(service, &port.local, &known) {
            return Ok((cluster, local));
        }
        if let Table::New(pool) = cluster {
            self.ranges.untake(pool);
        }
        Err(Shortage::Slots)
    }

    /// Writes a new table; every target has an id by now.
    pub(super) fn fill<A: Maps>(
        &mut self,
        new: Table,
        service: u32,
        targets: &[Target<A>],
        draft: &mut Draft,
    ) {
        let Table::New(Pool { start, len: 1.. }) = new else {
            return;
        };
        let backends = &A::known(self).backends;
        let ids = targets.iter().filter_map(|it| backends.id(service, it));
        let mut ids: Vec<BackendId> = ids.collect();
        ids.sort_unstable();
        let (first, end) = (start as usize, start as usize + ids.len());
        if self.image.slots.len() < end {
            self.image.slots.resize(end, BackendId::default());
        }
        self.image.slots[first..end].copy_from_slice(&ids);
        draft.slots.push(Write::Slots { start, ids });
    }

    /// The tables that an earlier agent left to the service port, and that it may keep.
    fn found_tables<A: Maps>(&self, port: &DesiredPort<A>) -> Vec<Pool> {
        let half = A::half(&self.image);
        let frontends = port
            .frontends
            .iter()
            .filter_map(|(key, _)| half.frontends.get(key));
        let mut pools: Vec<Pool> = frontends
            .flat_map(|frontend| [frontend.cluster, frontend.local])
            .filter(|pool| self.ranges.is_found(pool))
            .collect();
        pools.dedup();
        pools
    }

    fn table_for<A: Maps>(
        &mut self,
        service: u32,
        targets: &[Target<A>],
        known: &[Pool],
    ) -> Option<Table> {
        let ids = &A::known(self).backends;
        let content: Option<Vec<_>> = targets
            .iter()
            .map(|target| ids.id(service, target))
            .collect();
        let len = u32::try_from(targets.len()).ok()?;
        if let Some(mut content) = content {
            content.sort_unstable();
            let holds = |pool: &&Pool| table(&self.image.slots, **pool) == Some(&content[..]);
            if let Some(pool) = known.iter().filter(|pool| pool.len > 0).find(holds) {
                self.ranges.keep_found(pool);
                return Some(Table::Kept(*pool));
            }
        }
        self.ranges.take(len).map(Table::New)
    }
}

/// Whether two targets are one backend.
pub(super) fn same<A: PartialEq>(one: &Target<A>, other: &Target<A>) -> bool {
    one.addr == other.addr && one.port == other.port
}

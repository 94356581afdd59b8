//! What the data path counts, read from the kernel at each scrape, with names instead of ids.

use std::{fmt, sync::Arc};

use tidegate_abi::{Counter, Family, Ip4, Ip6, Traffic};
use tidegate_control::{PortKey, address::family_name};
use tidegate_loader::{Error, Meters};

use super::shown::{self, Candidate};
use crate::{
    census::Census,
    names::{self, Names, ServiceName},
};

/// The kernel's counters; answered by the loader, and by a fake in tests.
pub(crate) trait Gauges: fmt::Debug + Send + Sync + 'static {
    fn reasons(&self) -> Result<Vec<Counter>, Error>;
    /// Ids from here on are not counted.
    fn capacity(&self) -> Result<u32, Error>;
    fn services(&self, ids: &[u32]) -> Result<Vec<Traffic>, Error>;
    fn backends(&self, family: Family, ids: &[u32]) -> Result<Vec<Traffic>, Error>;
}

impl Gauges for Meters {
    fn reasons(&self) -> Result<Vec<Counter>, Error> {
        self.reasons()
    }
    fn capacity(&self) -> Result<u32, Error> {
        self.capacity()
    }
    fn services(&self, ids: &[u32]) -> Result<Vec<Traffic>, Error> {
        self.services(ids.iter().copied())
    }
    fn backends(&self, family: Family, ids: &[u32]) -> Result<Vec<Traffic>, Error> {
        let ids = ids.iter().copied();
        match family {
            Family::V4 => self.backends::<Ip4>(ids),
            Family::V6 => self.backends::<Ip6>(ids),
        }
    }
}

/// Everything at one moment.
#[derive(Debug, Default)]
pub(super) struct Readings {
    pub(super) reasons: Vec<Counter>,
    pub(super) services: Vec<Row>,
    pub(super) backends: Vec<Row>,
    pub(super) left_out: LeftOut,
}

/// A service port or a backend.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) labels: Labels,
    pub(super) traffic: Traffic,
    /// Living flows.
    pub(super) active: u64,
}

/// What a row is told apart by; the last one is the family or the address.
pub(super) type Labels = [(&'static str, String); 5];

/// What has no series of its own.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct LeftOut {
    /// Their ids are too high for the kernel's tables of counters.
    pub(super) services_uncounted: usize,
    pub(super) backends_uncounted: usize,
    /// Beyond `--metrics-series-max`.
    pub(super) backends_capped: usize,
}

/// How often names may change while counters are read before what was read is taken as it is.
const TRIES: u32 = 4;

/// Reads the counters of everything that has a name.
pub(super) fn read(
    gauges: &dyn Gauges,
    names: &names::Reader,
    census: &Census,
    series_max: u32,
) -> Result<Readings, Error> {
    let mut tries = TRIES;
    loop {
        let before = Arc::clone(&names.borrow().names);
        let readings = read_named(gauges, &before, census, series_max)?;
        tries -= 1;
        // An id that came to mean something else meanwhile would show the new owner's counts under the old name.
        if tries == 0 || Arc::ptr_eq(&before, &names.borrow().names) {
            return Ok(readings);
        }
    }
}

fn read_named(
    gauges: &dyn Gauges,
    names: &Names,
    census: &Census,
    series_max: u32,
) -> Result<Readings, Error> {
    let capacity = gauges.capacity()?;
    let (services, services_uncounted) = services(gauges, names, census, capacity)?;
    let chosen = shown::choose(names, census, capacity, series_max);
    let mut backends = Vec::new();
    for (family, shown) in [(Family::V4, &chosen.v4), (Family::V6, &chosen.v6)] {
        let ids: Vec<u32> = shown.iter().map(|it| it.id).collect();
        let traffic = gauges.backends(family, &ids)?;
        let rows = shown.iter().zip(traffic);
        backends.extend(rows.filter_map(|(it, traffic)| backend(names, it, traffic)));
    }
    Ok(Readings {
        reasons: gauges.reasons()?,
        services,
        backends,
        left_out: LeftOut {
            services_uncounted,
            backends_uncounted: chosen.uncounted,
            backends_capped: chosen.capped,
        },
    })
}

/// By id, so that the order does not change from scrape to scrape; and how many are not counted.
fn services(
    gauges: &dyn Gauges,
    names: &Names,
    census: &Census,
    capacity: u32,
) -> Result<(Vec<Row>, usize), Error> {
    let all = names.services();
    let counted: Vec<(u32, &ServiceName)> = all.take_while(|(id, _)| *id < capacity).collect();
    let ids: Vec<u32> = counted.iter().map(|(id, _)| *id).collect();
    let rows = counted.iter().zip(gauges.services(&ids)?);
    let rows = rows.map(|((id, name), traffic)| {
        let family = family_name(name.key.family).to_owned();
        Row {
            labels: labels(&name.key, name.port, ("family", family)),
            traffic,
            active: census.service(*id),
        }
    });
    Ok((rows.collect(), names.service_count() - counted.len()))
}

fn backend(names: &Names, it: &Candidate, traffic: Traffic) -> Option<Row> {
    let name = names.service(it.service)?;
    Some(Row {
        labels: labels(&name.key, name.port, ("address", it.address.to_string())),
        traffic,
        active: it.active,
    })
}

/// A port without a name is known by its number.
fn labels(key: &PortKey, number: u16, last: (&'static str, String)) -> Labels {
    let port = if key.port_name.is_empty() {
        number.to_string()
    } else {
        key.port_name.clone()
    };
    let proto = key
        .proto
        .name()
        .map_or_else(|| key.proto.0.to_string(), str::to_owned);
    [
        ("namespace", key.namespace.clone()),
        ("service", key.service.clone()),
        ("port", port),
        ("protocol", proto),
        last,
    ]
}

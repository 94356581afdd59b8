//! What the agent's parts tell about themselves: counters and times, written without waiting for anybody.

mod register;

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::{Duration, SystemTime},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family as Labelled,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets, linear_buckets},
    },
};
use tidegate_abi::Family;
use tidegate_api::DeviceRow;
use tidegate_control::{address::family_name, compiler::NoLocal};

/// Seconds since 1970, as kube-proxy tells times.
type Time = Gauge<f64, AtomicU64>;

/// Shared by those who tell and the page that shows it.
#[derive(Debug)]
pub(crate) struct Vitals {
    sync: Histogram,
    event_to_map: Histogram,
    programming: Labelled<OfFamily, Histogram>,
    sync_failures: Counter,
    last_sync: Time,
    last_queued: Time,
    service_changes: Changes,
    endpoint_changes: Changes,
    no_local: Labelled<NoLocalLabels, Gauge>,
    api_requests: Labelled<Request, Counter>,
    probes: [Labelled<Code, Counter>; 2],
    devices: Mutex<Arc<[DeviceRow]>>,
    /// Name, entries used and capacity of the maps that the planner fills.
    planned: Mutex<Vec<(&'static str, u32, u32)>>,
    /// Why the port for metrics is not open; `None`: it is, or is not wanted.
    problem: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
struct Changes {
    total: Counter,
    pending: Gauge,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct OfFamily {
    ip_family: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct NoLocalLabels {
    traffic_policy: &'static str,
    ip_family: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Code {
    code: u16,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Request {
    method: &'static str,
    code: u16,
}

/// A path of the proxy's own port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Probe {
    Healthz,
    Livez,
}

impl Default for Vitals {
    fn default() -> Self {
        // Those of kube-proxy, whose dashboards compute quantiles from them.
        let short = || Histogram::new(exponential_buckets(0.001, 2.0, 15));
        let vitals = Self {
            sync: short(),
            event_to_map: short(),
            programming: Labelled::new_with_constructor(programming),
            sync_failures: Counter::default(),
            last_sync: Time::default(),
            last_queued: Time::default(),
            service_changes: Changes::default(),
            endpoint_changes: Changes::default(),
            no_local: Labelled::default(),
            api_requests: Labelled::default(),
            probes: Default::default(),
            devices: Mutex::new(Arc::default()),
            planned: Mutex::default(),
            problem: Mutex::default(),
        };
        // A series that is not there before its first event hides that event from rates.
        for family in [Family::V4, Family::V6] {
            drop(vitals.programming.get_or_create(&of(family)));
            vitals.set_no_local(family, NoLocal::default());
        }
        for (probe, code) in vitals.probes.iter().flat_map(|it| [(it, 200), (it, 503)]) {
            drop(probe.get_or_create(&Code { code }));
        }
        vitals
    }
}

/// 0.25 s, 0.5 s, then seconds up to a minute, and on to five minutes in wider steps.
fn programming() -> Histogram {
    let fine = linear_buckets(0.25, 0.25, 2).chain(linear_buckets(1.0, 1.0, 59));
    let coarse = linear_buckets(60.0, 5.0, 12).chain(linear_buckets(120.0, 30.0, 7));
    Histogram::new(fine.chain(coarse))
}

fn of(family: Family) -> OfFamily {
    OfFamily {
        ip_family: family_name(family),
    }
}

impl Vitals {
    /// Something changed that must get into the maps.
    pub(super) fn queued(&self) {
        self.last_queued.set(now());
    }

    /// The maps match the sources again.
    pub(super) fn synced(&self, took: Duration) {
        self.sync.observe(took.as_secs_f64());
        self.last_sync.set(now());
        self.service_changes.pending.set(0);
        self.endpoint_changes.pending.set(0);
    }

    /// A sync did not succeed.
    pub(super) fn failed(&self) {
        self.sync_failures.inc();
    }

    /// From the moment when a source heard of something until the maps had it.
    pub(super) fn waited(&self, time: Duration) {
        self.event_to_map.observe(time.as_secs_f64());
    }

    /// From the moment when the cluster's endpoint controller saw a change until the maps had it.
    pub(super) fn programmed(&self, family: Family, seconds: f64) {
        let histogram = self.programming.get_or_create(&of(family));
        histogram.observe(seconds);
    }

    /// Services and slices that changed.
    pub(super) fn changed(&self, services: u64, endpoints: u64) {
        for (changes, count) in [
            (&self.service_changes, services),
            (&self.endpoint_changes, endpoints),
        ] {
            changes.total.inc_by(count);
            changes
                .pending
                .inc_by(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// Service ports with policy Local and nobody here, internal and external (rule 2.4.14).
    pub(super) fn set_no_local(&self, family: Family, counts: NoLocal) {
        let NoLocal { internal, external } = counts;
        for (traffic_policy, count) in [("internal", internal), ("external", external)] {
            let ip_family = family_name(family);
            let labels = NoLocalLabels {
                traffic_policy,
                ip_family,
            };
            self.no_local.get_or_create(&labels).set(i64::from(count));
        }
    }

    /// All devices that match, attached or not.
    pub(crate) fn set_devices(&self, rows: Vec<DeviceRow>) {
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        *devices = rows.into();
    }

    pub(super) fn devices(&self) -> Arc<[DeviceRow]> {
        let devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&devices)
    }

    /// How full the maps are whose entries only the planner can count.
    pub(crate) fn set_planned(&self, maps: impl Into<Vec<(&'static str, u32, u32)>>) {
        *self.planned.lock().unwrap_or_else(PoisonError::into_inner) = maps.into();
    }

    pub(super) fn planned(&self) -> Vec<(&'static str, u32, u32)> {
        let planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        planned.clone()
    }

    /// Somebody asked the local API, and this was the answer's status code.
    pub(crate) fn api_answered(&self, method: &str, code: u16) {
        // Others than these would be as many series as a client can think of.
        let known = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"];
        let method = known
            .into_iter()
            .find(|it| *it == method)
            .unwrap_or("other");
        self.api_requests
            .get_or_create(&Request { method, code })
            .inc();
    }

    /// A load balancer or a supervisor was answered at the proxy's own port.
    pub(crate) fn probed(&self, probe: Probe, code: u16) {
        let [healthz, livez] = &self.probes;
        let probes = match probe {
            Probe::Healthz => healthz,
            Probe::Livez => livez,
        };
        probes.get_or_create(&Code { code }).inc();
    }

    /// Why the port for metrics is not open.
    pub(super) fn set_problem(&self, problem: Option<String>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    /// Why the port for metrics is not open.
    pub(crate) fn problem(&self) -> Option<String> {
        let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        problem.clone()
    }
}

fn now() -> f64 {
    let since_epoch = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    since_epoch.as_secs_f64()
}

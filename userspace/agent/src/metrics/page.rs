//! The page: everything that is known at this moment, in the order of `golden.txt`.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text::encode},
    metrics::{counter, info::Info},
    registry::Registry,
};
use tidegate_abi::ABI_VERSION;

use super::{
    Vitals,
    process::Process,
    samples::{Head, Sheet},
    sections,
    text::{self, Format},
    traffic::{self, Gauges},
};
use crate::{census, names};

/// Where the page's numbers come from.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) gauges: Box<dyn Gauges>,
    pub(crate) names: names::Reader,
    pub(crate) census: census::Reader,
    /// `--metrics-series-max`.
    pub(crate) series_max: u32,
}

/// Everything that `/metrics` shows.
#[derive(Debug)]
pub(crate) struct Page(Registry);

impl Page {
    pub(crate) fn new(sources: Sources) -> Self {
        let mut registry = Registry::default();
        let build = Info::new([
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("abi", ABI_VERSION.to_string()),
        ]);
        registry.register("tidegate_build", "The version of this agent", build);
        sources.vitals.register(&mut registry);
        let failures = counter::Counter::<u64>::default();
        registry.register(
            "tidegate_scrape_failures",
            "Scrapes that lack the traffic, because the kernel's counters could not be read",
            failures.clone(),
        );
        registry.register_collector(Box::new(State {
            sources,
            failures,
            has_told: AtomicBool::new(false),
        }));
        registry.register_collector(Box::new(Process::default()));
        Self(registry)
    }

    /// The page as text. It makes system calls, a few for each Service and backend.
    pub(super) fn render(&self, format: Format) -> Result<String, fmt::Error> {
        let mut page = String::new();
        encode(&mut page, &self.0)?;
        Ok(match format {
            Format::OpenMetrics => page,
            Format::Plain => text::plain(&page),
        })
    }
}

/// What is read when somebody asks.
#[derive(Debug)]
struct State {
    sources: Sources,
    failures: counter::Counter,
    has_told: AtomicBool,
}

impl Collector for State {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut sheet = Sheet(encoder);
        let Sources {
            gauges,
            names,
            census,
            series_max,
            ..
        } = &self.sources;
        self.agent(&mut sheet)?;
        let census = Arc::clone(&census.borrow());
        sections::tables(&mut sheet, &census, &self.sources.vitals.planned())?;
        match traffic::read(&**gauges, names, &census, *series_max) {
            Ok(readings) => {
                sections::reasons(&mut sheet, &readings.reasons)?;
                sections::services(&mut sheet, &readings.services)?;
                sections::backends(&mut sheet, &readings.backends)?;
                sections::left_out(&mut sheet, readings.left_out)
            }
            Err(error) => {
                // The page is read every few seconds: once is enough.
                if !self.has_told.swap(true, Ordering::Relaxed) {
                    tracing::warn!("/metrics lacks the traffic: {error}");
                }
                self.failures.inc();
                Ok(())
            }
        }
    }
}

impl State {
    fn agent(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let (synced, problems, ports) = {
            let published = self.sources.names.borrow();
            let ports = published.names.service_count();
            (u32::from(published.is_synced), published.problems, ports)
        };
        let head = Head("tidegate_synced", None, "1: the maps match the sources.");
        sheet.gauge(head, synced)?;
        let help = "Lines under Problems in `tidegate status`.";
        sheet.gauge(Head("tidegate_problems", None, help), problems)?;
        let help = "Ports of Services, each family for itself.";
        sheet.gauge(Head("tidegate_service_ports", None, help), ports)?;
        let devices = self.sources.vitals.devices();
        let mut counts = BTreeMap::<_, u32>::new();
        for it in devices.iter() {
            let attached = if it.hooks.is_empty() { "false" } else { "true" };
            *counts.entry((&*it.role, &*it.hooks, attached)).or_default() += 1;
        }
        let samples = counts.into_iter().map(|((role, hook, attached), count)| {
            (
                [("role", role), ("hook", hook), ("attached", attached)],
                count,
            )
        });
        let help = "Network devices that match, by role and hook.";
        sheet.gauges(Head("tidegate_devices", None, help), samples)
    }
}

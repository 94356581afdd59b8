//! A page over a planner that is real and counters that are not.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tidegate_abi::{Counter, Family, Flow, Ip4, Port, Reason, Traffic, reason};
use tidegate_control::{Compiler, Image, Limits, NodeFacts, Planner, Store, manifest};
use tidegate_loader::Error;
use tokio::sync::watch;

use super::parse;
use crate::{
    census::Census,
    metrics::{Page, Sources, Vitals, text::Format, traffic::Gauges},
    names::{Names, Published},
};

/// A Service and its endpoints at port 8080.
pub(super) fn service(name: &str, last: u8, endpoints: &[&str]) -> String {
    let endpoints: Vec<String> = endpoints
        .iter()
        .map(|ip| format!("{{addresses: [{ip}]}}"))
        .collect();
    format!(
        "
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{clusterIP: 10.96.0.{last}, ports: [{{port: 80}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{port: 8080}}]
endpoints: [{}]
",
        endpoints.join(", ")
    )
}

pub(crate) struct Scene {
    pub(super) series_max: u32,
    pub(super) capacity: u32,
    pub(super) fails: bool,
    store: Store,
    compiler: Compiler,
    planner: Planner,
    names: watch::Sender<Published>,
    census: watch::Sender<Arc<Census>>,
    vitals: Arc<Vitals>,
    kernel: Kernel,
}

/// Traffic of service ports, and of backends.
type Kernel = Arc<Mutex<[HashMap<u32, Traffic>; 2]>>;

#[derive(Debug)]
struct Fake {
    kernel: Kernel,
    capacity: u32,
    fails: bool,
}

impl Fake {
    fn of(&self, which: usize, ids: &[u32]) -> Result<Vec<Traffic>, Error> {
        let kernel = self.kernel.lock().unwrap();
        Ok(ids
            .iter()
            .map(|id| kernel[which].get(id).copied().unwrap_or_default())
            .collect())
    }
}

impl Gauges for Fake {
    fn reasons(&self) -> Result<Vec<Counter>, Error> {
        let mut counts = vec![Counter::default(); reason::COUNT];
        counts[Reason::NoEndpoints as usize].packets = 9;
        counts[Reason::NewFlow as usize].bytes = 800;
        Ok(counts)
    }
    fn capacity(&self) -> Result<u32, Error> {
        // Errors are made by the loader alone: this one says "cannot open".
        if self.fails {
            return Err(tidegate_loader::lock(Path::new("/no/counters")).unwrap_err());
        }
        Ok(self.capacity)
    }
    fn services(&self, ids: &[u32]) -> Result<Vec<Traffic>, Error> {
        self.of(0, ids)
    }
    fn backends(&self, family: Family, ids: &[u32]) -> Result<Vec<Traffic>, Error> {
        assert!(family == Family::V4 || ids.is_empty());
        self.of(1, ids)
    }
}

impl Scene {
    pub(crate) fn new(series_max: u32) -> Self {
        Self {
            series_max,
            capacity: 1000,
            fails: false,
            store: Store::new(30000..=32767),
            compiler: Compiler::default(),
            planner: Planner::adopt(Image::default(), Limits::default()),
            names: watch::Sender::default(),
            census: watch::Sender::default(),
            vitals: Arc::default(),
            kernel: Arc::default(),
        }
    }

    /// The loop takes this in as all that there is.
    pub(super) fn turn(&mut self, text: &str) {
        let _problems = self
            .store
            .replace_file("all.yaml", manifest::parse("all.yaml", text));
        let node = NodeFacts {
            name: "a".into(),
            ..NodeFacts::default()
        };
        let changed = self.store.take_changed();
        self.compiler.update(&self.store, &changed, &node);
        let _plan = self.planner.plan(&self.compiler.desired());
        self.names.send_modify(|it| {
            let names = Names::of_all(&self.planner, &self.compiler, &it.names);
            it.names = Arc::new(names);
            it.is_synced = true;
        });
    }

    pub(super) fn vitals(&self) -> &Vitals {
        &self.vitals
    }

    pub(super) fn service_id(&self, name: &str) -> u32 {
        let published = self.names.borrow();
        let mut services = published.names.services();
        services.find(|(_, it)| it.key.service == name).unwrap().0
    }

    /// The id of the backend that serves at this address.
    pub(super) fn backend_id(&self, ip: &str) -> u32 {
        let published = self.names.borrow();
        let mut backends = published.names.backends(Family::V4);
        let is_it = |it: &crate::names::BackendName| it.serves && it.address.ip().to_string() == ip;
        backends.find(|(_, it)| is_it(it)).unwrap().0
    }

    /// Packets and bytes forward, packets and bytes of replies; flows that were opened.
    pub(super) fn count(
        &self,
        service: u32,
        backend: u32,
        [packets, bytes, reply_packets, reply_bytes]: [u64; 4],
        opened: u64,
    ) {
        let mut kernel = self.kernel.lock().unwrap();
        let [services, backends] = &mut *kernel;
        for traffic in [
            services.entry(service).or_default(),
            backends.entry(backend).or_default(),
        ] {
            traffic.packets += packets;
            traffic.bytes += bytes;
            traffic.reply_packets += reply_packets;
            traffic.reply_bytes += reply_bytes;
            traffic.opened += opened;
        }
    }

    pub(super) fn refuse(&self, service: u32, count: u64) {
        self.kernel.lock().unwrap()[0]
            .entry(service)
            .or_default()
            .refused += count;
    }

    /// So many living flows.
    pub(super) fn census(&mut self, service: u32, ip: &str, count: u32) {
        let ip: std::net::Ipv4Addr = ip.parse().unwrap();
        let flow = Flow {
            dst: Ip4::new(ip.octets()),
            dst_port: Port::new(8080),
            backend: 1,
            service,
            seen: 100,
            created: 100,
            ..Flow::default()
        };
        let mut census = Census::default();
        (0..count).for_each(|_| census.count(&flow, 100));
        census.maps = vec![
            ("flows4".to_owned(), Some(2 * count), 1024),
            ("lpm".to_owned(), None, 7),
        ];
        census.taken = Some(Instant::now());
        self.census.send_replace(Arc::new(census));
    }

    /// At least one sample of every metric.
    pub(super) fn tell_everything(&self) {
        self.vitals.queued();
        self.vitals.synced(Duration::from_millis(3));
        self.vitals.waited(Duration::from_millis(3));
        self.vitals.api_answered("GET", 200);
        self.vitals.set_planned([("slots", 3, 9)]);
        self.vitals
            .set_devices(vec![tidegate_api::DeviceRow::default()]);
        let mut census = Census::default();
        census.maps = vec![("flows4".to_owned(), Some(0), 1024)];
        census.taken = Some(Instant::now());
        self.census.send_replace(Arc::new(census));
    }

    pub(crate) fn page(&self) -> Page {
        Page::new(Sources {
            vitals: Arc::clone(&self.vitals),
            gauges: Box::new(Fake {
                kernel: Arc::clone(&self.kernel),
                capacity: self.capacity,
                fails: self.fails,
            }),
            names: self.names.subscribe(),
            census: self.census.subscribe(),
            series_max: self.series_max,
        })
    }

    pub(super) fn parsed(&self) -> parse::Page {
        let text = self.page().render(Format::OpenMetrics).unwrap();
        parse::page(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// In the older format. The second one: some numbers change by being looked at.
    pub(super) fn plain(&self) -> String {
        let page = self.page();
        let _first = page.render(Format::OpenMetrics).unwrap();
        page.render(Format::Plain).unwrap()
    }

    /// A line of the page, which must be a right one in whole.
    pub(super) fn shows(&self, line: &str) {
        let _right = self.parsed();
        let text = self.page().render(Format::OpenMetrics).unwrap();
        assert!(text.lines().any(|it| it == line), "no {line} in\n{text}");
    }
}

/// A metric by its name.
pub(super) fn metric<'a>(page: &'a parse::Page, name: &str) -> &'a parse::Metric {
    let found = page.iter().find(|(it, _)| it == name);
    &found.unwrap_or_else(|| panic!("no {name}")).1
}

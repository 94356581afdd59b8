//! `tidegate run`: checks, loads, attaches, starts the tasks, and ends in order.
//!
//! Everything that can fail without touching the kernel comes first; what was put there by a start
//! that fails later is taken away again, unless an earlier run's pins were there before.

use std::{fs, path::Path, path::PathBuf, sync::Arc};

use anyhow::{Context, Result};
use tidegate_loader::{self as loader, DataPath, EventSource, Meters};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};

use crate::{
    api, census,
    config::{Config, HealthAddress, MetricsAddress},
    devices::declared::Devices,
    events::Events,
    health::ProxyPort,
    hidden,
    metrics::{self, MetricsPort, Page},
    netlink::{self, Snapshot},
    objects::Objects,
    preflight,
    reconcile::{Inputs, Reconciler, run},
    sockets::{self, Trigger},
    sources::{Batch, Source, kubernetes, manifests},
    state::Allocator,
    sweep,
    watching::Watching,
};

const NO_COOKIE: &str = "off, because this kernel does not tell the network namespace's cookie (Linux 5.14 does, and 5.7 where a cgroup2 is mounted): processes of this host reach Services through the packet path only";
/// News wait here while the loop is busy; each kind is gathered before it is used.
const WAITING: usize = 64;

/// Runs the agent until it is told to stop.
pub(crate) async fn start(config: Config) -> Result<()> {
    hidden::arm();
    let config = Arc::new(config);
    let stop = stop_signals()?;
    let cgroup = preflight::check(&config)?;
    let (snapshots_in, snapshots) = mpsc::channel(WAITING);
    let (first, _follower) = netlink::follow(snapshots_in).await?;
    preflight::named_devices(&config, &first)?;
    let (batches_in, batches) = mpsc::channel(WAITING);
    let sources = follow_sources(&config, &batches_in).await?;

    let _state = take(&config.state_dir, "--state-dir")?;
    let allocator = Allocator::open(&config, &config.state_dir)?;
    let objects = open_objects(&config, batches_in)?;
    let devices = Arc::new(Devices::open(&config.state_dir)?);
    let (_socket, listener) = api::bind(&config.api, config.api_group.as_deref())?;
    let (asking, queries) = mpsc::channel(WAITING);

    let existed = config.bpffs.exists();
    let _pins = take(&config.bpffs, "--bpffs")?;
    let footprint = Footprint::new(&config.bpffs, existed);
    let (state, beside) = load(&config, cgroup, &first, Arc::clone(&devices))?;
    let mut state = state
        .with_allocator(allocator)?
        .with_sources(sources)
        .with_objects(objects.clone());
    state.take_batch(objects.everything());
    footprint.stays();
    let _health = open_health(&config, &state);
    let watching = watch(&config, &state, beside.watched, beside.census.clone())?;
    let _metrics = open_metrics(&config, &state, beside.meters, beside.census);

    warn_of_nothing(&config, &objects);
    let asked = api::Api {
        asking,
        objects,
        devices,
        watching: Some(watching),
        vitals: Arc::clone(state.vitals()),
    };
    let server = tokio::spawn(api::serve(listener, asked));
    run(
        state,
        Inputs {
            batches,
            snapshots,
            queries,
        },
        stop,
    )
    .await;
    server.abort();
    finish(&config)
}

/// Starts whoever tells of objects, but for the standalone store; all of them, that one included.
async fn follow_sources(config: &Config, batches: &mpsc::Sender<Batch>) -> Result<Vec<Source>> {
    let mut sources = vec![Source::Manifests, Source::Api];
    if let Some(server) = &config.kubernetes {
        let url = server.check().await?;
        tracing::info!("Services and endpoints come from {url}");
        kubernetes::follow(server.clone(), config.node_name.clone(), batches.clone());
        sources.push(Source::Kubernetes);
    }
    manifests::follow(&config.manifests, batches.clone())?;
    Ok(sources)
}

/// The standalone store.
fn open_objects(config: &Config, batches: mpsc::Sender<Batch>) -> Result<Objects> {
    let node_ports = config.nodeport_range.first..=config.nodeport_range.last;
    Objects::open(&config.state_dir, node_ports, batches)
}

/// Whoever forgot a flag hears of it; a start that fails removes nothing, so this comes after all that can fail.
fn warn_of_nothing(config: &Config, objects: &Objects) {
    if config.kubernetes.is_none() && config.manifests.is_empty() && objects.is_empty() {
        tracing::warn!(
            "no --manifests, no Kubernetes and no stored objects: what an earlier run left in the maps is removed"
        );
    }
}

/// Makes the directory, and holds it so that no second agent uses it.
fn take(directory: &Path, flag: &str) -> Result<impl Sized> {
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {flag} {}", directory.display()))?;
    Ok(loader::lock(directory)?)
}

fn load(
    config: &Arc<Config>,
    cgroup: Option<PathBuf>,
    seen: &Snapshot,
    devices: Arc<Devices>,
) -> Result<(Reconciler<DataPath>, Beside)> {
    let options = loader::Options {
        bpffs: config.bpffs.clone(),
        flows: config.flows,
        traffic: config.traffic_counters,
        tcx: config.tcx,
    };
    let mut data_path = DataPath::load_as(&options, &hidden::abi())?;
    let predecessor = data_path.predecessor();
    if let Some(version) = predecessor {
        tracing::info!(
            "version {version} of the maps still serves; ours takes over when its own are complete"
        );
    }
    if data_path.adopted() {
        tracing::info!("took over the maps of an earlier run");
    }
    for map in data_path.replaced_maps() {
        tracing::warn!(
            "a map of an earlier run could not be taken over, its content is lost: {map}"
        );
    }
    let beside = Beside {
        meters: data_path.meters()?,
        watched: (data_path.meters()?, data_path.event_source()?),
        census: sweep::start(data_path.sweeper()?, data_path.map_meter()?)
            .context("cannot start the thread that sweeps flows")?,
    };
    let mut trigger = Trigger::default();
    let cgroup = match cgroup {
        None => {
            data_path.detach_cgroup()?;
            "off".to_owned()
        }
        Some(_) if !data_path.can_hook_sockets() => {
            tracing::warn!("{NO_COOKIE}");
            NO_COOKIE.to_owned()
        }
        Some(path) => {
            data_path.set_cgroup(&path);
            if predecessor.is_none() {
                data_path.attach_hooks()?;
            }
            trigger = sockets::start(data_path.sockets()?)
                .context("cannot start the thread that looks after UDP sockets")?;
            path.display().to_string()
        }
    };
    let state = Reconciler::new(Arc::clone(config), data_path, cgroup, seen, devices)?;
    Ok((state.with_sockets(trigger), beside))
}

/// What is read beside the loop that writes maps.
struct Beside {
    meters: Meters,
    watched: (Meters, EventSource),
    census: census::Reader,
}

fn watch(
    config: &Config,
    state: &Reconciler<DataPath>,
    (meters, events): (Meters, EventSource),
    census: census::Reader,
) -> Result<Watching> {
    let events = Events::start(events, state.names());
    Ok(Watching {
        node: config.node_name.as_str().into(),
        events: events.context("cannot start the thread that reads events")?,
        gauges: Arc::new(meters),
        names: state.names(),
        census,
    })
}

fn open_health(config: &Config, state: &Reconciler<DataPath>) -> Option<ProxyPort> {
    let HealthAddress::At(address) = config.health_address else {
        return None;
    };
    let (health, vitals) = (Arc::clone(state.health()), Arc::clone(state.vitals()));
    Some(ProxyPort::open(address, health, vitals))
}

fn open_metrics(
    config: &Config,
    state: &Reconciler<DataPath>,
    meters: Meters,
    census: census::Reader,
) -> Option<MetricsPort> {
    let MetricsAddress::At(address) = config.metrics_address else {
        return None;
    };
    let page = Page::new(metrics::Sources {
        vitals: Arc::clone(state.vitals()),
        gauges: Box::new(meters),
        names: state.names(),
        census,
        series_max: config.metrics_series_max,
    });
    Some(MetricsPort::open(address, page, Arc::clone(state.vitals())))
}

fn finish(config: &Config) -> Result<()> {
    if config.detach_on_exit {
        loader::detach_all(&config.bpffs)?;
        tracing::info!("stopped; programs and maps are removed");
    } else {
        tracing::info!("stopped; the data path stays and serves (`tidegate detach` removes it)");
    }
    Ok(())
}

/// Completes at SIGTERM or SIGINT.
fn stop_signals() -> Result<impl Future<Output = ()>> {
    let of = |kind| -> Result<Signal> { signal(kind).context("cannot handle signals") };
    let mut terminate = of(SignalKind::terminate())?;
    let mut interrupt = of(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// What a start that fails must take away: nothing, if there were pins before.
struct Footprint<'a> {
    bpffs: Option<&'a Path>,
    existed: bool,
}

impl<'a> Footprint<'a> {
    /// Looks at the directory, which must be held by now: what is in it is of earlier runs.
    fn new(bpffs: &'a Path, existed: bool) -> Self {
        let is_empty = fs::read_dir(bpffs).map_or(true, |mut entries| entries.next().is_none());
        Self {
            bpffs: is_empty.then_some(bpffs),
            existed,
        }
    }

    /// The start has succeeded.
    fn stays(mut self) {
        self.bpffs = None;
    }
}

impl Drop for Footprint<'_> {
    fn drop(&mut self) {
        let Some(bpffs) = self.bpffs else { return };
        if bpffs.exists()
            && let Err(error) = loader::detach_all(bpffs)
        {
            tracing::warn!("cannot clean up {}: {error}", bpffs.display());
        }
        if !self.existed {
            // Only when it is empty, which is what we want.
            let _in_use = fs::remove_dir(bpffs);
        }
    }
}

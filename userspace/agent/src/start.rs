//! `tidegate run`: checks, loads, attaches, starts the tasks, and ends in order.
//!
//! Everything that can fail without touching the kernel comes first; what was put there by a start
//! that fails later is taken away again, unless an earlier run's pins were there before.

use std::{fs, path::Path, path::PathBuf, sync::Arc};

use anyhow::{Context, Result};
use tidegate_loader::{self as loader, DataPath};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};

use crate::{
    api,
    config::{Config, HealthAddress},
    health::ProxyPort,
    netlink::{self, Snapshot},
    preflight,
    reconcile::{Inputs, Reconciler, run},
    sockets::{self, Trigger},
    sources::manifests,
    state::Allocator,
    sweep,
};

/// Drop events are not read yet, so none are made.
const NO_EVENTS: u32 = 32;
const NO_COOKIE: &str = "off, because this kernel has no network namespace cookies (Linux 5.14): processes of this host reach Services through the packet path only";
/// News wait here while the loop is busy; each kind is gathered before it is used.
const WAITING: usize = 64;

/// Runs the agent until it is told to stop.
pub(crate) async fn start(config: Config) -> Result<()> {
    let config = Arc::new(config);
    let stop = stop_signals()?;
    let cgroup = preflight::check(&config)?;
    if config.manifests.is_empty() {
        tracing::warn!(
            "no --manifests: there is nothing to serve, and what an earlier run left in the maps is removed"
        );
    }
    let (snapshots_in, snapshots) = mpsc::channel(WAITING);
    let (first, _follower) = netlink::follow(snapshots_in).await?;
    preflight::named_devices(&config, &first)?;
    let (batches_in, batches) = mpsc::channel(WAITING);
    manifests::follow(&config.manifests, batches_in)?;

    let _state = take(&config.state_dir, "--state-dir")?;
    let allocator = Allocator::open(&config, &config.state_dir)?;
    let (_socket, listener) = api::bind(&config.api)?;
    let (asking, queries) = mpsc::channel(WAITING);

    let existed = config.bpffs.exists();
    let _pins = take(&config.bpffs, "--bpffs")?;
    let footprint = Footprint::new(&config.bpffs, existed);
    let state = load(&config, cgroup, &first)?.with_allocator(allocator)?;
    footprint.stays();
    let _health = match config.health_address {
        HealthAddress::Off => None,
        HealthAddress::At(address) => Some(ProxyPort::open(address, Arc::clone(state.health()))),
    };

    let server = tokio::spawn(api::serve(listener, asking));
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
) -> Result<Reconciler<DataPath>> {
    let options = loader::Options {
        bpffs: config.bpffs.clone(),
        flows: config.flows,
        event_shift: NO_EVENTS,
    };
    let mut data_path = DataPath::load(&options)?;
    if data_path.adopted() {
        tracing::info!("took over the maps of an earlier run");
    }
    for map in data_path.replaced_maps() {
        tracing::warn!(
            "a map of an earlier run could not be taken over, its content is lost: {map}"
        );
    }
    sweep::start(data_path.sweeper()?).context("cannot start the thread that sweeps flows")?;
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
            data_path.attach_cgroup(&path)?;
            trigger = sockets::start(data_path.sockets()?)
                .context("cannot start the thread that looks after UDP sockets")?;
            path.display().to_string()
        }
    };
    let state = Reconciler::new(Arc::clone(config), data_path, cgroup, seen)?;
    Ok(state.with_sockets(trigger))
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

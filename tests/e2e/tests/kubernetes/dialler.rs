//! Somebody who connects again and again; the first failure ends it and is told.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use tidegate_e2e::{Proto, Svc, World, ask, soon};
use tidegate_rig::Netns;

/// Between two connections of one client.
const PACE: Duration = Duration::from_millis(10);

/// Until it is finished.
pub(crate) struct Dialler {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Result<()>>>,
}

impl Dialler {
    /// Clients on the LAN, in a pod and on the node, of both families, of each of these Services.
    pub(crate) fn start(world: &World, services: &[Svc]) -> Self {
        let (stop, count) = <(Arc<AtomicBool>, Arc<AtomicUsize>)>::default();
        let mut clients = Vec::new();
        let mut begin = |from: &Netns, to: SocketAddr| {
            let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
            clients.push(from.spawn(move || dial(to, &stop, &count)));
        };
        for svc in services {
            for v6 in [false, true] {
                begin(&world.scene.client, svc.node_port(world.node_address(v6)));
                begin(&world.a(1).ns, svc.cluster(v6));
                begin(&world.scene.a.ns, svc.cluster(v6));
            }
        }
        Self {
            stop,
            count,
            clients,
        }
    }

    /// Waits until so many more connections were made.
    pub(crate) fn some_more(&self, count: usize) -> Result<()> {
        let until = self.count.load(Ordering::Relaxed) + count;
        soon(|| {
            let now = self.count.load(Ordering::Relaxed);
            // A failure is told at the end.
            let has_failed = self.clients.iter().any(JoinHandle::is_finished);
            ensure!(has_failed || now >= until, "{now} connections of {until}");
            Ok(())
        })
    }

    /// Ends; how many connections there were. Fails when one failed.
    pub(crate) fn finish(self) -> Result<usize> {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            match client.join() {
                Ok(result) => result?,
                Err(_) => bail!("a client panicked"),
            }
        }
        Ok(self.count.load(Ordering::Relaxed))
    }
}

fn dial(to: SocketAddr, stop: &AtomicBool, count: &AtomicUsize) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        let nth = count.load(Ordering::Relaxed);
        let _answer = ask(Proto::Tcp, to).with_context(|| format!("connection {nth} to {to}"))?;
        let _before = count.fetch_add(1, Ordering::Relaxed);
        thread::sleep(PACE);
    }
    Ok(())
}

//! Clients that open a new connection for every request, at a pace.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use tidegate_e2e::{Proto, Svc, World, ask, soon};
use tidegate_rig::Netns;

/// Until it is finished.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    requests: Arc<AtomicUsize>,
    begun: Instant,
    clients: Vec<JoinHandle<Result<()>>>,
}

impl Load {
    /// Clients on the LAN, in a pod and on the node, both families.
    pub(crate) fn start(world: &World, svc: &Svc, rate: u32) -> Result<Self> {
        let mut kinds: Vec<(&Netns, SocketAddr)> = Vec::new();
        for v6 in [false, true] {
            kinds.push((&world.scene.client, svc.node_port(world.node_address(v6))));
            kinds.push((&world.a(1).ns, svc.cluster(v6)));
            kinds.push((&world.scene.a.ns, svc.cluster(v6)));
        }
        let pace = Duration::from_secs(1) * u32::try_from(kinds.len())? / rate;
        let (stop, requests) = <(Arc<AtomicBool>, Arc<AtomicUsize>)>::default();
        let clients = kinds.into_iter().map(|(from, to)| {
            let (stop, requests) = (Arc::clone(&stop), Arc::clone(&requests));
            from.spawn(move || client(to, pace, &stop, &requests))
        });
        Ok(Self {
            clients: clients.collect(),
            stop,
            requests,
            begun: Instant::now(),
        })
    }

    /// Waits until so many more requests were answered.
    pub(crate) fn some_more(&self, count: usize) -> Result<()> {
        let until = self.requests.load(Ordering::Relaxed) + count;
        soon(|| {
            if self.clients.iter().any(JoinHandle::is_finished) {
                // Its error is told at the end.
                return Ok(());
            }
            let now = self.requests.load(Ordering::Relaxed);
            ensure!(now >= until, "{now} requests of {until}");
            Ok(())
        })
    }

    /// Ends; how many requests there were in how many seconds. Fails when one failed.
    pub(crate) fn finish(self) -> Result<(usize, f64)> {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            match client.join() {
                Ok(result) => result?,
                Err(_) => bail!("a client panicked"),
            }
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        Ok((self.requests.load(Ordering::Relaxed), seconds))
    }
}

fn client(to: SocketAddr, pace: Duration, stop: &AtomicBool, requests: &AtomicUsize) -> Result<()> {
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let nth = requests.load(Ordering::Relaxed);
        let _answer = ask(Proto::Tcp, to)
            .with_context(|| format!("request {nth} to {to}, after {:?}", begun.elapsed()))?;
        let _before = requests.fetch_add(1, Ordering::Relaxed);
        // One that was held up goes on at its pace; it does not catch up in a burst.
        next = (next + pace).max(Instant::now());
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

//! A backend that sends all the time to a client that hardly speaks: what it sends keeps the flow alive (5.2.14), and
//! must not keep it at an address that its Service has lost.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Ep, Svc, soon};
use tidegate_rig::Pod;

use super::world;

const PORT: u16 = 9092;
const EVERY: Duration = Duration::from_millis(50);
/// Longer than from one look at a flow's records to the next (4.3 s).
const STREAMED: Duration = Duration::from_secs(6);

/// A server that answers the first datagram for ever, until it is dropped.
struct Streamer {
    heard: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
}

impl Streamer {
    fn start(pod: &Pod, v6: bool) -> Result<Self> {
        let at = (pod.addresses()[usize::from(v6)], PORT);
        let socket = pod.ns.run(|| UdpSocket::bind(at))?;
        socket.set_read_timeout(Some(EVERY))?;
        let (heard, is_over) = (Arc::default(), Arc::default());
        let it = Self { heard, is_over };
        let (heard, is_over) = (Arc::clone(&it.heard), Arc::clone(&it.is_over));
        let _ends_with_it = thread::spawn(move || {
            let mut client = None;
            while !is_over.load(Relaxed) {
                if let Ok((_, from)) = socket.recv_from(&mut [0; 64]) {
                    heard.fetch_add(1, Relaxed);
                    client = Some(from);
                }
                if let Some(client) = client {
                    // A client that is gone is told so by its machine.
                    let _refused = socket.send_to(b"more", client);
                }
            }
        });
        Ok(it)
    }

    fn heard(&self) -> usize {
        self.heard.load(Relaxed)
    }
}

impl Drop for Streamer {
    fn drop(&mut self) {
        self.is_over.store(true, Relaxed);
    }
}

/// A client that has spoken twice, and hears its stream from the address that it dials.
fn subscribed(to: SocketAddr, streamer: &Streamer) -> Result<UdpSocket> {
    let any = if to.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
    let client = UdpSocket::bind(any)?;
    client.set_read_timeout(Some(Duration::from_secs(5)))?;
    for said in 1..3 {
        client.send_to(b"go on", to)?;
        let (_, from) = client.recv_from(&mut [0; 64]).context("no stream")?;
        ensure!(from == to, "the stream comes from {from}");
        soon(|| {
            ensure!(streamer.heard() == said, "{} datagrams", streamer.heard());
            Ok(())
        })?;
    }
    Ok(client)
}

#[test]
fn rule_5_2_9_a_backend_that_streams_does_not_keep_a_client_at_an_address_that_is_taken_away()
-> Result<()> {
    let world = world()?;
    let mut streams = Vec::new();
    let pods = [world.a(1), world.b(1)];
    let svcs = [Svc::new("streams-here", 76), Svc::new("streams-there", 77)];
    for (svc, pod) in svcs.iter().zip(pods) {
        let with = svc.clone().with_external_ip();
        world.put(&with, &[Ep::of(pod).port(PORT)])?;
        for v6 in [false, true] {
            let to = with.external(v6);
            let streamer = Streamer::start(pod, v6)?;
            let client = world.scene.client.run(|| subscribed(to, &streamer))?;
            streams.push((to, streamer, client));
        }
    }
    // The backends serve on, at the other addresses of their Services.
    for (svc, pod) in svcs.iter().zip(pods) {
        world.put(svc, &[Ep::of(pod).port(PORT)])?;
    }
    thread::sleep(STREAMED);
    for (to, streamer, client) in &streams {
        let heard = streamer.heard();
        client.send_to(b"go on", to)?;
        thread::sleep(6 * EVERY);
        let more = streamer.heard() - heard;
        ensure!(more == 0, "{to} is nobody's, and its old backend hears it");
    }
    svcs.iter().try_for_each(|svc| world.remove(svc))
}

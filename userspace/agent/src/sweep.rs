//! Removes flows that have been idle for too long, in a thread of its own (rule 5.7.14 is the kernel's part).
//!
//! It shares nothing with the loop that writes maps, so neither waits for the other. On its walk it also counts
//! the living flows, and how full the maps are, see [`Census`].

use std::{sync::Arc, thread, time::Duration, time::Instant};

use tidegate_abi::{Address, Flow, FlowKey, Ip4, Ip6};
use tidegate_loader::{Error, MapMeter, Sweeper};
use tokio::sync::watch;

use crate::census::{Census, Reader};

/// The pause between two walks: rule 5.7's shortest timeout is a minute.
const PAUSE: Duration = Duration::from_secs(10);
/// A walk over a large map takes time; the thread rests this many times as long.
const REST: u32 = 20;

/// Sweeps for as long as the process lives; returns where the newest census can be read.
pub(crate) fn start(sweeper: Sweeper, maps: MapMeter) -> std::io::Result<Reader> {
    let (publish, reader) = watch::channel(Arc::new(Census::default()));
    let builder = thread::Builder::new().name("sweep".to_owned());
    let _lives_on = builder.spawn(move || {
        let (mut has_failed, mut swept) = (false, 0);
        loop {
            let begun = Instant::now();
            match walk(&sweeper, &maps, &mut swept) {
                Ok(census) => drop(publish.send_replace(Arc::new(census))),
                Err(error) if has_failed => tracing::debug!("{error}"),
                Err(error) => {
                    has_failed = true;
                    tracing::warn!(
                        "idle flows are not swept and stay until their room is needed: {error}"
                    );
                }
            }
            thread::sleep(PAUSE.max(begun.elapsed() * REST));
        }
    })?;
    Ok(reader)
}

fn walk(sweeper: &Sweeper, maps: &MapMeter, swept: &mut u64) -> Result<Census, Error> {
    let mut census = Census::default();
    let removed = family::<Ip4>(sweeper, &mut census)? + family::<Ip6>(sweeper, &mut census)?;
    if removed > 0 {
        tracing::debug!("swept {removed} idle flows");
    }
    *swept += u64::from(removed);
    census.swept = *swept;
    census.maps = maps.count();
    census.taken = Some(Instant::now());
    Ok(census)
}

fn family<A: Address>(sweeper: &Sweeper, census: &mut Census) -> Result<u32, Error>
where
    FlowKey<A>: bytemuck::Pod,
    Flow<A>: bytemuck::Pod,
{
    sweeper.sweep_showing(|flow: &Flow<A>, now| census.count(flow, now))
}

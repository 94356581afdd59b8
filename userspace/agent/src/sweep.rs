//! Removes flows that have been idle for too long, in a thread of its own (rule 5.7.14 is the kernel's part).
//!
//! It shares nothing with the loop that writes maps, so neither waits for the other.

use std::{thread, time::Duration, time::Instant};

use tidegate_abi::{Ip4, Ip6};
use tidegate_loader::{Error, Sweeper};

/// The pause between two walks: rule 5.7's shortest timeout is a minute.
const PAUSE: Duration = Duration::from_secs(10);
/// A walk over a large map takes time; the thread rests this many times as long.
const REST: u32 = 20;

/// Sweeps for as long as the process lives.
pub(crate) fn start(sweeper: Sweeper) -> std::io::Result<()> {
    let builder = thread::Builder::new().name("sweep".to_owned());
    let _lives_on = builder.spawn(move || {
        let mut has_failed = false;
        loop {
            let begun = Instant::now();
            match sweep(&sweeper) {
                Ok(0) => {}
                Ok(removed) => tracing::debug!("swept {removed} idle flows"),
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
    Ok(())
}

fn sweep(sweeper: &Sweeper) -> Result<u32, Error> {
    Ok(sweeper.sweep::<Ip4>()? + sweeper.sweep::<Ip6>()?)
}

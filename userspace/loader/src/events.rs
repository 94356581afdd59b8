//! Events of the data path, and which of them are wanted.

use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};

use aya::maps::{Array, Map, MapData, RingBuf};
use tidegate_abi::{Event, EventFilter, maps as names};

use crate::{
    DataPath,
    error::{Error, Step as _},
    load::missing,
    maps::Raw,
};

/// The ring of events and the filter in front of it. There is one reader at a time.
pub struct EventSource {
    ring: RingBuf<MapData>,
    filter: Array<MapData, Raw<EventFilter>>,
}

impl DataPath {
    /// The events, to be read by one thread. Nothing is wanted at first.
    pub fn event_source(&mut self) -> Result<EventSource, Error> {
        let mut take = |name: &str| self.ebpf.take_map(name).ok_or_else(|| missing(name));
        let (ring, filter): (Map, Map) = (take(names::EVENTS)?, take(names::EVENT_FILTER)?);
        let mut source = EventSource {
            ring: ring.try_into().step("cannot use map events")?,
            filter: filter.try_into().step("cannot use map event_filter")?,
        };
        // An agent that was killed may have left a wish behind.
        source.set_filter(&EventFilter::default())?;
        source.drain(|_stale| {});
        Ok(source)
    }
}

impl EventSource {
    /// Says which events are wanted from now on; one without reasons wants none.
    pub fn set_filter(&mut self, filter: &EventFilter) -> Result<(), Error> {
        self.filter
            .set(0, &Raw(*filter), 0)
            .step("cannot write map event_filter")
    }

    /// Shows all events that wait; never blocks.
    pub fn drain(&mut self, mut show: impl FnMut(&Event)) {
        while self.drain_some(u32::MAX, &mut show) > 0 {}
    }

    /// Shows at most so many events, and says how many there were: under a flood the kernel may write as fast
    /// as they are read.
    pub fn drain_some(&mut self, most: u32, mut show: impl FnMut(&Event)) -> u32 {
        let mut count = 0;
        while count < most
            && let Some(item) = self.ring.next()
        {
            if let Ok(event) = bytemuck::try_pod_read_unaligned(&item) {
                show(&event);
            }
            count += 1;
        }
        count
    }
}

impl AsFd for EventSource {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the ring's own descriptor, which lives as long as the ring.
        unsafe { BorrowedFd::borrow_raw(self.ring.as_raw_fd()) }
    }
}

//! Two reports to what happens in a second.

use std::collections::HashMap;

use tidegate_api::{BackendTraffic, CounterRow, TrafficCount, TrafficReport};

/// Of a service port or backend, each second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rates {
    pub(super) packets: f64,
    pub(super) reply_packets: f64,
    pub(super) bytes: f64,
    pub(super) reply_bytes: f64,
    pub(super) opened: f64,
    pub(super) refused: f64,
}

/// Of the node, each second.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Totals {
    /// Translated, both ways.
    pub(super) packets: f64,
    pub(super) bytes: f64,
    pub(super) opened: f64,
    pub(super) rejects: f64,
    pub(super) drops: f64,
    /// Why packets were dropped or rejected, most frequent first.
    pub(super) reasons: Vec<(String, f64)>,
}

/// The counters of an earlier report.
#[derive(Debug, Default)]
pub(super) struct Base {
    pub(super) monotonic_nanoseconds: u64,
    counters: HashMap<String, (u64, u64)>,
    services: HashMap<u32, TrafficCount>,
    /// Ids of backends are given out again: the address belongs to it.
    backends: HashMap<(u32, std::net::SocketAddr), TrafficCount>,
}

impl Base {
    pub(super) fn of(report: &TrafficReport) -> Self {
        let services = report.services.iter();
        let backends = services.clone().flat_map(|service| &service.backends);
        let counters = report.counters.iter();
        Self {
            monotonic_nanoseconds: report.monotonic_nanoseconds,
            counters: counters
                .map(|it| (it.reason.clone(), (it.packets, it.bytes)))
                .collect(),
            services: services
                .filter_map(|it| Some((it.id, it.traffic?)))
                .collect(),
            backends: backends
                .filter_map(|it| Some(((it.id, it.address), it.traffic?)))
                .collect(),
        }
    }

    /// Whether the report has backends that were not in the earlier one.
    pub(super) fn lacks(&self, report: &TrafficReport) -> bool {
        let mut backends = report.services.iter().flat_map(|service| &service.backends);
        backends.any(|it| !self.backends.contains_key(&(it.id, it.address)))
    }

    /// Seconds between the two; `None`: there were none.
    pub(super) fn seconds_until(&self, report: &TrafficReport) -> Option<f64> {
        let later = report.monotonic_nanoseconds;
        let nanoseconds = later.checked_sub(self.monotonic_nanoseconds)?;
        (nanoseconds > 0).then(|| nanoseconds as f64 / 1e9)
    }

    pub(super) fn service(&self, id: u32, now: TrafficCount, seconds: f64) -> Option<Rates> {
        between(self.services.get(&id)?, &now, seconds)
    }

    pub(super) fn backend(&self, it: &BackendTraffic, seconds: f64) -> Option<Rates> {
        let before = self.backends.get(&(it.id, it.address))?;
        between(before, &it.traffic?, seconds)
    }

    pub(super) fn totals(&self, counters: &[CounterRow], seconds: f64) -> Totals {
        let mut totals = Totals::default();
        for counter in counters {
            let (packets, bytes) = self
                .counters
                .get(&counter.reason)
                .copied()
                .unwrap_or_default();
            let grown = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
            let packets = grown(counter.packets, packets);
            match (counter.reason.as_str(), counter.verdict.as_str()) {
                // A connect, not a packet.
                ("socket_translated", _) => totals.opened += packets,
                (reason, "forward") => {
                    totals.packets += packets;
                    totals.bytes += grown(counter.bytes, bytes);
                    if reason == "new_flow" {
                        totals.opened += packets;
                    }
                    continue;
                }
                (_, "reject") => totals.rejects += packets,
                (_, "drop") => totals.drops += packets,
                _ => continue,
            }
            if packets > 0.0 && counter.reason != "socket_translated" {
                totals.reasons.push((counter.reason.clone(), packets));
            }
        }
        totals
            .reasons
            .sort_by(|one, other| other.1.total_cmp(&one.1));
        totals
    }
}

/// `None`: a counter went back, so the maps are not the ones of before.
fn between(before: &TrafficCount, now: &TrafficCount, seconds: f64) -> Option<Rates> {
    let rate = |now: u64, before: u64| Some(now.checked_sub(before)? as f64 / seconds);
    Some(Rates {
        packets: rate(now.packets, before.packets)?,
        reply_packets: rate(now.reply_packets, before.reply_packets)?,
        bytes: rate(now.bytes, before.bytes)?,
        reply_bytes: rate(now.reply_bytes, before.reply_bytes)?,
        opened: rate(now.opened, before.opened)?,
        refused: rate(now.refused, before.refused)?,
    })
}

impl Rates {
    pub(super) fn all_packets(&self) -> f64 {
        self.packets + self.reply_packets
    }

    pub(super) fn all_bytes(&self) -> f64 {
        self.bytes + self.reply_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::report, *};

    #[test]
    fn rates_are_differences_by_the_second() {
        let (old, new) = (report(0), report(2));
        let base = Base::of(&old);
        let seconds = base.seconds_until(&new).unwrap();
        assert_eq!(seconds, 2.0);
        let web = &new.services[0];
        let rates = base.service(web.id, web.traffic.unwrap(), seconds).unwrap();
        assert_eq!((rates.packets, rates.reply_packets), (1000.0, 500.0));
        assert_eq!((rates.opened, rates.all_bytes()), (20.0, 150_000.0));
        let backend = base.backend(&web.backends[0], seconds).unwrap();
        assert_eq!(backend.packets, 600.0);
    }

    #[test]
    fn a_counter_that_went_back_and_a_new_id_have_no_rate() {
        let (old, new) = (report(2), report(4));
        let base = Base::of(&old);
        let web = &new.services[0];
        let less = TrafficCount {
            packets: 1,
            ..web.traffic.unwrap()
        };
        assert_eq!(base.service(web.id, less, 1.0), None);
        assert_eq!(base.service(999, less, 1.0), None);
        assert_eq!(Base::of(&new).seconds_until(&old), None);
        let moved = BackendTraffic {
            address: "10.9.9.9:1".parse().unwrap(),
            ..web.backends[0].clone()
        };
        assert_eq!(base.backend(&moved, 1.0), None);
    }

    #[test]
    fn totals_count_packets_once_and_name_why_they_were_refused() {
        let base = Base::of(&report(0));
        let totals = base.totals(&report(2).counters, 2.0);
        assert_eq!(totals.packets, 1530.0);
        assert_eq!(totals.opened, 32.0);
        assert_eq!((totals.rejects, totals.drops), (3.0, 4.0));
        let reasons: Vec<&str> = totals
            .reasons
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(reasons, ["source_range", "no_endpoints"]);
    }
}

//! All the clients of a Service at once, and what they may lose.

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Fate, Svc, Talker, World, summary};

/// Datagrams before and after each event.
const STEADY: usize = 3;

/// Talkers of every kind to one Service.
pub(crate) struct Clients {
    talkers: Vec<Talker>,
    /// What each had sent when an event began.
    events: Vec<(String, Vec<usize>)>,
}

impl Clients {
    /// Pods, a machine on the LAN, and a process of the node.
    pub(crate) fn start(world: &World, svc: &Svc) -> Result<Self> {
        let mut clients = Self::start_outside(world, svc)?;
        for v6 in [false, true] {
            let node = Talker::start(&world.scene.a.ns, svc.cluster(v6), false)?;
            clients.talkers.push(node);
        }
        Ok(clients)
    }

    /// Those whose packets enter the node by a device: pods and a machine on the LAN.
    pub(crate) fn start_outside(world: &World, svc: &Svc) -> Result<Self> {
        let mut talkers = Vec::new();
        for v6 in [false, true] {
            let node = world.scene.a.addresses()[usize::from(v6)];
            let (cluster, node_port) = (svc.cluster(v6), svc.node_port(node));
            for (from, to, connected) in [
                (&world.a(2).ns, cluster, false),
                (&world.a(3).ns, cluster, true),
                (&world.a(3).ns, node_port, false),
                (&world.scene.client, node_port, false),
                (&world.scene.client, node_port, true),
            ] {
                talkers.push(Talker::start(from, to, connected)?);
            }
        }
        Ok(Self {
            talkers,
            events: Vec::new(),
        })
    }

    /// Waits until this pod answers all of them, and for a few datagrams more.
    pub(crate) fn hear_from(&self, pod: &str) -> Result<()> {
        for (talker, since) in self.talkers.iter().zip(self.sent()) {
            talker.hears_from(since, pod)?;
        }
        self.talk()
    }

    /// Waits until all of those that can be told have been refused.
    pub(crate) fn are_refused(&self) -> Result<()> {
        let can_be_told = |talker: &Talker| talker.what().starts_with("connected");
        for (talker, since) in self.talkers.iter().zip(self.sent()) {
            if can_be_told(talker) {
                talker.hears(since, |fate| *fate == Fate::Refused)?;
            }
        }
        Ok(())
    }

    /// A few datagrams from each.
    pub(crate) fn talk(&self) -> Result<()> {
        for (talker, sent) in self.talkers.iter().zip(self.sent()) {
            talker.has_sent(sent + STEADY)?;
        }
        Ok(())
    }

    fn sent(&self) -> Vec<usize> {
        self.talkers.iter().map(Talker::sent).collect()
    }

    /// From here on they may lose one datagram each; a later event counts anew.
    pub(crate) fn event(&mut self, what: &str) {
        self.events.push((what.to_owned(), self.sent()));
    }

    /// From here on losses do not count, until the next event: there is nobody who could answer.
    pub(crate) fn nobody_serves(&mut self) {
        self.event("");
    }

    /// Ends; fails when a client lost more than one datagram by an event.
    pub(crate) fn finish(self) -> Result<()> {
        self.talkers.iter().for_each(Talker::hush);
        let mut failed = String::new();
        for (index, talker) in self.talkers.into_iter().enumerate() {
            let what = talker.what().to_owned();
            let fates = talker.finish()?;
            let mut ends: Vec<usize> = self.events.iter().map(|(_, sent)| sent[index]).collect();
            ends.push(fates.len());
            for (nth, (event, sent)) in self.events.iter().enumerate() {
                let during = fates
                    .get(sent[index]..ends[nth + 1])
                    .context("fewer fates than sent")?;
                let unheard = during
                    .iter()
                    .filter(|fate| !matches!(fate, Fate::Answered(..)))
                    .count();
                if !event.is_empty() && unheard > 1 {
                    failed += &format!("\n  {event}, {what}: {}", summary(during));
                }
            }
        }
        ensure!(failed.is_empty(), "more than one datagram lost:{failed}");
        Ok(())
    }
}

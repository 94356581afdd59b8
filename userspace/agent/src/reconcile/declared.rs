//! Devices that were declared: how the loop hears of them, and what it tells about them.

use std::{net::IpAddr, sync::Arc};

use tidegate_api::DeviceRow;

use super::Reconciler;
use crate::{
    devices::{
        Facts,
        declared::{Devices, View},
    },
    kernel::Kernel,
    netlink::Snapshot,
};

const NO_DEVICE: &str = "declared, and there is no such device yet";

impl<K: Kernel> Reconciler<K> {
    /// Where declarations come from, and where the answers go.
    pub(crate) fn devices(&self) -> &Arc<Devices> {
        &self.devices
    }

    /// Takes in news about the node's network.
    pub(crate) fn take_snapshot(&mut self, seen: &Snapshot) {
        self.seen = seen.clone();
        self.devices.observe(seen);
        self.take_declared();
    }

    /// Takes in what is declared by now.
    pub(crate) fn take_declared(&mut self) {
        self.declared = self.devices.declared();
        let facts = Facts::derive(&self.config, &self.seen, &self.declared, &self.facts);
        self.is_stale |= self.facts.nodeport_addresses != facts.nodeport_addresses
            || self.facts.own_addresses != facts.own_addresses
            || !self.facts.local_pods.keys().eq(facts.local_pods.keys());
        self.facts = facts;
        self.attach();
    }

    /// Tells those who wait what became of the declarations; after the maps, so that what is told is true.
    pub(crate) fn publish_devices(&mut self) {
        let (revision, synced) = (self.declared.revision, self.is_synced());
        if self.devices_told == Some((revision, synced)) {
            return;
        }
        self.devices_told = Some((revision, synced));
        self.devices.show(View {
            revision,
            synced,
            rows: self.device_rows(),
        });
    }

    /// All devices that are attached, should be, or were declared.
    pub(super) fn device_rows(&self) -> Vec<DeviceRow> {
        let mut rows = self.attachments.rows();
        let mut absent = Vec::new();
        for (name, entry) in self.declared.iter() {
            let declaration = &entry.declaration;
            let is_meant =
                |row: &&mut DeviceRow| row.name == name && self.is_declared(row.index, name);
            let row = match rows.iter_mut().find(is_meant) {
                Some(row) => row,
                None => {
                    absent.push(DeviceRow {
                        name: name.to_owned(),
                        role: declaration.role.name().to_owned(),
                        why: NO_DEVICE.to_owned(),
                        ..DeviceRow::default()
                    });
                    let Some(row) = absent.last_mut() else {
                        continue;
                    };
                    row
                }
            };
            row.declared = true;
            row.owner = declaration.owner.clone();
            row.netns = declaration.netns.clone();
            let is_written =
                |ip: &&IpAddr| self.pods.get(ip).is_some_and(|pod| pod.device == row.index);
            row.addresses = declaration
                .addresses
                .iter()
                .filter(is_written)
                .copied()
                .collect();
        }
        rows.extend(absent);
        rows
    }

    fn is_declared(&self, index: u32, name: &str) -> bool {
        self.declared.of(index, name).is_some()
    }
}

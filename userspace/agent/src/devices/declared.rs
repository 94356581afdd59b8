//! Devices that somebody has declared over the API: which they are, remembered over a restart.
//!
//! A declaration is a wish that stands: the device is attached as soon as it exists, and again when it comes
//! back. One with an owner was made for an attachment of a container and goes with its device, which is
//! known by its index: names of veths are used again. What is written here is read by the reconcile loop,
//! and what the loop makes of it comes back as a [`View`]; neither waits for the other, nor the loop for
//! the disk.

mod file;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context as _, Result};
use tidegate_api::{Declaration, DeviceOwner, DeviceRow};
use tokio::sync::watch;

use crate::netlink::Snapshot;

/// More devices than the data path can know, and so more than can be attached.
const MOST: usize = tidegate_abi::maps::DEVICES_MAX as usize;

/// All declarations at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Declared {
    /// Grows with each change.
    pub(crate) revision: u64,
    by_name: BTreeMap<String, Entry>,
}

/// One declared device.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) declaration: Declaration,
    /// The device that an owner's declaration is about; `None`: not seen yet.
    index: Option<u32>,
    /// When it was declared, in comparison to others.
    order: u64,
}

/// What became of the declarations.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct View {
    /// Of the declarations that the rows answer to.
    pub(crate) revision: u64,
    /// The maps match the sources.
    pub(crate) synced: bool,
    /// All devices, declared or not.
    pub(crate) rows: Vec<DeviceRow>,
}

/// Why a declaration does not change.
#[derive(Debug)]
pub(crate) enum Refusal {
    Unknown,
    /// The name has passed to another container.
    AnothersNow(String),
    TooMany,
    Disk(anyhow::Error),
}

/// The declarations, shared between the API and the reconcile loop.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    declared: Mutex<Declared>,
    /// Held while the file is written.
    writing: tokio::sync::Mutex<()>,
    /// `None`: nothing is remembered, as in tests.
    directory: Option<PathBuf>,
    revisions: watch::Sender<u64>,
    view: watch::Sender<View>,
}

impl Declared {
    /// The declaration of a device, if there is one that means this very device.
    pub(crate) fn of(&self, index: u32, name: &str) -> Option<&Entry> {
        let entry = self.by_name.get(name)?;
        entry.index.is_none_or(|of| of == index).then_some(entry)
    }

    /// In the order in which they were declared.
    pub(crate) fn in_order(&self) -> Vec<(&str, &Entry)> {
        let mut all: Vec<_> = self.iter().collect();
        all.sort_by_key(|(_, entry)| entry.order);
        all
    }

    /// By name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.by_name
            .iter()
            .map(|(name, entry)| (name.as_str(), entry))
    }

    pub(super) fn declare(&mut self, name: &str, declaration: Declaration, index: Option<u32>) {
        self.revision += 1;
        let order = self.revision;
        let entry = Entry {
            declaration,
            index,
            order,
        };
        self.by_name.insert(name.to_owned(), entry);
    }

    fn forget(&mut self, name: &str) {
        self.revision += 1;
        self.by_name.remove(name);
    }
}

impl Devices {
    /// What an earlier run has remembered in `--state-dir`.
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        let declared = file::load(directory)?;
        Ok(Self {
            revisions: watch::Sender::new(declared.revision),
            declared: Mutex::new(declared),
            directory: Some(directory.to_owned()),
            ..Self::default()
        })
    }

    /// The declarations at this moment.
    pub(crate) fn declared(&self) -> Declared {
        self.lock().clone()
    }

    /// Tells when declarations change.
    pub(crate) fn revisions(&self) -> watch::Receiver<u64> {
        self.revisions.subscribe()
    }

    /// What the reconcile loop makes of them.
    pub(crate) fn view(&self) -> watch::Receiver<View> {
        self.view.subscribe()
    }

    /// Publishes what the reconcile loop has made of them.
    pub(crate) fn show(&self, view: View) {
        self.view.send_if_modified(|shown| {
            let is_news = *shown != view;
            *shown = view;
            is_news
        });
    }

    /// Declares a device; returns when the disk has it. The same again changes nothing.
    pub(crate) async fn declare(
        &self,
        name: &str,
        declaration: Declaration,
    ) -> Result<u64, Refusal> {
        let _writing = self.writing.lock().await;
        // The device of an attachment exists by now; that of somebody who types ahead need not.
        let index = declaration.owner.as_ref().and_then(|_| index_of(name));
        let mut declared = self.declared();
        if let Some(entry) = declared.by_name.get(name) {
            if entry.declaration == declaration && entry.index == index {
                return Ok(declared.revision);
            }
        } else if declared.by_name.len() >= MOST {
            return Err(Refusal::TooMany);
        }
        declared.declare(name, declaration.clone(), index);
        self.save(declared).await.map_err(Refusal::Disk)?;
        Ok(self.change(|declared| declared.declare(name, declaration, index)))
    }

    /// Forgets a device; with a container only if it is still that one's.
    pub(crate) async fn forget(&self, name: &str, container: Option<&str>) -> Result<u64, Refusal> {
        let _writing = self.writing.lock().await;
        let mut declared = self.declared();
        let entry = declared.by_name.get(name).ok_or(Refusal::Unknown)?;
        let owner = entry.declaration.owner.as_ref();
        if let Some(container) = container
            && owner.map(|owner| owner.container_id.as_str()) != Some(container)
        {
            return Err(Refusal::AnothersNow(shown_owner(owner)));
        }
        declared.forget(name);
        self.save(declared).await.map_err(Refusal::Disk)?;
        Ok(self.change(|declared| declared.forget(name)))
    }

    /// Compares with what the kernel has: owners' devices that are gone are forgotten.
    pub(crate) fn observe(self: &Arc<Self>, seen: &Snapshot) {
        let mut gone = Vec::new();
        let mut is_changed = false;
        let mut declared = self.lock();
        for (name, entry) in &mut declared.by_name {
            let is_here = |index: &u32| seen.links.get(index).is_some_and(|it| it.name == *name);
            match entry.index {
                _ if entry.declaration.owner.is_none() => {}
                // What was seen may be older than the declaration.
                Some(index) if !is_here(&index) && index_of(name) != Some(index) => {
                    gone.push(name.clone());
                }
                Some(_) => {}
                None => {
                    let mut links = seen.links.iter().filter(|(_, it)| it.name == *name);
                    entry.index = links.next().map(|(index, _)| *index);
                    is_changed |= entry.index.is_some();
                }
            }
        }
        for name in &gone {
            tracing::info!("device {name}: gone, and its declaration with it");
            declared.forget(name);
        }
        drop(declared);
        if is_changed || !gone.is_empty() {
            self.save_later();
        }
    }

    fn change(&self, change: impl FnOnce(&mut Declared)) -> u64 {
        let mut declared = self.lock();
        change(&mut declared);
        let revision = declared.revision;
        drop(declared);
        self.revisions.send_replace(revision);
        revision
    }

    /// Writes what is declared by then. If that fails, the next change writes it, or the next start sees
    /// once more that a device is gone.
    fn save_later(self: &Arc<Self>) {
        if self.directory.is_none() {
            return;
        }
        let devices = Arc::clone(self);
        tokio::spawn(async move {
            let _writing = devices.writing.lock().await;
            if let Err(error) = devices.save(devices.declared()).await {
                tracing::warn!("{error:#}");
            }
        });
    }

    async fn save(&self, declared: Declared) -> Result<()> {
        let Some(directory) = self.directory.clone() else {
            return Ok(());
        };
        let saved = tokio::task::spawn_blocking(move || file::save(&directory, &declared)).await;
        saved.context("the write was cut off")?
    }

    fn lock(&self) -> MutexGuard<'_, Declared> {
        // Entries are put in and taken out whole.
        self.declared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The index that a device of this network namespace has.
fn index_of(name: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(name).ok()
}

fn shown_owner(owner: Option<&DeviceOwner>) -> String {
    match owner {
        Some(owner) => format!("container {}", owner.container_id),
        None => "somebody who is no container".to_owned(),
    }
}

//! Other tidegates at the same devices: agents with other pins, running or gone, whose programs translate beside
//! ours.
//!
//! Found by their pins, for only who may do everything (`CAP_SYS_ADMIN`) may ask the kernel for a program by its
//! number: links that are pinned as ours are, below the same mount, and hang at the device that is looked at. Not
//! found are pins in another bpffs, and filters on clsact qdiscs, which have no link.

use std::{
    collections::BTreeMap,
    fs,
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use tidegate_abi::ABI_VERSION;

use crate::{DataPath, host, object::Pins, pinned};

/// Directories deeper than this are nobody's pins.
const DEEPEST: usize = 6;
/// Directories that are looked into, in all.
const MOST: usize = 4096;

/// Another tidegate at a device.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Other {
    /// Name of the device.
    pub device: String,
    /// The directory of its version below its `--bpffs`.
    pub pins: PathBuf,
}

/// Others than the one with these pins, at all devices of the present network namespace.
pub fn others(bpffs: &Path) -> Vec<Other> {
    let Ok(devices) = nix::net::if_::if_nameindex() else {
        return Vec::new();
    };
    let devices = devices
        .iter()
        .map(|device| (device.name().to_string_lossy().into_owned(), device.index()));
    at(&Pins::below(bpffs, ABI_VERSION).root, devices)
}

impl DataPath {
    /// Others at the devices that this one is attached to.
    pub fn others(&self) -> Vec<Other> {
        let devices = self.devices.iter();
        at(
            &self.pins.root,
            devices.map(|(name, (index, _))| (name.clone(), *index)),
        )
    }
}

/// `own` is the directory of this version.
fn at(own: &Path, devices: impl Iterator<Item = (String, u32)>) -> Vec<Other> {
    let links = links_of_others(own);
    if links.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (device, index) in devices {
        for link in host::links_at(index) {
            if let Some(pins) = links.get(&link) {
                let (device, pins) = (device.clone(), pins.clone());
                found.push(Other { device, pins });
            }
        }
    }
    found
}

/// Ids of links that are pinned as ours are, and the directory of the version.
fn links_of_others(own: &Path) -> BTreeMap<u32, PathBuf> {
    let mut found = BTreeMap::new();
    // What was never made begins somewhere that exists.
    let mut existing = own.ancestors();
    let Some(own) = existing.find_map(|it| fs::canonicalize(it).ok()) else {
        return found;
    };
    if !host::is_bpffs(&own) {
        return found;
    }
    for links in directories(mount_of(&own)) {
        let Some(version) = links.parent().filter(|it| is_version(it) && **it != own) else {
            continue;
        };
        for entry in fs::read_dir(&links).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with("tc-")
                && let Some(id) = link_id(&entry.path())
            {
                found.insert(id, version.to_owned());
            }
        }
    }
    found
}

/// The topmost directory of the same file system.
fn mount_of(path: &Path) -> &Path {
    let device = |path: &Path| fs::metadata(path).map(|it| it.dev()).ok();
    let here = device(path);
    path.ancestors()
        .take_while(|it| device(it) == here)
        .last()
        .unwrap_or(path)
}

/// All directories with the name of that with our links.
fn directories(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![(root.to_owned(), 0)];
    let mut seen = 0;
    while let Some((directory, depth)) = open.pop() {
        seen += 1;
        if directory.ends_with("links") {
            found.push(directory);
            continue;
        }
        if depth == DEEPEST || seen > MOST {
            continue;
        }
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push((entry.path(), depth + 1));
            }
        }
    }
    found
}

fn is_version(directory: &Path) -> bool {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    name.strip_prefix('v')
        .is_some_and(|number| number.parse::<u32>().is_ok())
}

/// Number of the link behind a pin.
fn link_id(pin: &Path) -> Option<u32> {
    pinned::told(pinned::open(pin)?.as_fd(), "link_id:")
}

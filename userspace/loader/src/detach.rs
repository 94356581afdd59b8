//! Removal of all that tidegate put into the kernel.

use std::path::Path;

use aya::programs::{TcAttachType, tc::qdisc_detach_program};

use crate::{
    attach::Role,
    error::{Error, Step as _},
    host,
    object::{HOST, Pins},
    pinned,
};

/// Removes every link and map pinned below the directory, of any version, and says what there was.
///
/// Needs no running agent and no loaded object. The directory itself goes too, unless others use it.
pub fn detach_all(bpffs: &Path) -> Result<Vec<String>, Error> {
    let mut removed = Vec::new();
    for pins in Pins::all_below(bpffs) {
        removed.extend(remove_all(&pins)?);
    }
    if !host::kernel_at_least(6, 6) {
        removed.extend(remove_filters());
    }
    // Not empty, or never there.
    let _stays: std::io::Result<()> = std::fs::remove_dir(bpffs);
    Ok(removed)
}

/// Removes what one version has pinned, and its directories.
pub(crate) fn remove_all(pins: &Pins) -> Result<Vec<String>, Error> {
    let mut removed = Vec::new();
    // Links first: no program may run on maps that are gone.
    for (directory, what) in [(&pins.links, "link"), (&pins.maps, "map")] {
        for name in names(directory)? {
            pinned::remove(&directory.join(&name))?;
            removed.push(format!("{what} {name}"));
        }
    }
    for directory in [&pins.links, &pins.maps, &pins.root] {
        // Not empty, or never there.
        let _stays: std::io::Result<()> = std::fs::remove_dir(directory);
    }
    Ok(removed)
}

pub(crate) fn names(directory: &Path) -> Result<Vec<String>, Error> {
    match std::fs::read_dir(directory) {
        Ok(entries) => Ok(entries
            .filter_map(Result::ok)
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).step(format_args!("cannot list {}", directory.display())),
    }
}

/// Before Linux 6.6 the tc programs hang on clsact qdiscs of the present namespace, found by name.
fn remove_filters() -> Vec<String> {
    let mut removed = Vec::new();
    let Ok(devices) = nix::net::if_::if_nameindex() else {
        return removed;
    };
    for device in &devices {
        let roles = [Role::Uplink, Role::Pod, Role::Overlay];
        let ingress = roles.map(|role| (TcAttachType::Ingress, role.program()));
        for (side, program) in ingress.into_iter().chain([(TcAttachType::Egress, HOST)]) {
            if qdisc_detach_program(device.name(), side.into(), program).is_ok() {
                removed.push(format!(
                    "filter {program} on {}",
                    device.name().to_string_lossy()
                ));
            }
        }
    }
    removed
}

//! Removal of all that tidegate put into the kernel.

use std::path::Path;

use crate::{
    attach::filter,
    error::{Error, Step as _},
    object::Pins,
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
    removed.extend(remove_filters()?);
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

/// Without tcx the programs hang on clsact qdiscs of the present namespace.
fn remove_filters() -> Result<Vec<String>, Error> {
    let mut removed = Vec::new();
    let devices = nix::net::if_::if_nameindex().step("cannot list the devices")?;
    for device in &devices {
        let name = device.name().to_string_lossy();
        let programs = filter::remove_all(device.index())?;
        removed.extend(
            programs
                .iter()
                .map(|program| format!("filter {program} on {name}")),
        );
    }
    Ok(removed)
}

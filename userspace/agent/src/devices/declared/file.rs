//! `devices.json` in `--state-dir`: replaced as a whole, so that after a crash it is the old one or the
//! new one.

use std::{fs, io, path::Path};

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use tidegate_api::{Declaration, device::name_fault};

use super::Declared;
use crate::state::replace;

const NAME: &str = "devices.json";
/// A change that an older agent would misread gets another number.
const VERSION: u32 = 1;
/// Far beyond what fits into the maps; a larger file is not ours.
const LARGEST: u64 = 1 << 26;

/// Read first: the rest may have another shape.
#[derive(Deserialize)]
struct Header {
    version: u32,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    /// In the order in which they were declared.
    devices: Vec<Device>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Device {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    index: Option<u32>,
    declaration: Declaration,
}

/// What is remembered; nothing if there is no file. What cannot be understood ends the start: without it
/// pods would lose their programs.
pub(super) fn load(directory: &Path) -> Result<Declared> {
    let path = directory.join(NAME);
    let shown = path.display();
    let remedy =
        "restore it, or delete it and declare devices anew (restart the pods of a CNI plugin)";
    let size = fs::metadata(&path).map_or(0, |file| file.len());
    ensure!(
        size <= LARGEST,
        "{shown} has {size} bytes, which are too many: {remedy}"
    );
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Declared::default()),
        Err(error) => bail!("cannot read {shown}: {error}: make it readable, {remedy}"),
    };
    match parse(&text) {
        Ok(declared) => Ok(declared),
        Err(reason) => bail!("{shown} is damaged ({reason}): {remedy}"),
    }
}

/// Replaces the file, and returns when the disk has it.
pub(super) fn save(directory: &Path, declared: &Declared) -> Result<()> {
    let device = |(name, entry): (&str, &super::Entry)| Device {
        name: name.to_owned(),
        index: entry.index,
        declaration: entry.declaration.clone(),
    };
    let content = Content {
        version: VERSION,
        devices: declared.in_order().into_iter().map(device).collect(),
    };
    let text = serde_json::to_string_pretty(&content).context("cannot write JSON")? + "\n";
    replace(directory, NAME, text.as_bytes())
        .with_context(|| format!("cannot write {}", directory.join(NAME).display()))
}

fn parse(text: &str) -> Result<Declared, String> {
    let header: Header = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if header.version != VERSION {
        let found = header.version;
        return Err(format!(
            "format {found}, this agent knows format {VERSION} only"
        ));
    }
    let content: Content = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut declared = Declared::default();
    for device in content.devices {
        let name = &device.name;
        if let Some(fault) = name_fault(name) {
            return Err(format!("{name:?} is no name of a device: {fault}"));
        }
        if declared.by_name.contains_key(name) {
            return Err(format!("{name} is there twice"));
        }
        declared.declare(name, device.declaration, device.index);
    }
    Ok(declared)
}

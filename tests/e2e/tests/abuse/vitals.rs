//! What an agent holds: nothing of it may grow with time.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use serde_json::Value;
use tidegate_e2e::World;

/// Numbers of one moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Vitals {
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
    /// BPF maps and programs of the whole machine would be others' as well: those that this process holds.
    pub(crate) kernel_objects: usize,
    pub(crate) resident_kib: u64,
    /// Entries of each map.
    pub(crate) maps: Vec<(String, u64)>,
    pub(crate) backends: usize,
    pub(crate) frontends: usize,
}

impl Vitals {
    pub(crate) fn of(world: &World) -> Result<Self> {
        let process = format!("/proc/{}", world.agent_id().context("no agent")?);
        let process = Path::new(&process);
        let links: Vec<String> = fs::read_dir(process.join("fd"))?
            .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
            .map(|to| to.to_string_lossy().into_owned())
            .collect();
        let status = fs::read_to_string(process.join("status"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|it| it.trim().split(' ').next());
        let shown = world.spec.status()?;
        let maps = maps(&shown)?.into_iter();
        let rows = |what: &str| -> Result<usize> {
            let list = world.spec.get(what)?;
            Ok(list["items"].as_array().map_or(0, Vec::len))
        };
        Ok(Self {
            descriptors: links.iter().filter(|to| !to.starts_with("socket:")).count(),
            threads: fs::read_dir(process.join("task"))?.count(),
            kernel_objects: links.iter().filter(|to| to.contains("bpf")).count(),
            resident_kib: resident.context("no VmRSS")?.parse()?,
            // The others are traffic's.
            maps: maps.filter(|(name, _)| !is_traffics(name)).collect(),
            backends: rows("backends")?,
            frontends: rows("frontends")?,
        })
    }
}

/// Flow records and sockets; a masquerade port is taken as long as a flow record has it.
pub(crate) fn of_traffic(world: &World) -> Result<u64> {
    let maps = maps(&world.spec.status()?)?;
    let rows = maps.iter().filter(|(name, _)| is_traffics(name));
    Ok(rows.map(|(_, used)| used).sum())
}

fn is_traffics(name: &str) -> bool {
    name.contains("flows") || name.starts_with("sockets")
}

/// Name of each map, and how many entries it has.
fn maps(status: &Value) -> Result<Vec<(String, u64)>> {
    let row = |row: &Value| {
        let name = row["name"].as_str().unwrap_or_default().to_owned();
        (name, row["used"].as_u64().unwrap_or(0))
    };
    Ok(status["maps"]
        .as_array()
        .context("no maps")?
        .iter()
        .map(row)
        .collect())
}

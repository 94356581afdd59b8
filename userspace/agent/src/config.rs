//! The agent's configuration: flag, else environment, else file, else default.
//!
//! This module decides from texts alone; what depends on the machine is asked in [`crate::preflight`].

mod file;
mod options;
mod pool;
mod ranges;
#[cfg(test)]
mod tests;
mod values;

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
};

use tidegate_abi::settings::{POD_RANGES, SERVICE_RANGES};
use tidegate_kubernetes::{Access, SERVICE_ACCOUNT, Server};
use tidegate_loader::Attach;

pub(crate) use options::Options;
pub(crate) use pool::Pool;
pub(crate) use values::{
    AttachMode, CgroupChoice, HealthAddress, LogFormat, MetricsAddress, NodePortAddresses,
};

use crate::{
    cidr::{Cidr, PortRange},
    failure::Failure,
    glob::Glob,
};

/// Default of `--api`, also for the commands that only talk to an agent.
pub(crate) const API: &str = "/run/tidegate/api.sock";
/// Default of `--bpffs`, also for `detach`.
pub(crate) const BPFFS: &str = "/sys/fs/bpf/tidegate";

/// Everything that `tidegate run` was told, with nothing left open.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) manifests: Vec<PathBuf>,
    /// `None`: no Kubernetes API server is asked.
    pub(crate) kubernetes: Option<Server>,
    pub(crate) node_name: String,
    /// Empty: the devices of the default route.
    pub(crate) uplink: Vec<Glob>,
    pub(crate) pod_device: Vec<Glob>,
    pub(crate) overlay_device: Vec<Glob>,
    /// Empty: the uplinks' own.
    pub(crate) node_address: Vec<IpAddr>,
    pub(crate) nodeport_addresses: Vec<NodePortAddresses>,
    pub(crate) nodeport_range: PortRange,
    pub(crate) service_cidr: Vec<Cidr>,
    /// Nobody said which: they are Kubernetes' default.
    pub(crate) guesses_service_cidr: bool,
    /// Empty: no Service is given a load-balancer address.
    pub(crate) lb_pool: Vec<Pool>,
    pub(crate) pod_cidr: Vec<Cidr>,
    pub(crate) external_clusterip: bool,
    pub(crate) masquerade_all: bool,
    pub(crate) attach: AttachMode,
    pub(crate) tcx: bool,
    /// `None`: find the mount.
    pub(crate) cgroup: Option<CgroupChoice>,
    pub(crate) flows: u32,
    pub(crate) traffic_counters: u32,
    pub(crate) masquerade_ports: PortRange,
    pub(crate) api: PathBuf,
    /// `None`: the agent's own.
    pub(crate) api_group: Option<String>,
    pub(crate) state_dir: PathBuf,
    pub(crate) bpffs: PathBuf,
    pub(crate) health_address: HealthAddress,
    pub(crate) metrics_address: MetricsAddress,
    pub(crate) metrics_series_max: u32,
    pub(crate) log_format: LogFormat,
    pub(crate) detach_on_exit: bool,
    /// Device flags that the user gave, for the check that named devices exist.
    pub(crate) named_devices: Vec<(&'static str, Glob)>,
}

impl Config {
    /// Reads the file if one is named, and fills what nobody said with defaults.
    pub(crate) fn load(said: Options) -> Result<Self, Failure> {
        let file = match &said.config {
            Some(path) => file::read(path)?,
            None => Options::default(),
        };
        let config = Self::with_defaults(said.or(file))?;
        config.check()?;
        Ok(config)
    }

    fn with_defaults(said: Options) -> Result<Self, Failure> {
        let named_devices = named(&said);
        let kubernetes = kubernetes(&said)?;
        let node_name = match said.node_name {
            Some(name) => name,
            None => host_name()?,
        };
        Ok(Self {
            manifests: said.manifests,
            kubernetes,
            node_name,
            uplink: said.uplink,
            pod_device: or(said.pod_device, ["veth*", "lxc*", "cali*", "eni*"])?,
            overlay_device: said.overlay_device,
            node_address: said.node_address,
            nodeport_addresses: or(said.nodeport_addresses, ["primary"])?,
            nodeport_range: said.nodeport_range.unwrap_or(PortRange {
                first: 30_000,
                last: 32_767,
            }),
            guesses_service_cidr: said.service_cidr.is_empty(),
            service_cidr: or(said.service_cidr, ["10.96.0.0/12"])?,
            lb_pool: said.lb_pool,
            pod_cidr: said.pod_cidr,
            external_clusterip: said.external_clusterip.unwrap_or(false),
            masquerade_all: said.masquerade_all.unwrap_or(false),
            attach: said.attach.unwrap_or(AttachMode(Attach::Auto)),
            tcx: said.tcx.unwrap_or(true),
            cgroup: said.cgroup,
            flows: said.flows.unwrap_or(tidegate_abi::maps::FLOWS_MAX),
            traffic_counters: said
                .traffic_counters
                .unwrap_or(tidegate_abi::maps::TRAFFIC_MAX),
            masquerade_ports: said.masquerade_ports.unwrap_or(PortRange {
                first: 20_000,
                last: 29_999,
            }),
            api: said.api.unwrap_or_else(|| API.into()),
            api_group: said.api_group,
            state_dir: said.state_dir.unwrap_or_else(|| "/var/lib/tidegate".into()),
            bpffs: said.bpffs.unwrap_or_else(|| BPFFS.into()),
            health_address: said.health_address.unwrap_or(HealthAddress::At(
                (Ipv4Addr::UNSPECIFIED, values::HEALTH_PORT).into(),
            )),
            metrics_address: said.metrics_address.unwrap_or(MetricsAddress::At(
                (Ipv4Addr::LOCALHOST, values::METRICS_PORT).into(),
            )),
            metrics_series_max: said.metrics_series_max.unwrap_or(10_000),
            log_format: said.log_format.unwrap_or(LogFormat::Text),
            detach_on_exit: said.detach_on_exit.unwrap_or(false),
            named_devices,
        })
    }

    fn check(&self) -> Result<(), Failure> {
        if self.masquerade_ports.overlaps(&self.nodeport_range) {
            return Err(anyhow::anyhow!(
                "--masquerade-ports {} overlaps --nodeport-range {}: choose ranges that share no port",
                self.masquerade_ports,
                self.nodeport_range
            )
            .into());
        }
        fits("--service-cidr", &self.service_cidr, SERVICE_RANGES)?;
        fits("--pod-cidr", &self.pod_cidr, POD_RANGES)?;
        self.check_ranges()
    }
}

/// The API server that is asked, if any.
fn kubernetes(said: &Options) -> Result<Option<Server>, Failure> {
    let access = match (&said.kubeconfig, said.in_cluster.unwrap_or(false)) {
        (Some(_), true) => {
            return Err(Failure::Usage(
                "--kubeconfig and --in-cluster exclude each other: say one of them".to_owned(),
            ));
        }
        (Some(path), false) => Access::Kubeconfig(path.clone()),
        (None, true) => Access::InCluster(SERVICE_ACCOUNT.into()),
        (None, false) if said.kube_api_server.is_some() => {
            return Err(Failure::Usage(
                "--kube-api-server needs credentials: say --kubeconfig or --in-cluster too"
                    .to_owned(),
            ));
        }
        (None, false) => return Ok(None),
    };
    Ok(Some(Server::new(access, said.kube_api_server.clone())))
}

/// The data path has a fixed number of places for blocks of each family.
fn fits(flag: &str, blocks: &[Cidr], most: usize) -> Result<(), Failure> {
    let v4 = blocks.iter().filter(|cidr| cidr.range4().is_some()).count();
    for (family, count) in [("IPv4", v4), ("IPv6", blocks.len() - v4)] {
        if count > most {
            return Err(Failure::Usage(format!(
                "{flag} names {count} {family} blocks, and {most} fit: join neighbouring blocks into larger ones"
            )));
        }
    }
    Ok(())
}

fn named(said: &Options) -> Vec<(&'static str, Glob)> {
    let flags = [
        ("--uplink", &said.uplink),
        ("--pod-device", &said.pod_device),
        ("--overlay-device", &said.overlay_device),
    ];
    let all = flags
        .iter()
        .flat_map(|(flag, globs)| globs.iter().map(|glob| (*flag, glob.clone())));
    all.filter(|(_, glob)| glob.literal().is_some()).collect()
}

/// The list, or the default when it is empty.
fn or<T, const N: usize>(said: Vec<T>, default: [&str; N]) -> Result<Vec<T>, Failure>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    if !said.is_empty() {
        return Ok(said);
    }
    let parsed = default.iter().map(|text| text.parse::<T>());
    parsed
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::Usage(error.to_string()))
}

fn host_name() -> Result<String, Failure> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => Err(Failure::Usage(
            "this host has no name: say --node-name".to_owned(),
        )),
        name => Ok(name.to_owned()),
    }
}

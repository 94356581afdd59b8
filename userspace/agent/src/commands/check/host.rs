//! What this host gives: rights, mounts, devices and settings.

use std::{fs, io, net::TcpListener};

use tidegate_loader::{Role, has_driver, kernel_at_least};
use tokio::sync::mpsc;

use super::finding::Finding;
use crate::{
    config::{Config, HealthAddress, MetricsAddress},
    devices::{Facts, declared::Declared},
    netlink, preflight, sockets,
};

/// What `run` would refuse to start without.
pub(super) fn needs(config: &Config) -> Vec<Finding> {
    let judged = |finding: Finding, outcome: anyhow::Result<String>| match outcome {
        Ok(found) => finding.ok(found),
        Err(error) => finding.missing(error.to_string()),
    };
    let rights = judged(
        Finding::needed("rights")
            .remedy("run as root, or with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"),
        preflight::has_rights()
            .map(|()| "CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, or more".to_owned()),
    );
    let bpffs = judged(
        Finding::needed("bpffs").remedy("mount -t bpf bpf /sys/fs/bpf"),
        preflight::bpffs(&config.bpffs).map(|()| format!("--bpffs {}", config.bpffs.display())),
    );
    let cgroup = judged(
        Finding::needed("cgroup v2")
            .remedy("mount -t cgroup2 cgroup2 /sys/fs/cgroup, or say --cgroup off"),
        preflight::cgroup(config.cgroup.as_ref()).map(|path| match path {
            Some(path) => path.display().to_string(),
            None => {
                "--cgroup off: processes of this host reach Services through the packet path only"
                    .to_owned()
            }
        }),
    );
    let ports = judged(
        Finding::needed("masquerade ports").remedy(
            "choose other --masquerade-ports, or change the sysctl net.ipv4.ip_local_port_range",
        ),
        preflight::masquerade_ports(config)
            .map(|local| format!("{}; local sockets get {local}", config.masquerade_ports)),
    );
    vec![rights, memory(), bpffs, cgroup, ports]
}

/// Before Linux 5.11 maps count as locked memory.
fn memory() -> Finding {
    let finding = Finding::needed("locked memory")
        .remedy("ulimit -l unlimited; systemd: LimitMEMLOCK=infinity");
    if kernel_at_least(5, 11) {
        return finding.ok("maps are not counted as locked memory by this kernel");
    }
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max locked memory"));
    match line.and_then(|line| line.split_whitespace().next()) {
        Some("unlimited") => finding.ok("unlimited"),
        Some(soft) => finding.missing(format!("only {soft} bytes may be locked")),
        None => finding.unknown("cannot read /proc/self/limits"),
    }
}

/// The devices that `run` would attach to, and how.
pub(super) async fn devices(config: &Config) -> Vec<Finding> {
    let (out, _news) = mpsc::channel(1);
    let seen = match netlink::follow(out).await {
        Ok((seen, follower)) => {
            follower.abort();
            seen
        }
        Err(error) => {
            return vec![Finding::needed("devices").missing(error.to_string())];
        }
    };
    let named =
        Finding::needed("named devices").remedy("name devices that are there, or use wildcards");
    let mut findings = Vec::new();
    if let Err(error) = preflight::named_devices(config, &seen) {
        findings.push(named.missing(error.to_string()));
    }
    let facts = Facts::derive(config, &seen, &Declared::default(), &Default::default());
    let uplinks: Vec<&str> = facts
        .devices
        .values()
        .filter(|it| it.role == Role::Uplink)
        .map(|it| it.name.as_str())
        .collect();
    let others = facts.devices.len() - uplinks.len();
    let uplink = Finding::optional("uplink", "clients outside this node are not served")
        .remedy("give the node a default route, or name devices with --uplink");
    findings.push(match uplinks.as_slice() {
        [] => uplink.missing("no device is the uplink"),
        some => uplink.ok(format!(
            "{}; and {others} devices of pods and tunnels",
            some.join(", ")
        )),
    });
    findings.extend(uplinks.into_iter().map(native_xdp));
    findings.extend(rp_filter(facts.devices.values().map(|it| it.name.as_str())));
    findings
}

fn native_xdp(device: &str) -> Finding {
    let finding = Finding::optional(
        format!("XDP at {device}"),
        "its packets are served by tc, which takes more processor time for each",
    );
    if has_driver(device) {
        finding.ok("the device has a driver of its own: `--attach auto` uses XDP")
    } else {
        finding
            .remedy("nothing: virtual devices hand over partial checksums and super-packets, which only tc can finish")
            .missing("a virtual device")
    }
}

/// Reverse path filtering drops what comes in where the way back does not lead.
fn rp_filter<'a>(devices: impl Iterator<Item = &'a str>) -> Option<Finding> {
    let mode = |device: &str| {
        sysctl(&format!("net/ipv4/conf/{device}/rp_filter"))?
            .parse::<u32>()
            .ok()
    };
    // The stricter of both holds.
    let all = mode("all")?;
    let strict: Vec<&str> = devices
        .filter(|it| mode(it).unwrap_or(0).max(all) == 1)
        .collect();
    let finding = Finding::optional(
        "rp_filter",
        "the kernel drops packets that come in by another device than the way back would take, before or after tidegate has seen them",
    );
    if strict.is_empty() {
        return Some(finding.ok("off or loose at every device"));
    }
    let remedy =
        "harmless with one uplink; with several: sysctl -w net.ipv4.conf.DEVICE.rp_filter=2";
    Some(
        finding
            .remedy(remedy)
            .missing(format!("strict at {}", strict.join(", "))),
    )
}

/// Ports that the agent opens. The data path does not need them.
pub(super) fn ports(config: &Config) -> Vec<Finding> {
    let health = match config.health_address {
        HealthAddress::Off => None,
        HealthAddress::At(address) => Some(address),
    };
    let metrics = match config.metrics_address {
        MetricsAddress::Off => None,
        MetricsAddress::At(address) => Some(address),
    };
    let ports = [
        (
            "--health-address",
            health,
            "load balancers outside see this node as down",
        ),
        ("--metrics-address", metrics, "there are no metrics"),
    ];
    let findings = ports.into_iter().map(|(flag, address, costs)| {
        let finding = Finding::optional(flag, costs).remedy(format!(
            "stop who listens there, kube-proxy perhaps (ss -ltnp), or say another {flag}"
        ));
        let Some(address) = address else {
            return finding.ok("off");
        };
        match TcpListener::bind(address) {
            Ok(_closed_at_once) => finding.ok(format!("{address} is free")),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => finding.missing(format!(
                "{address} is in use; by an agent that runs, perhaps"
            )),
            Err(error) => finding.missing(format!("{address}: {error}")),
        }
    });
    findings.collect()
}

/// Switches of the kernel that decide what happens to packets.
pub(super) fn settings() -> Vec<Finding> {
    let forwarding = |family: &str, key: &str| {
        let costs = "packets to and from pods are dropped with no_route";
        let finding = Finding::optional(format!("forwarding of {family}"), costs)
            .remedy(format!("sysctl -w {}=1", key.replace('/', ".")));
        match sysctl(key).as_deref() {
            Some("0") => finding.missing("off"),
            Some(_) => finding.ok("on"),
            None => finding.unknown(format!(
                "there is no /proc/sys/{key}: is the family switched off?"
            )),
        }
    };
    let diag = Finding::optional(
        "ending sockets (inet_diag)",
        "connected UDP sockets of this host are not told when their backend goes, and must connect anew by themselves",
    )
    .remedy("use a kernel with CONFIG_INET_UDP_DIAG and CONFIG_INET_DIAG_DESTROY");
    vec![
        forwarding("IPv4", "net/ipv4/ip_forward"),
        forwarding("IPv6", "net/ipv6/conf/all/forwarding"),
        match sockets::can_end() {
            Ok(()) => diag.ok("works"),
            Err(reason) => diag.missing(reason),
        },
    ]
}

fn sysctl(key: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/sys/{key}")).ok()?;
    Some(text.trim().to_owned())
}

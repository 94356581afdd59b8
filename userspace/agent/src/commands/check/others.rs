//! Who else is here: rules of kube-proxy, and other tidegates.

use std::{fs, path::Path, process::Command};

use super::{finding::Finding, rules};
use crate::{config::Config, others};

/// What others have left or use.
pub(super) fn findings(config: &Config) -> Vec<Finding> {
    vec![kube_proxy(), pins(&config.bpffs), beside(&config.bpffs)]
}

fn kube_proxy() -> Finding {
    let finding = Finding::optional(
        "no rules of kube-proxy",
        "both translate: whoever comes first decides, and rules that nobody renews lead to pods that are gone",
    )
    .remedy("stop kube-proxy, then `kube-proxy --cleanup`, or restart the node");
    let mut found = Vec::new();
    match rules::of_nftables() {
        Ok(rules) => found.extend(rules),
        // Without nf_tables in the kernel there are no rules.
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::EINVAL | libc::EOPNOTSUPP | libc::EPROTONOSUPPORT)
            ) => {}
        Err(error) => return finding.unknown(format!("nftables cannot be asked: {error}")),
    }
    match legacy() {
        Ok(rules) => found.extend(rules),
        Err(reason) if found.is_empty() => return finding.unknown(reason),
        Err(_) => {}
    }
    found.extend(ipvs());
    if found.is_empty() {
        finding.ok("none")
    } else {
        finding.missing(found.join("; "))
    }
}

/// Chains of the iptables of old, which netlink does not show.
fn legacy() -> Result<Option<String>, String> {
    let tables = fs::read_to_string("/proc/net/ip_tables_names").unwrap_or_default();
    if !tables.lines().any(|table| table == "nat") {
        return Ok(None);
    }
    let programs = ["iptables-legacy-save", "iptables-save"];
    let output = programs
        .iter()
        .find_map(|program| Command::new(program).args(["-t", "nat"]).output().ok());
    let Some(output) = output else {
        return Err(
            "there are iptables rules of the old kind, and no iptables-legacy-save to list them"
                .to_owned(),
        );
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let chains = text
        .lines()
        .filter_map(|line| line.strip_prefix(':')?.split(' ').next())
        .filter(|chain| rules::is_kube_proxys(chain))
        .count();
    Ok(
        (chains > 0)
            .then(|| format!("{chains} chains of iptables (legacy), such as KUBE-SERVICES")),
    )
}

fn ipvs() -> Option<String> {
    let text = fs::read_to_string("/proc/net/ip_vs").ok()?;
    let services = text
        .lines()
        .filter(|line| {
            ["TCP ", "UDP ", "SCTP "]
                .iter()
                .any(|it| line.starts_with(it))
        })
        .count();
    (services > 0).then(|| format!("{services} virtual servers of IPVS"))
}

/// Whether a tidegate with other pins is at the devices, running or left behind.
fn beside(bpffs: &Path) -> Finding {
    let finding = Finding::optional(
        "no other tidegate at the devices",
        "both translate the same packets, and neither knows of the other's flows",
    )
    .remedy("`tidegate detach` with its --bpffs, after its agent has stopped");
    let found = others::lines(&tidegate_loader::others(bpffs), bpffs);
    if found.is_empty() {
        finding.ok("none")
    } else {
        finding.missing(found.join("; "))
    }
}

/// Whether a tidegate runs with these pins, or has left some.
fn pins(bpffs: &Path) -> Finding {
    let finding = Finding::optional(
        "no other tidegate",
        "`tidegate run` with the same --bpffs is refused while that one runs",
    );
    if !bpffs.exists() {
        return finding.ok(format!("nothing at {}", bpffs.display()));
    }
    match tidegate_loader::lock(bpffs) {
        Ok(_released_at_once) => finding.ok(format!(
            "nobody runs with {}; pins that are there are taken over",
            bpffs.display()
        )),
        Err(error) => finding
            .remedy("nothing, if that is the agent that you know; else stop it")
            .missing(error.to_string()),
    }
}

//! What the kernel can do, as trying has shown.

use tidegate_loader::{Feature, Found, probe};

use super::finding::Finding;

/// A finding for each feature that was tried, and one for the kernel's version.
pub(super) fn features() -> Vec<Finding> {
    let mut findings = vec![version()];
    let tried = probe();
    if tried.is_empty() {
        findings.push(
            Finding::needed("eBPF").unknown("nothing could be tried: no thread was to be had"),
        );
    }
    findings.extend(tried.into_iter().map(|(feature, found)| {
        let finding = words(feature);
        match found {
            Found::Works(more) if more.is_empty() => finding.ok("works"),
            Found::Works(more) => finding.ok(more),
            Found::Fails(reason) => finding.missing(reason),
            Found::Untried(reason) => finding.unknown(reason),
        }
    }));
    findings
}

fn version() -> Finding {
    let finding = Finding::optional("kernel", "");
    match nix::sys::utsname::uname() {
        Ok(name) => finding.ok(format!(
            "Linux {}; tested from 5.10 on, most on 6.18",
            name.release().to_string_lossy()
        )),
        Err(errno) => finding.unknown(format!("cannot be asked: {errno}")),
    }
}

/// The feature's name, its price, and what to do.
fn words(feature: Feature) -> Finding {
    let newer = |version: &str| format!("use Linux {version} or newer");
    match feature {
        Feature::Bpf => Finding::needed("bpf(2)")
            .remedy("use a kernel with CONFIG_BPF_SYSCALL; containers: allow bpf(2) in the seccomp profile"),
        Feature::Btf => Finding::optional(
            "BTF of the kernel",
            "bpftool and the like show bytes where they could show names; the agent itself does not need it",
        )
        .remedy("use a kernel with CONFIG_DEBUG_INFO_BTF"),
        Feature::RingBuffer => Finding::needed("ring buffer").remedy(newer("5.8")),
        Feature::Trie => Finding::needed("longest-prefix trie").remedy(newer("4.11")),
        Feature::Lru => Finding::needed("LRU hash").remedy(newer("4.10")),
        Feature::FibLookup => Finding::needed("bpf_fib_lookup").remedy(newer("4.18")),
        Feature::SocketLookup => Finding::needed("bpf_sk_lookup_udp").remedy(newer("4.20")),
        Feature::RedirectPeer => Finding::needed("bpf_redirect_peer").remedy(newer("5.10")),
        Feature::RedirectNeighbour => Finding::needed("bpf_redirect_neigh").remedy(newer("5.10")),
        Feature::NetnsCookie => Finding::optional(
            "network namespace cookie",
            "no socket hooks: processes of this host reach Services through the packet path only",
        )
        .remedy(newer("5.7")),
        Feature::SetRetval => Finding::optional(
            "bpf_set_retval",
            "a process of this host that dials a Service without endpoints is told EPERM instead of \"connection refused\"",
        )
        .remedy(newer("5.18")),
        Feature::Tcx => Finding::optional(
            "tcx",
            "clsact filters are used: whoever deletes the qdisc takes the programs away, until the agent looks, every ten seconds",
        )
        .remedy(newer("6.6")),
        Feature::XdpLink => Finding::optional("XDP by link", "uplinks can be served by tc only: say --attach tc")
            .remedy(newer("5.9")),
        Feature::Programs => Finding::needed("tidegate's programs")
            .remedy("use a newer kernel; the verifier's whole log is in `TIDEGATE_LOG=debug tidegate run`"),
        Feature::Attach => Finding::needed("tidegate's programs at a device")
            .remedy("use a kernel with CONFIG_NET_CLS_BPF and CONFIG_NET_CLS_ACT, or Linux 6.6 with tcx"),
    }
}

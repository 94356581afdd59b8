//! `tidegate.service`, as the package installs it.

use std::{collections::BTreeMap, path::Path};

use crate::{flags, repository, text, understood};

const FILE: &str = "userspace/agent/dist/tidegate.service";

/// The words of a setting of the unit.
pub(crate) fn setting(name: &str) -> Vec<String> {
    let text = text(FILE);
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let words = value
        .unwrap_or_else(|| panic!("no {name}= in {FILE}"))
        .split_whitespace();
    words.map(str::to_owned).collect()
}

fn default_of(flag: &str) -> String {
    let default = flags().remove(flag).flatten();
    default.unwrap_or_else(|| panic!("--{flag} tells no default"))
}

#[test]
fn the_agent_understands_how_the_unit_starts_it() {
    let exec = setting("ExecStart");
    let (program, args) = exec.split_first().expect("a program");
    assert_eq!(program, "/usr/bin/tidegate");
    let installed = "/etc/tidegate/tidegate.toml";
    let here = repository().join("userspace/agent/dist/tidegate.toml");
    let here = here.to_str().expect("a path in UTF-8");
    assert!(args.iter().any(|arg| arg == installed), "{args:?}");
    let args: Vec<&str> = args
        .iter()
        .map(|arg| if arg == installed { here } else { arg })
        .collect();
    understood(&args, &BTreeMap::new());
}

#[test]
fn the_agent_may_write_where_it_writes_by_default() {
    let parent = |path: String| Path::new(&path).parent().map(|it| it.display().to_string());
    let run = format!("/run/{}", setting("RuntimeDirectory").concat());
    assert_eq!(parent(default_of("api")), Some(run));
    let state = format!("/var/lib/{}", setting("StateDirectory").concat());
    assert_eq!(default_of("state-dir"), state);
    assert_eq!(setting("ProtectSystem"), ["strict"]);
    assert_eq!(
        parent(default_of("bpffs")),
        Some(setting("ReadWritePaths").concat())
    );
}

#[test]
fn the_unit_does_not_close_the_bpffs_for_good() {
    // systemd closes /sys/fs/bpf with it, and ReadWritePaths= does not open that again.
    let unit = text(FILE);
    let closes = |line: &str| line.starts_with("ProtectKernelTunables=");
    assert!(!unit.lines().any(closes));
    assert!(setting("ReadOnlyPaths").contains(&"/proc/sys".to_owned()));
}

#[test]
fn nothing_of_the_node_waits_for_the_agent() {
    // With Type=notify whoever is ordered after it waits for `ready`, which waits for the API server; kubeadm's
    // is a static pod, started by the kubelet, started by its container runtime.
    let unit = text(FILE);
    let holds_up = |line: &str| line.starts_with("Before=") || line.starts_with("RequiredBy=");
    let found: Vec<&str> = unit.lines().filter(|line| holds_up(line)).collect();
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(setting("Type"), ["notify"]);
    assert_eq!(setting("WantedBy"), ["multi-user.target"]);
}

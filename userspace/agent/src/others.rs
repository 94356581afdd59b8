//! What is said of other tidegates at the same devices, by `status` and by `check`.

use std::{collections::BTreeMap, path::Path};

use tidegate_loader::Other;

/// Devices that are named.
const NAMED: usize = 3;

/// One line for each of them, wherever it is attached.
pub(crate) fn lines(others: &[Other], bpffs: &Path) -> Vec<String> {
    let mut devices: BTreeMap<&Path, Vec<&str>> = BTreeMap::new();
    for other in others {
        devices.entry(&other.pins).or_default().push(&other.device);
    }
    let line = |(pins, mut devices): (&Path, Vec<&str>)| {
        devices.sort_unstable();
        format!(
            "another tidegate, with pins in {}, is attached to {} too, and both translate: {}",
            pins.display(),
            names(&devices),
            remedy(pins, bpffs)
        )
    };
    devices.into_iter().map(line).collect()
}

fn names(devices: &[&str]) -> String {
    let more = devices.len().saturating_sub(NAMED);
    let named = devices[..devices.len() - more].join(", ");
    match more {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

fn remedy(pins: &Path, bpffs: &Path) -> String {
    match pins.parent() {
        // Of another version, below our own directory: `detach` would take ours too.
        Some(parent) if parent == bpffs => format!("`rm -r {}`", pins.display()),
        parent => format!(
            "stop its agent, then `tidegate detach --bpffs {}`",
            parent.unwrap_or(pins).display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other(device: &str, pins: &str) -> Other {
        Other {
            device: device.to_owned(),
            pins: pins.into(),
        }
    }

    #[test]
    fn each_of_them_has_one_line_with_its_devices_and_a_remedy() {
        let others = [
            other("eth0", "/sys/fs/bpf/b/v7"),
            other("veth1", "/sys/fs/bpf/b/v7"),
            other("veth2", "/sys/fs/bpf/b/v7"),
            other("veth3", "/sys/fs/bpf/b/v7"),
            other("eth0", "/sys/fs/bpf/a/v6"),
        ];
        let said = lines(&others, Path::new("/sys/fs/bpf/a"));
        assert_eq!(
            said,
            [
                "another tidegate, with pins in /sys/fs/bpf/a/v6, is attached to eth0 too, and both translate: \
                 `rm -r /sys/fs/bpf/a/v6`",
                "another tidegate, with pins in /sys/fs/bpf/b/v7, is attached to eth0, veth1, veth2 and 1 more too, \
                 and both translate: stop its agent, then `tidegate detach --bpffs /sys/fs/bpf/b`",
            ]
        );
        assert!(lines(&[], Path::new("/sys/fs/bpf/a")).is_empty());
    }
}

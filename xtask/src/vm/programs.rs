//! This machine's programs, with the libraries that they are linked to, for a machine without a disk.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use tidegate_rig::output_of;

use super::cpio::Archive;

/// What the scenes run.
const SCENES: [&str; 5] = ["ip", "tc", "nft", "ethtool", "tcpdump"];
/// What the scenes' shell lines and tests run beside.
const SHELL: [&str; 10] = [
    "sh", "sleep", "timeout", "cp", "grep", "date", "true", "cat", "ls", "dmesg",
];
/// Tables that `ip` and `tcpdump` look names up in.
const FILES: [&str; 4] = [
    "/etc/passwd",
    "/etc/group",
    "/etc/protocols",
    "/etc/services",
];

/// Everything that a job's program may call.
pub(super) fn put(archive: &mut Archive) -> Result<()> {
    for name in SCENES.iter().chain(&SHELL) {
        let path = find(name).with_context(|| format!("{name} is not installed"))?;
        put_program(archive, &path, &format!("usr/bin/{name}"), &read(&path)?)?;
    }
    for name in FILES {
        // Names are a convenience: not every machine has the tables.
        if let Ok(content) = fs::read(name) {
            archive.file(&name[1..], 0o644, &content);
        }
    }
    // The shell has its place in scripts, and programs look for others in the old places.
    for (link, to) in [("bin", "usr/bin"), ("sbin", "usr/bin"), ("usr/sbin", "bin")] {
        archive.symlink(link, to);
    }
    Ok(())
}

/// A program by its content, which may be stripped; the libraries are those of the file at `path`.
pub(super) fn put_program(
    archive: &mut Archive,
    path: &Path,
    at: &str,
    content: &[u8],
) -> Result<()> {
    archive.file(at, 0o755, content);
    let told = output_of(Command::new("ldd").arg(path))?;
    for library in libraries(&told) {
        let inside = library.trim_start_matches('/');
        if !archive.has(inside) {
            archive.file(inside, 0o755, &read(Path::new(library))?);
        }
    }
    Ok(())
}

/// Where the libraries are, in what `ldd` prints. The kernel's own page among them is no file.
fn libraries(told: &str) -> BTreeSet<&str> {
    let found = told.lines().filter_map(|line| {
        let line = line.trim();
        let place = line.split_once("=> ").map_or(line, |(_, place)| place);
        let place = place.split_whitespace().next()?;
        place.starts_with('/').then_some(place)
    });
    found.collect()
}

fn find(name: &str) -> Option<PathBuf> {
    let places = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let paths = places.iter().map(|place| Path::new(place).join(name));
    paths.into_iter().find(|path| path.exists())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_told_by_their_places() {
        let told = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n\tlibodd.so => not found\n";
        let expected = [
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(libraries(told), BTreeSet::from(expected));
        assert!(libraries("\tstatically linked\n").is_empty());
    }

    #[test]
    fn a_program_brings_its_libraries_along() {
        let own = std::env::current_exe().unwrap();
        let mut archive = Archive::default();
        put_program(&mut archive, &own, "test", b"stripped").unwrap();
        assert!(archive.has("test"));
        assert!(
            archive.has("lib64/ld-linux-x86-64.so.2"),
            "the dynamic linker is a library too"
        );
    }
}

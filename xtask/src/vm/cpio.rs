//! Archives in the kernel's own format (`newc`, Documentation/driver-api/early-userspace/buffer-format.rst):
//! what an initramfs is made of.
//!
//! Several archives one after the other are one to the kernel, so what seldom changes can be kept.

use std::collections::BTreeSet;

const DIRECTORY: u32 = 0o040_755;
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_777;
const CHARACTER: u32 = 0o020_600;
const END: &str = "TRAILER!!!";

/// An archive that grows. Directories on the way to an entry are made by themselves.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    inodes: u32,
    known: BTreeSet<String>,
}

impl Archive {
    /// A file at a path without the leading slash; the first of a name stays.
    pub(super) fn file(&mut self, path: &str, permissions: u32, content: &[u8]) {
        self.entry(path, REGULAR | permissions, (0, 0), content);
    }

    pub(super) fn directory(&mut self, path: &str) {
        self.entry(path, DIRECTORY, (0, 0), &[]);
    }

    pub(super) fn symlink(&mut self, path: &str, to: &str) {
        self.entry(path, SYMLINK, (0, 0), to.as_bytes());
    }

    /// A character device.
    pub(super) fn device(&mut self, path: &str, major: u32, minor: u32) {
        self.entry(path, CHARACTER, (major, minor), &[]);
    }

    /// Whether there is an entry at this path.
    pub(super) fn has(&self, path: &str) -> bool {
        self.known.contains(path)
    }

    /// The whole archive, closed.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.header(END, 0, (0, 0), 0);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), content: &[u8]) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent);
        }
        if self.known.insert(path.to_owned()) {
            self.header(path, mode, device, content.len());
            self.bytes.extend(content);
            self.pad();
        }
    }

    fn header(&mut self, name: &str, mode: u32, (major, minor): (u32, u32), size: usize) {
        self.inodes += 1;
        let fields = [
            self.inodes,
            mode,
            0, // owner
            0, // group
            1, // links
            0, // date
            size as u32,
            0,
            0, // of the device that it is on
            major,
            minor,
            name.len() as u32 + 1,
            0, // checksum, of another format
        ];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
    }

    /// Names and contents begin at multiples of four.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, mode and content of every entry, read as the kernel does.
    fn entries(bytes: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let (mut at, mut found) = (0, Vec::new());
        while at < bytes.len() {
            let field = |n: usize| {
                let hex = std::str::from_utf8(&bytes[at + 6 + 8 * n..][..8]).unwrap();
                u32::from_str_radix(hex, 16).unwrap() as usize
            };
            assert_eq!(&bytes[at..at + 6], b"070701");
            let (mode, size, name_len) = (field(1), field(6), field(11));
            let name = &bytes[at + 110..at + 110 + name_len - 1];
            let content = (at + 110 + name_len).next_multiple_of(4);
            let name = String::from_utf8(name.to_vec()).unwrap();
            found.push((name, mode as u32, bytes[content..content + size].to_vec()));
            at = (content + size).next_multiple_of(4);
        }
        found
    }

    #[test]
    fn parents_come_first_and_once_and_the_end_is_marked() {
        let mut archive = Archive::default();
        archive.file("a/b/one", 0o755, b"12345");
        archive.file("a/b/two", 0o644, b"");
        archive.symlink("a/link", "b/one");
        archive.file("a/b/one", 0o644, b"not taken");
        let found = entries(&archive.finish());
        let expected: [(&str, u32, &[u8]); 6] = [
            ("a", 0o040_755, b""),
            ("a/b", 0o040_755, b""),
            ("a/b/one", 0o100_755, b"12345"),
            ("a/b/two", 0o100_644, b""),
            ("a/link", 0o120_777, b"b/one"),
            ("TRAILER!!!", 0, b""),
        ];
        let expected =
            expected.map(|(name, mode, content)| (name.to_owned(), mode, content.to_vec()));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_device_carries_its_numbers() {
        let mut archive = Archive::default();
        archive.device("console", 5, 1);
        assert!(archive.has("console") && !archive.has("null"));
        let bytes = archive.finish();
        let field = |n: usize| {
            std::str::from_utf8(&bytes[6 + 8 * n..][..8])
                .unwrap()
                .to_owned()
        };
        assert_eq!(
            (field(1), field(9), field(10)),
            ("00002180".into(), "00000005".into(), "00000001".into())
        );
    }
}

//! Tar archives that are the same bytes each time: sorted, one date, owned by root.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use tar::{Builder, EntryType, Header};

use super::file::File;

/// An archive of these files, and of the directories on the way to them.
pub(super) fn tar(files: &[File], epoch: u64) -> Result<Vec<u8>> {
    let mut files: Vec<&File> = files.iter().collect();
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let mut builder = Builder::new(Vec::new());
    for directory in directories(files.iter().map(|file| file.path.as_str())) {
        let mut header = header(EntryType::Directory, 0o755, 0, epoch);
        builder
            .append_data(&mut header, format!("{directory}/"), &[][..])
            .with_context(|| format!("archive {directory}"))?;
    }
    for file in files {
        let size = file.content.len() as u64;
        let mut header = header(EntryType::Regular, file.mode, size, epoch);
        builder
            .append_data(&mut header, &file.path, file.content.as_slice())
            .with_context(|| format!("archive {}", file.path))?;
    }
    builder.into_inner().context("archive")
}

/// Every directory on the way to the files, parents first.
pub(super) fn directories<'a>(paths: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    paths
        .flat_map(|path| path.match_indices('/').map(|(end, _)| &path[..end]))
        .collect()
}

fn header(kind: EntryType, mode: u32, size: u64, epoch: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(epoch);
    header.set_uid(0);
    header.set_gid(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_its_directories_first_and_everything_belongs_to_root() {
        let files = [
            File::new("usr/share/b", "two"),
            File::new("usr/bin/a", "one").executable(),
        ];
        let bytes = tar(&files, 7).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let seen: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                assert_eq!((header.uid().unwrap(), header.mtime().unwrap()), (0, 7));
                let path = entry.path().unwrap().display().to_string();
                (path, header.mode().unwrap())
            })
            .collect();
        let expected = [
            ("usr/", 0o755),
            ("usr/bin/", 0o755),
            ("usr/share/", 0o755),
            ("usr/bin/a", 0o755),
            ("usr/share/b", 0o644),
        ];
        assert_eq!(seen, expected.map(|(path, mode)| (path.to_owned(), mode)));
    }
}

//! One look at all manifest files: what is new, what changed, what is gone.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use tidegate_control::manifest;

use super::{Batch, Change, writers::Hints};

/// A larger file is not a manifest, and reading it would take all memory.
const LARGEST: u64 = 256 << 20;

/// The configured paths, and what was seen below them the last time.
#[derive(Debug)]
pub(super) struct Scanner {
    roots: Vec<Root>,
    seen: BTreeMap<PathBuf, Stamp>,
}

#[derive(Debug)]
pub(super) struct Root {
    pub(super) path: PathBuf,
    pub(super) is_directory: bool,
}

/// Equal stamps: the same file with the same contents, unless it was written twice within a clock tick.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp([i64; 6]);

impl From<&Metadata> for Stamp {
    fn from(it: &Metadata) -> Self {
        let (dev, ino, size) = (it.dev(), it.ino(), it.size());
        let times = [it.mtime(), it.mtime_nsec(), it.ctime_nsec()];
        Self([
            dev.cast_signed(),
            ino.cast_signed(),
            size.cast_signed(),
            times[0],
            times[1],
            times[2],
        ])
    }
}

impl Scanner {
    /// Fails when a path cannot be looked at: at the start that is a mistake, later it is news.
    pub(super) fn new(paths: &[PathBuf]) -> Result<Self> {
        let root = |path: &PathBuf| {
            let metadata = fs::metadata(path).with_context(|| {
                format!(
                    "cannot read --manifests {}: name an existing file or directory",
                    path.display()
                )
            })?;
            // Absolute, because the watcher's events name absolute paths.
            let path = std::path::absolute(path).context("cannot tell the working directory")?;
            Ok(Root {
                path,
                is_directory: metadata.is_dir(),
            })
        };
        let roots = paths.iter().map(root).collect::<Result<_>>()?;
        Ok(Self {
            roots,
            seen: BTreeMap::new(),
        })
    }

    pub(super) fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// Looks at everything once.
    pub(super) fn scan(&mut self, hints: &Hints) -> Batch {
        let mut batch = Batch::default();
        let mut present = BTreeSet::new();
        for root in &self.roots {
            match files(root) {
                Ok(files) => present.extend(files),
                Err(error) => {
                    let path = root.path.display();
                    batch
                        .unreadable
                        .push(format!("{path}: {error}; its last good state stays"));
                    let below = self.seen.keys().filter(|path| path.starts_with(&root.path));
                    present.extend(below.cloned());
                }
            }
        }
        let gone: Vec<PathBuf> = self
            .seen
            .keys()
            .filter(|path| !present.contains(*path))
            .cloned()
            .collect();
        for path in gone {
            self.seen.remove(&path);
            batch.changes.push(Change::Gone {
                file: path.display().to_string(),
            });
        }
        for path in present.iter().filter(|path| !hints.skip.contains(*path)) {
            self.look(path, hints.must_read(path), &mut batch);
        }
        batch
    }

    fn look(&mut self, path: &Path, must_read: bool, batch: &mut Batch) {
        let file = path.display().to_string();
        match fs::metadata(path).map(|metadata| Stamp::from(&metadata)) {
            // Gone since it was listed: the next event says so.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Ok(stamp) if !must_read && self.seen.get(path) == Some(&stamp) => {}
            Ok(stamp) => match read(path) {
                Ok(text) => {
                    self.seen.insert(path.to_owned(), stamp);
                    let parsed = manifest::parse(&file, &text);
                    batch.changes.push(Change::Parsed { file, parsed });
                }
                Err(reason) => self.unreadable(path, &reason, batch),
            },
            Err(error) => self.unreadable(path, &error.to_string(), batch),
        }
    }

    fn unreadable(&mut self, path: &Path, reason: &str, batch: &mut Batch) {
        // A stamp that no file has: known, so that its end is news, and read again at every scan.
        self.seen.insert(path.to_owned(), Stamp([-1; 6]));
        batch.unreadable.push(format!(
            "{}: {reason}; its last good state stays",
            path.display()
        ));
    }
}

/// The manifest files of a root. A directory is not walked downwards.
fn files(root: &Root) -> io::Result<Vec<PathBuf>> {
    if !root.is_directory {
        // A file that is gone is gone, but one that may not be looked at is not.
        return Ok(if root.path.try_exists()? {
            vec![root.path.clone()]
        } else {
            Vec::new()
        });
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(&root.path)? {
        let path = entry?.path();
        if is_manifest_name(&path) && may_be_file(&path) {
            found.push(path);
        }
    }
    Ok(found)
}

/// What cannot be looked at has not gone: reading it will say what is wrong.
fn may_be_file(path: &Path) -> bool {
    match fs::metadata(path) {
        Ok(metadata) => metadata.is_file(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

fn is_manifest_name(path: &Path) -> bool {
    let hidden = path
        .file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let suffix = path.extension().and_then(|suffix| suffix.to_str());
    !hidden && matches!(suffix, Some("yaml" | "yml" | "json"))
}

fn read(path: &Path) -> Result<String, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > LARGEST {
        return Err(format!("{size} bytes are too many for a manifest"));
    }
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    String::from_utf8(bytes)
        .map_err(|error| format!("not UTF-8 text (byte {})", error.utf8_error().valid_up_to()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn names(batch: &Batch) -> Vec<String> {
        let name = |file: &str| file.rsplit('/').next().unwrap_or_default().to_owned();
        let changes = batch.changes.iter().map(|change| match change {
            Change::Parsed { file, .. } => format!("+{}", name(file)),
            Change::Gone { file } => format!("-{}", name(file)),
        });
        changes.collect()
    }

    #[test]
    fn new_changed_and_deleted_files_are_told_once() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.yaml", "b.yml", "c.json", "d.txt", ".e.yaml"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        fs::create_dir(dir.path().join("f.yaml")).unwrap();
        let mut scanner = Scanner::new(&[dir.path().to_owned()]).unwrap();
        assert_eq!(
            names(&scanner.scan(&Hints::default())),
            ["+a.yaml", "+b.yml", "+c.json"]
        );
        assert!(scanner.scan(&Hints::default()).changes.is_empty());
        fs::write(dir.path().join("a.yaml"), "# longer").unwrap();
        fs::remove_file(dir.path().join("b.yml")).unwrap();
        assert_eq!(
            names(&scanner.scan(&Hints::default())),
            ["-b.yml", "+a.yaml"]
        );
    }

    #[test]
    fn an_atomic_swap_of_a_symlinked_directory_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        for version in ["..v1", "..v2"] {
            fs::create_dir(dir.path().join(version)).unwrap();
            fs::write(dir.path().join(version).join("a.yaml"), "").unwrap();
        }
        symlink("..v1", dir.path().join("..data")).unwrap();
        symlink("..data/a.yaml", dir.path().join("a.yaml")).unwrap();
        let mut scanner = Scanner::new(&[dir.path().to_owned()]).unwrap();
        assert_eq!(names(&scanner.scan(&Hints::default())), ["+a.yaml"]);
        symlink("..v2", dir.path().join("..data_tmp")).unwrap();
        fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
        assert_eq!(names(&scanner.scan(&Hints::default())), ["+a.yaml"]);
    }

    #[test]
    fn a_file_that_cannot_be_looked_at_has_not_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.yaml");
        fs::write(&path, "").unwrap();
        let mut scanner = Scanner::new(&[dir.path().to_owned()]).unwrap();
        assert_eq!(names(&scanner.scan(&Hints::default())), ["+a.yaml"]);
        // A link that leads to itself, as a share that is away leads nowhere.
        fs::remove_file(&path).unwrap();
        symlink("a.yaml", &path).unwrap();
        let batch = scanner.scan(&Hints::default());
        assert!(names(&batch).is_empty(), "{:?}", names(&batch));
        assert!(
            batch.unreadable[0].contains("its last good state stays"),
            "{:?}",
            batch.unreadable
        );
        fs::remove_file(&path).unwrap();
        assert_eq!(names(&scanner.scan(&Hints::default())), ["-a.yaml"]);
    }

    #[test]
    fn a_file_that_is_being_written_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.yaml");
        fs::write(&path, "").unwrap();
        let mut scanner = Scanner::new(std::slice::from_ref(&path)).unwrap();
        let busy = Hints {
            skip: [path.clone()].into(),
            ..Hints::default()
        };
        assert!(scanner.scan(&busy).changes.is_empty());
        let again = Hints {
            read: [path].into(),
            ..Hints::default()
        };
        assert_eq!(names(&scanner.scan(&Hints::default())), ["+a.yaml"]);
        assert_eq!(names(&scanner.scan(&again)), ["+a.yaml"]);
    }

    #[test]
    fn a_file_that_is_not_text_is_a_problem_and_takes_nothing_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.yaml");
        fs::write(&path, [0xff, 0xfe, 0x00]).unwrap();
        let mut scanner = Scanner::new(&[dir.path().to_owned()]).unwrap();
        let batch = scanner.scan(&Hints::default());
        assert!(batch.changes.is_empty());
        assert!(
            batch.unreadable[0].contains("not UTF-8 text"),
            "{:?}",
            batch.unreadable
        );
    }

    #[test]
    fn a_directory_that_vanishes_keeps_its_last_good_state() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("manifests");
        fs::create_dir(&below).unwrap();
        fs::write(below.join("a.yaml"), "").unwrap();
        let mut scanner = Scanner::new(std::slice::from_ref(&below)).unwrap();
        scanner.scan(&Hints::default());
        fs::rename(&below, dir.path().join("elsewhere")).unwrap();
        let batch = scanner.scan(&Hints::default());
        assert!(batch.changes.is_empty());
        assert_eq!(batch.unreadable.len(), 1);
    }

    #[test]
    fn a_path_that_does_not_exist_is_refused_at_the_start() {
        let error = Scanner::new(&["/nonexistent/manifests".into()]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("--manifests /nonexistent/manifests"),
            "{error}"
        );
    }
}

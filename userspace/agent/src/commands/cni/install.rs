//! `tidegate cni --install DIR`: puts this very program where a container runtime looks for plugins.
//!
//! For images that hold nothing else, no `cp` either.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// Under this name runtimes run it.
const NAME: &str = "tidegate";

/// Copies the program; whoever runs the old one meanwhile is not disturbed. Returns where it is.
pub(super) fn install(program: &Path, directory: &Path) -> Result<PathBuf> {
    let path = directory.join(NAME);
    copy(program, &path).with_context(|| {
        let shown = directory.display();
        format!("cannot install into --install {shown}: is it a directory that we may write?")
    })?;
    Ok(path)
}

fn copy(program: &Path, path: &Path) -> io::Result<()> {
    // Runtimes take every file of the directory for a plugin; a name with a dot is never asked for.
    let new = path.with_file_name(".tidegate.new");
    let mut from = File::open(program)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o755);
    let mut to = options.open(&new)?;
    let copied = io::copy(&mut from, &mut to).and_then(|_bytes| to.sync_all());
    if let Err(error) = copied.and_then(|()| fs::rename(&new, path)) {
        // Half a program helps nobody; if it cannot be removed either, there is nothing left to do.
        let _gone = fs::remove_file(&new);
        return Err(error);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_program_is_copied_over_an_older_one_and_may_be_run() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("program");
        fs::write(&program, "new").unwrap();
        fs::write(dir.path().join(NAME), "old and longer").unwrap();
        let path = install(&program, dir.path()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o755);
        let left = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(left, 2, "something else was left behind");
    }

    #[test]
    fn what_cannot_be_written_is_one_line_that_names_the_flag() {
        let dir = tempfile::tempdir().unwrap();
        let error = install(Path::new("/proc/self/exe"), &dir.path().join("nothing")).unwrap_err();
        assert!(error.to_string().contains("--install"), "{error:#}");
    }
}

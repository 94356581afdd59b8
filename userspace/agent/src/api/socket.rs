//! The Unix socket: made without taking it from a living agent, removed when we end.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt, chown},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use nix::unistd::Group;
use tokio::net::UnixListener;

/// Of the path of a socket: `sun_path` has a byte more, for the end.
const LONGEST: usize = 107;

/// The socket file of this agent; dropping it removes the file.
#[derive(Debug)]
pub(crate) struct Socket(PathBuf);

impl Drop for Socket {
    fn drop(&mut self) {
        // Gone already or not, there is nothing left to do about it.
        let _gone = fs::remove_file(&self.0);
    }
}

/// Listens at the path. A socket at which nobody answers is left over from a crash and is replaced.
pub(crate) fn bind(path: &Path, group: Option<&str>) -> Result<(Socket, UnixListener)> {
    let shown = path.display();
    let group = group.map(find_group).transpose()?;
    let length = path.as_os_str().len();
    if length > LONGEST {
        bail!(
            "--api {shown}: {length} bytes are too long for a Unix socket: {LONGEST} at the most"
        );
    }
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        fs::create_dir_all(parent)
            .with_context(|| format!("cannot make the directory of --api {shown}"))?;
    }
    match UnixStream::connect(path) {
        Ok(_) => bail!("another agent answers at {shown}: stop it, or name another --api"),
        // A plain file refuses connections too, and is not ours to remove.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && is_socket(path) => {
            fs::remove_file(path)
                .with_context(|| format!("cannot remove the stale socket {shown}"))?;
        }
        // No file, or one that is no socket: bind knows.
        Err(_) => {}
    }
    let listener = UnixListener::bind(path).with_context(|| {
        format!("cannot listen at --api {shown}: is there a file that is no socket?")
    })?;
    let socket = Socket(path.to_owned());
    if let Some(group) = group {
        chown(path, None, Some(group)).with_context(|| {
            format!("cannot give {shown} to --api-group {group}: is the agent allowed to?")
        })?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))
        .with_context(|| format!("cannot set the permissions of {shown}"))?;
    Ok((socket, listener))
}

/// The group with this name, or this number whether it has a name or not.
fn find_group(said: &str) -> Result<u32> {
    if let Ok(number) = said.parse() {
        return Ok(number);
    }
    match Group::from_name(said) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => bail!("--api-group {said}: there is no such group; make it, or say its number"),
        Err(error) => bail!("--api-group {said}: cannot look it up: {error}; say its number"),
    }
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
}

//! `dist`: what is given to people: a static binary, a Debian package, a container image, checksums.
//!
//! All of it lands in `target/dist`, made anew each time. The same source gives the same bytes: the only
//! date in it is that of the last commit, or `SOURCE_DATE_EPOCH`. Nothing here needs root or a container tool.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

mod archive;
mod binary;
mod deb;
mod elf;
mod file;
mod licences;
mod oci;
mod package;
mod release;
mod sums;

use release::Release;

pub(crate) fn run() -> Result<()> {
    let release = Release::of_this_checkout()?;
    let out = release.out();
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| format!("cannot remove {}", out.display()))?;
    }
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;

    let binary = binary::build(&release)?;
    let shipped = out.join("tidegate");
    fs::copy(&binary, &shipped).with_context(|| format!("cannot copy {}", binary.display()))?;
    let bytes = fs::read(&shipped).with_context(|| format!("cannot read {}", shipped.display()))?;

    let mut files = package::files(&bytes)?;
    files.extend(binary::generated(&shipped)?);
    files.push(package::third_party(&licences::text(&release)?)?);
    let deb = deb::write(files, &release)?;
    let image = oci::write(&bytes, &release)?;
    sums::write(&out)?;

    for (path, what) in [
        (&shipped, "static binary"),
        (&deb, "Debian package"),
        (&image, "container image (OCI layout)"),
    ] {
        println!("{:>8}  {}  {what}", size(path)?, path.display());
    }
    Ok(())
}

fn size(path: &Path) -> Result<String> {
    let bytes = path
        .metadata()
        .with_context(|| format!("cannot look at {}", path.display()))?
        .len();
    Ok(format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10))
}

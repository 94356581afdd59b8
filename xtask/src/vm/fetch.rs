//! A kernel out of Debian's archive, unpacked below `target/vm` and kept.
//!
//! apt works in a directory of its own: this machine's lists and packages are not touched, nothing is
//! installed, and signatures are checked as for everything that apt fetches. Builds vanish from the archive as
//! new ones come, so the package that depends on the present one is asked, and the version told.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use tidegate_rig::output_of;

use super::archive;
use super::kernels::{Kernel, Source};

/// An unpacked kernel.
#[derive(Debug)]
pub(super) struct Fetched {
    /// What `uname -r` says there.
    pub(super) release: String,
    pub(super) image: PathBuf,
    /// `lib/modules/<release>`.
    pub(super) modules: PathBuf,
}

/// Fetches the kernel, unless an earlier run has and `again` is not wanted.
pub(super) fn kernel(kernel: Kernel, below: &Path, again: bool) -> Result<Fetched> {
    let tree = below.join("kernels").join(kernel.name());
    if !again && let Ok(fetched) = look(&tree) {
        return Ok(fetched);
    }
    let apt = Apt::new(
        &below.join("apt").join(kernel.name()),
        kernel.source().suite,
    )?;
    let fresh = below.join("kernels").join(format!("{}.new", kernel.name()));
    make_empty(&fresh)?;
    for package in apt.download(kernel.source())? {
        output_of(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&fresh))?;
        fs::remove_file(&package).with_context(|| package.display().to_string())?;
    }
    look(&fresh)?;
    remove(&tree)?;
    fs::rename(&fresh, &tree).with_context(|| tree.display().to_string())?;
    look(&tree)
}

/// apt with state of its own.
struct Apt {
    directory: PathBuf,
    options: Vec<String>,
}

impl Apt {
    fn new(directory: &Path, suite: &str) -> Result<Self> {
        for part in ["lists/partial", "cache/archives/partial", "sources", "debs"] {
            let part = directory.join(part);
            fs::create_dir_all(&part).with_context(|| part.display().to_string())?;
        }
        fs::write(
            directory.join("sources/one.sources"),
            archive::stanza(suite)?,
        )
        .context("write apt's sources")?;
        let shown = directory.display();
        let options = [
            "Dir::Etc::SourceList=/dev/null".to_owned(),
            format!("Dir::Etc::SourceParts={shown}/sources"),
            format!("Dir::State::Lists={shown}/lists"),
            format!("Dir::Cache={shown}/cache"),
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Retries=2".to_owned(),
            "Acquire::http::Timeout=20".to_owned(),
        ];
        Ok(Self {
            directory: directory.to_owned(),
            options: options
                .into_iter()
                .flat_map(|it| ["-o".to_owned(), it])
                .collect(),
        })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.directory.join("debs"))
            .args(&self.options);
        command
    }

    /// The archives of the source's packages.
    fn download(&self, source: Source) -> Result<Vec<PathBuf>> {
        // An unreachable mirror is only a warning to apt, unless it is told otherwise.
        let update = ["-o", "APT::Update::Error-Mode=any", "update"];
        output_of(self.command("apt-get").args(update))
            .with_context(|| format!("cannot read the list of {}", source.suite))?;
        // The first has nothing in it, and in old suites it may be gone.
        let mut names = BTreeSet::new();
        let mut unread = vec![source.package.to_owned()];
        while let Some(name) = unread.pop() {
            let told = output_of(self.command("apt-cache").args(["depends", &name]))?;
            for part in parts(&told) {
                if names.insert(part.clone()) {
                    unread.push(part);
                }
            }
        }
        make_empty(&self.directory.join("debs"))?;
        output_of(self.command("apt-get").arg("download").args(&names))?;
        let files = fs::read_dir(self.directory.join("debs")).context("list what was fetched")?;
        Ok(files.flatten().map(|entry| entry.path()).collect())
    }
}

/// The packages that a kernel is split into, among what one of them depends on.
fn parts(told: &str) -> Vec<String> {
    const KINDS: [&str; 4] = [
        "linux-image-",
        "linux-binary-",
        "linux-modules-",
        "linux-base-",
    ];
    let needed = told
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "));
    needed
        .filter(|name| KINDS.iter().any(|kind| name.starts_with(kind)))
        .map(str::to_owned)
        .collect()
}

/// What is in an unpacked tree. Where the parts lie has changed over the years.
fn look(tree: &Path) -> Result<Fetched> {
    for directory in ["usr/lib/modules", "lib/modules"].map(|it| tree.join(it)) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let modules = entry.path();
            let release = entry.file_name().to_string_lossy().into_owned();
            let images = [
                modules.join("vmlinuz"),
                tree.join(format!("boot/vmlinuz-{release}")),
            ];
            let image = images.into_iter().find(|path| path.exists());
            if let Some(image) = image
                && modules.join("modules.builtin").exists()
            {
                return Ok(Fetched {
                    release,
                    image,
                    modules,
                });
            }
        }
    }
    bail!("the packages hold no kernel with modules")
}

fn make_empty(directory: &Path) -> Result<()> {
    remove(directory)?;
    fs::create_dir_all(directory).with_context(|| directory.display().to_string())
}

fn remove(directory: &Path) -> Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| directory.display().to_string())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_kernel_itself_is_followed() {
        let told = "linux-image-7.3.4-cloud-amd64\n  Depends: linux-binary-7.3.4-cloud-amd64\n  \
                    Depends: linux-modules-7.3.4-cloud-amd64\n  Depends: linux-base\n  Depends: kmod\n |Depends: linux-initramfs-tool\n  \
                    Recommends: apparmor\n";
        let found = parts(told);
        assert_eq!(
            found,
            [
                "linux-binary-7.3.4-cloud-amd64",
                "linux-modules-7.3.4-cloud-amd64"
            ]
        );
    }

    #[test]
    fn a_kernel_is_found_in_the_old_place_and_in_the_new_one() {
        for (modules, image) in [
            ("lib/modules/5.10.0", "boot/vmlinuz-5.10.0"),
            ("usr/lib/modules/5.10.0", "usr/lib/modules/5.10.0/vmlinuz"),
        ] {
            let tree = tempfile::tempdir().unwrap();
            assert!(look(tree.path()).is_err());
            let modules = tree.path().join(modules);
            fs::create_dir_all(&modules).unwrap();
            fs::create_dir_all(tree.path().join("boot")).unwrap();
            fs::write(modules.join("modules.builtin"), "").unwrap();
            fs::write(tree.path().join(image), "").unwrap();
            let found = look(tree.path()).unwrap();
            assert_eq!((found.release.as_str(), found.modules), ("5.10.0", modules));
        }
    }
}

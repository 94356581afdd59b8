//! The Debian package: laid out in a directory, and packed by `dpkg-deb`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use tidegate_rig::output_of;

use super::{
    archive::directories,
    file::{File, source},
    package::{DOC, FROM},
    release::Release,
};

const MAINTAINER: &str = "The tidegate authors <maintainers@tidegate.example>";
/// Files that belong to the administrator once they are there.
const CONFFILES: [&str; 2] = [
    "etc/tidegate/tidegate.toml",
    "etc/tidegate/manifests/README",
];
/// Scripts that dpkg runs.
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// Packs the files; returns where the package is.
pub(super) fn write(mut files: Vec<File>, release: &Release) -> Result<PathBuf> {
    let name = format!("tidegate_{}_{}", release.version, release.architecture);
    let stage = release.out().join(&name);
    let package = release.out().join(format!("{name}.deb"));
    files.push(changelog(release)?);
    lay_out(&files, &stage)?;
    let mut control = control(&files, release)?;
    control.push(md5sums(&files, &stage)?);
    lay_out(&control, &stage)?;
    let mut pack = Command::new("dpkg-deb");
    pack.args(["--root-owner-group", "-Zxz", "--build"])
        .arg(&stage)
        .arg(&package);
    pack.env("SOURCE_DATE_EPOCH", release.epoch.to_string());
    // The bytes depend on how the work is cut up.
    pack.env("DPKG_DEB_THREADS_MAX", "1");
    let _said = output_of(&mut pack).context("dpkg-deb (package dpkg) packs the .deb")?;
    fs::remove_dir_all(&stage).with_context(|| format!("cannot remove {}", stage.display()))?;
    Ok(package)
}

/// What is in `DEBIAN/`.
fn control(files: &[File], release: &Release) -> Result<Vec<File>> {
    let text = |name: &str| -> Result<String> {
        let bytes = source(&format!("{FROM}/debian/{name}"))?;
        String::from_utf8(bytes).with_context(|| format!("{name} is not UTF-8"))
    };
    let kilobytes: usize = files
        .iter()
        .map(|file| file.content.len().div_ceil(1024))
        .sum();
    let control = text("control")?
        .replace("@VERSION@", &release.version)
        .replace("@MAINTAINER@", MAINTAINER)
        .replace("@ARCHITECTURE@", release.architecture)
        .replace("@INSTALLED_SIZE@", &kilobytes.to_string());
    let mut all = vec![
        File::new("DEBIAN/control", control),
        File::new("DEBIAN/conffiles", conffiles()),
    ];
    for script in SCRIPTS {
        all.push(File::new(format!("DEBIAN/{script}"), text(script)?).executable());
    }
    Ok(all)
}

/// In Debian's own form; what has changed is in the changelog for people.
fn changelog(release: &Release) -> Result<File> {
    let text = format!(
        "tidegate ({}) unstable; urgency=medium\n\n  * See CHANGELOG.md.gz.\n\n -- {MAINTAINER}  {}\n",
        release.version,
        release.date("%a, %d %b %Y %H:%M:%S +0000")?
    );
    File::new(format!("{DOC}/changelog"), text).gzipped()
}

fn conffiles() -> String {
    CONFFILES.map(|path| format!("/{path}\n")).concat()
}

/// Digests of all that is no configuration, for `dpkg --verify`.
fn md5sums(files: &[File], stage: &Path) -> Result<File> {
    let mut paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    paths.retain(|path| !CONFFILES.contains(path));
    paths.sort_unstable();
    let mut digest = Command::new("md5sum");
    let digests = output_of(digest.current_dir(stage).arg("--").args(paths))?;
    Ok(File::new("DEBIAN/md5sums", digests))
}

fn lay_out(files: &[File], stage: &Path) -> Result<()> {
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode))
            .with_context(|| format!("cannot set the mode of {}", path.display()))
    };
    fs::create_dir_all(stage).with_context(|| format!("cannot make {}", stage.display()))?;
    mode(stage, 0o755)?;
    for directory in directories(files.iter().map(|file| file.path.as_str())) {
        let path = stage.join(directory);
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        mode(&path, 0o755)?;
    }
    for file in files {
        let path = stage.join(&file.path);
        fs::write(&path, &file.content)
            .with_context(|| format!("cannot write {}", path.display()))?;
        mode(&path, file.mode)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::dist::package;

    fn made(out: &Path) -> PathBuf {
        let files = package::files(b"#!/bin/true\n").unwrap();
        write(files, &Release::for_test(out.to_owned())).unwrap()
    }

    fn dpkg_deb(option: &str, package: &Path) -> String {
        output_of(Command::new("dpkg-deb").arg(option).arg(package)).unwrap()
    }

    #[test]
    fn a_package_holds_what_was_laid_out_owned_by_root() {
        let dir = tempfile::tempdir().unwrap();
        let listed = dpkg_deb("--contents", &made(dir.path()));
        let line = |path: &str| {
            let found = listed
                .lines()
                .find(|line| line.ends_with(&format!(" ./{path}")));
            found.unwrap_or_else(|| panic!("no {path} in\n{listed}"))
        };
        assert!(line("usr/bin/tidegate").starts_with("-rwxr-xr-x root/root "));
        assert!(line("etc/tidegate/manifests/").starts_with("drwxr-xr-x root/root "));
        assert!(line("etc/tidegate/tidegate.toml").starts_with("-rw-r--r-- root/root "));
        // And the changelog.
        let expected = package::files(b"").unwrap().len() + 1;
        let files = listed.lines().filter(|line| line.starts_with('-')).count();
        assert_eq!(files, expected, "{listed}");
    }

    #[test]
    fn the_control_file_names_version_architecture_and_conffiles_that_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let package = made(dir.path());
        let info = dpkg_deb("--info", &package);
        for field in [
            " Version: 1.2.3\n",
            " Architecture: amd64\n",
            " Package: tidegate\n",
        ] {
            assert!(info.contains(field), "{field} in {info}");
        }
        assert_eq!(
            info.matches('@').count(),
            1,
            "a gap that was not filled: {info}"
        );
        let unpacked = dir.path().join("unpacked");
        let mut unpack = Command::new("dpkg-deb");
        let _said = output_of(unpack.arg("--raw-extract").arg(&package).arg(&unpacked)).unwrap();
        let conffiles = fs::read_to_string(unpacked.join("DEBIAN/conffiles")).unwrap();
        for path in conffiles.lines() {
            assert!(
                unpacked.join(path.trim_start_matches('/')).is_file(),
                "{path}"
            );
        }
        let mut check = Command::new("md5sum");
        check
            .current_dir(&unpacked)
            .args(["--check", "--strict", "--quiet", "DEBIAN/md5sums"]);
        let _silent = output_of(&mut check).unwrap();
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let bytes = dirs.each_ref().map(|dir| {
            let package = fs::read(made(dir.path())).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(1_100));
            package
        });
        assert!(bytes[0] == bytes[1], "two builds of one tree differ");
    }

    #[test]
    fn the_scripts_of_the_package_are_sound_shell() {
        for script in SCRIPTS {
            let path = crate::cargo::workspace()
                .join(FROM)
                .join("debian")
                .join(script);
            let text = fs::read_to_string(&path).unwrap();
            assert!(
                text.starts_with("#!/bin/sh\n") && text.contains("\nset -e\n"),
                "{script}"
            );
            let _silent = output_of(Command::new("sh").arg("-n").arg(&path)).unwrap();
        }
    }

    /// Runs a script of the package with stubs in its way that note what they are asked.
    fn run_script(script: &str, arguments: &[&str]) -> BTreeSet<String> {
        run_configured(script, arguments, "#bpffs = \"/sys/fs/bpf/tidegate\"\n")
    }

    fn run_configured(script: &str, arguments: &[&str], toml: &str) -> BTreeSet<String> {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("tidegate.toml");
        fs::write(&config, toml).unwrap();
        let notes = dir.path().join("notes");
        let from = crate::cargo::workspace()
            .join(FROM)
            .join("debian")
            .join(script);
        let text = fs::read_to_string(from).unwrap();
        // What it would do to this machine is noted instead.
        let text = text
            .replace("tidegate detach", "note tidegate detach")
            .replace("systemctl", "note systemctl")
            .replace("rm -rf", "note rm -rf")
            .replace("/etc/tidegate/tidegate.toml", config.to_str().unwrap())
            .replace("/run/systemd/system", "/");
        let note = format!("note() {{ echo \"$*\" >> {}; }}\n", notes.display());
        let path = dir.path().join(script);
        fs::write(&path, text.replace("set -e\n", &format!("set -e\n{note}"))).unwrap();
        let _said = output_of(Command::new("sh").arg(&path).args(arguments)).unwrap();
        let noted = fs::read_to_string(notes).unwrap_or_default();
        noted.lines().map(str::to_owned).collect()
    }

    fn set<const N: usize>(lines: [&str; N]) -> BTreeSet<String> {
        lines.map(str::to_owned).into()
    }

    #[test]
    fn an_installation_starts_nothing_and_an_upgrade_restarts_what_ran() {
        let reload = "systemctl daemon-reload";
        assert_eq!(run_script("postinst", &["configure"]), set([reload]));
        let restart = "systemctl try-restart tidegate.service";
        assert_eq!(
            run_script("postinst", &["configure", "1.0"]),
            set([reload, restart])
        );
        assert_eq!(run_script("prerm", &["upgrade", "1.0"]), set([]));
        assert_eq!(run_script("postrm", &["upgrade", "1.0"]), set([reload]));
    }

    #[test]
    fn a_removal_takes_the_data_path_away_and_only_a_purge_what_was_given_out() {
        let stop = "systemctl disable --now tidegate.service";
        assert_eq!(
            run_script("prerm", &["remove"]),
            set([stop, "tidegate detach"])
        );
        for line in ["bpffs = \"/mnt/bpf/a b\" # there", "  bpffs='/mnt/bpf/a b'"] {
            let toml = format!("#bpffs = \"/no\"\nflows = 1024\n{line}\n");
            assert_eq!(
                run_configured("prerm", &["remove"], &toml),
                set([stop, "tidegate detach --bpffs /mnt/bpf/a b"])
            );
        }
        let reload = "systemctl daemon-reload";
        assert_eq!(run_script("postrm", &["remove"]), set([reload]));
        assert_eq!(
            run_script("postrm", &["purge"]),
            set([reload, "rm -rf /var/lib/tidegate"])
        );
    }
}

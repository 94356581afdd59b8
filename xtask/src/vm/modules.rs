//! A kernel's modules in the order in which they can be put in.
//!
//! Debian's packages have no `modules.dep`: it is made when they are installed. What a module needs stands in
//! its own section `.modinfo`, which is read here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// A module, ready to be put in.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) name: String,
    pub(super) content: Vec<u8>,
}

/// Where a kernel keeps what: files by name, and names of what is built in.
#[derive(Debug, Default)]
struct Shelf {
    files: BTreeMap<String, PathBuf>,
    built_in: BTreeSet<String>,
}

/// What was resolved so far.
#[derive(Debug, Default)]
struct Order {
    done: BTreeSet<String>,
    modules: Vec<Module>,
    missing: Vec<String>,
}

/// The modules and what they need, needed ones first; and which of them this kernel has nowhere.
///
/// `directory` is the kernel's `lib/modules/<release>`.
pub(super) fn resolve(directory: &Path, wanted: &[&str]) -> Result<(Vec<Module>, Vec<String>)> {
    let shelf = Shelf::of(directory)?;
    let read = |name: &str| match shelf.files.get(name) {
        Some(path) => plain(path).map(Some),
        None => Ok(None),
    };
    let mut order = Order::default();
    for name in wanted {
        order.add(name, &shelf.built_in, &read)?;
    }
    Ok((order.modules, order.missing))
}

impl Order {
    fn add(
        &mut self,
        name: &str,
        built_in: &BTreeSet<String>,
        read: &dyn Fn(&str) -> Result<Option<Vec<u8>>>,
    ) -> Result<()> {
        let name = name.replace('-', "_");
        if built_in.contains(&name) || !self.done.insert(name.clone()) {
            return Ok(());
        }
        let Some(content) = read(&name)? else {
            self.missing.push(name);
            return Ok(());
        };
        let needs = needs(&content).with_context(|| format!("module {name}"))?;
        let missing = self.missing.len();
        for other in needs {
            self.add(&other, built_in, read)?;
        }
        // Wishes (`softdep`) may go by names that no file has; what is truly needed fails when it is put in.
        self.missing.truncate(missing);
        self.modules.push(Module { name, content });
        Ok(())
    }
}

impl Shelf {
    fn of(directory: &Path) -> Result<Self> {
        let list = directory.join("modules.builtin");
        let text = fs::read_to_string(&list).with_context(|| list.display().to_string())?;
        let mut shelf = Self {
            built_in: text
                .lines()
                .filter_map(|line| name_of(Path::new(line)))
                .collect(),
            ..Self::default()
        };
        shelf.collect(directory)?;
        ensure!(
            !shelf.files.is_empty(),
            "no modules in {}",
            directory.display()
        );
        Ok(shelf)
    }

    fn collect(&mut self, directory: &Path) -> Result<()> {
        for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                self.collect(&path)?;
            } else if let Some(name) = name_of(&path) {
                self.files.insert(name, path);
            }
        }
        Ok(())
    }
}

/// The module's name from its file's: `nf-tables.ko.xz` is nf_tables.
fn name_of(path: &Path) -> Option<String> {
    let file = path.file_name()?.to_str()?;
    let (name, kind) = file.split_once(".ko")?;
    matches!(kind, "" | ".xz" | ".zst").then(|| name.replace('-', "_"))
}

/// The module as the kernel wants it: not every kernel unpacks by itself.
fn plain(path: &Path) -> Result<Vec<u8>> {
    let program = match path.extension().and_then(|it| it.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        _ => return fs::read(path).with_context(|| path.display().to_string()),
    };
    let output = Command::new(program)
        .arg("-dc")
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    ensure!(
        output.status.success(),
        "{program} cannot unpack {}",
        path.display()
    );
    Ok(output.stdout)
}

/// What must be there before: `depends=a,b` and `softdep=pre: c`.
fn needs(module: &[u8]) -> Result<Vec<String>> {
    let info = section(module, ".modinfo").context("no section .modinfo")?;
    let mut needs = Vec::new();
    for line in info.split(|byte| *byte == 0) {
        let line = String::from_utf8_lossy(line);
        if let Some(depends) = line.strip_prefix("depends=") {
            needs.extend(
                depends
                    .split(',')
                    .filter(|it| !it.is_empty())
                    .map(str::to_owned),
            );
        } else if let Some(soft) = line.strip_prefix("softdep=pre:") {
            let names = soft.split_whitespace().take_while(|word| *word != "post:");
            needs.extend(names.map(str::to_owned));
        }
    }
    Ok(needs)
}

/// The content of a section of a 64-bit little-endian ELF file.
fn section<'a>(elf: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
    let table = number(elf, 40, 8)?;
    let (size, count) = (number(elf, 58, 2)?, number(elf, 60, 2)?);
    let at = |index: usize| {
        let header = table.checked_add(index.checked_mul(size)?)?;
        elf.get(number(elf, header.checked_add(24)?, 8)?..)?
            .get(..number(elf, header.checked_add(32)?, 8)?)
    };
    let names = at(number(elf, 62, 2)?)?;
    let is_wanted = |index: &usize| {
        let header = table.saturating_add(index.saturating_mul(size));
        let name = number(elf, header, 4).and_then(|name| names.get(name..));
        name.is_some_and(|name| name.split(|byte| *byte == 0).next() == Some(wanted.as_bytes()))
    };
    (0..count).find(is_wanted).and_then(at)
}

fn number(bytes: &[u8], at: usize, len: usize) -> Option<usize> {
    let mut word = [0; 8];
    word[..len].copy_from_slice(bytes.get(at..)?.get(..len)?);
    usize::try_from(u64::from_le_bytes(word)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF file with a `.modinfo` of these lines and a table of names.
    fn module(info: &str) -> Vec<u8> {
        let names = b"\0.modinfo\0.shstrtab\0";
        let (info_at, names_at) = (64, 64 + info.len());
        let table = names_at + names.len();
        let mut elf = vec![0; 64];
        elf[40..48].copy_from_slice(&(table as u64).to_le_bytes());
        elf[58..64].copy_from_slice(&[64, 0, 3, 0, 2, 0]);
        elf.extend(info.bytes());
        elf.extend(names);
        for (name, at, len) in [
            (0, 0, 0),
            (1, info_at, info.len()),
            (10, names_at, names.len()),
        ] {
            let mut header = vec![0; 64];
            header[0] = name;
            header[24..32].copy_from_slice(&(at as u64).to_le_bytes());
            header[32..40].copy_from_slice(&(len as u64).to_le_bytes());
            elf.extend(header);
        }
        elf
    }

    fn ordered(wanted: &[&str]) -> (Vec<String>, Vec<String>) {
        let read = |name: &str| {
            let info = match name {
                "virtio_net" => "license=GPL\0depends=net_failover,virtio\0",
                "net_failover" => "depends=failover\0",
                "nf_tables" => "softdep=pre: crc32c post: other\0depends=\0",
                "failover" | "virtio" | "crc32c" => "depends=\0",
                _ => return Ok(None),
            };
            Ok(Some(module(info)))
        };
        let built_in = BTreeSet::from(["virtio_ring".to_owned()]);
        let mut order = Order::default();
        for name in wanted {
            order.add(name, &built_in, &read).unwrap();
        }
        let names = order
            .modules
            .into_iter()
            .map(|module| module.name)
            .collect();
        (names, order.missing)
    }

    #[test]
    fn what_a_module_needs_comes_before_it_and_once() {
        let (names, missing) = ordered(&["virtio", "virtio-net", "virtio_ring", "nf-tables"]);
        let expected = [
            "virtio",
            "failover",
            "net_failover",
            "virtio_net",
            "crc32c",
            "nf_tables",
        ];
        assert_eq!(names, expected);
        assert!(missing.is_empty());
    }

    #[test]
    fn what_the_kernel_does_not_have_is_named() {
        assert_eq!(ordered(&["sctp"]), (vec![], vec!["sctp".to_owned()]));
    }

    #[test]
    fn files_are_known_by_the_name_of_their_module() {
        let names = [
            "a/nf-log.ko",
            "b/veth.ko.xz",
            "c/veth.ko.zst",
            "modules.dep",
            "x.kob",
        ];
        let found = names.map(|name| name_of(Path::new(name)));
        let veth = Some("veth".to_owned());
        assert_eq!(
            found,
            [Some("nf_log".to_owned()), veth.clone(), veth, None, None]
        );
    }

    #[test]
    fn a_file_that_is_no_module_is_no_reason_to_panic() {
        assert!(needs(b"").is_err());
        assert!(needs(&[0xff; 64]).is_err());
    }
}

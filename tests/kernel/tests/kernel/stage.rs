//! A namespace with an uplink, a directory of pins, and a data path between them.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use tidegate_loader::{Attach, Attached, DataPath, Options, Role};
use tidegate_rig::{Netns, Pins, Scene, link};

use crate::says::{self, Link};

/// The device that most tests attach to.
pub(crate) const DEVICE: &str = "up0";
/// Flow records, unless a test wants others.
pub(crate) const FLOWS: u32 = 1024;

/// Dropping it detaches everything and takes the namespaces away.
pub(crate) struct Stage {
    pub(crate) pins: Pins,
    pub(crate) node: Netns,
    pub(crate) far: Netns,
    _scene: Scene,
}

impl Stage {
    pub(crate) fn new() -> Result<Self> {
        let mut scene = Scene::new()?;
        let (node, far) = (scene.netns("node")?, scene.netns("far")?);
        let stage = Self {
            pins: Pins::new()?,
            node,
            far,
            _scene: scene,
        };
        stage.plug()?;
        Ok(stage)
    }

    /// Makes the device.
    pub(crate) fn plug(&self) -> Result<()> {
        link(&self.node, DEVICE, &self.far, "far0")
    }

    /// Takes the device away.
    pub(crate) fn unplug(&self) -> Result<()> {
        self.node.ip(&format!("link del {DEVICE}"))
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            bpffs: self.pins.to_path_buf(),
            flows: FLOWS,
            traffic: 64,
            tcx: true,
        }
    }

    pub(crate) fn load(&self) -> Result<DataPath> {
        self.load_with(&self.options())
    }

    pub(crate) fn load_with(&self, options: &Options) -> Result<DataPath> {
        Ok(self.node.run(|| DataPath::load(options))?)
    }

    /// Attaches to [`DEVICE`].
    pub(crate) fn attach(
        &self,
        data_path: &mut DataPath,
        role: Role,
        attach: Attach,
    ) -> Result<Attached> {
        Ok(self
            .node
            .run(|| data_path.attach_device(DEVICE, role, attach))?)
    }

    /// Interface index of [`DEVICE`].
    pub(crate) fn index(&self) -> Result<u32> {
        let index = self.node.run(|| nix::net::if_::if_nametoindex(DEVICE));
        index.with_context(|| format!("no {DEVICE}"))
    }

    /// The names of the pinned links, sorted.
    pub(crate) fn links(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.pins.join("v1/links"))? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// Where a link is pinned.
    pub(crate) fn link_pin(&self, name: &str) -> PathBuf {
        self.pins.join("v1/links").join(name)
    }

    /// The one pinned link that the kernel says is of this kind, whatever its pin is called.
    pub(crate) fn link(&self, kind: &str) -> Result<Link> {
        let mut found = Vec::new();
        for name in self.links()? {
            let link = says::link_at(&self.pins.join("v1/links").join(name))?;
            found.extend((link.kind == kind).then_some(link));
        }
        ensure!(found.len() == 1, "{kind} links: {found:?}");
        Ok(found.remove(0))
    }
}

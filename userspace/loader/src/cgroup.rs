//! Socket hooks to a cgroup.

use std::{
    fs::File,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use aya::programs::{CgroupAttachMode, CgroupSockAddr};

use crate::{
    DataPath,
    error::{Error, Step as _},
    links::Place,
    object::CGROUP_PROGRAMS,
};

impl DataPath {
    /// Says which cgroup v2 directory gets the socket hooks, once [`Self::attach_hooks`] is called.
    pub fn set_cgroup(&mut self, path: &Path) {
        self.cgroup = Some(path.to_owned());
    }

    /// Attaches the socket hooks to the cgroup, or takes over those that are there.
    pub fn attach_hooks(&mut self) -> Result<(), Error> {
        match self.cgroup.clone() {
            Some(path) => self.attach_cgroup(&path),
            None => Ok(()),
        }
    }

    /// Attaches the socket hooks to a cgroup v2 directory.
    pub fn attach_cgroup(&mut self, path: &Path) -> Result<(), Error> {
        let shown = path.display();
        if !path.join("cgroup.procs").exists() {
            return Err(Error::new(format!(
                "{shown} is not a cgroup v2 directory; mount one (mount -t cgroup2 none /sys/fs/cgroup/unified) or use --cgroup off"
            )));
        }
        let cgroup = File::open(path).step(format_args!("cannot open {shown}"))?;
        let inode = cgroup
            .metadata()
            .step(format_args!("cannot look at {shown}"))?
            .ino();
        let place = Place::Cgroup(inode);
        for name in CGROUP_PROGRAMS {
            let pin = self.cgroup_pin(name);
            // A link cannot move to another cgroup.
            if self.take_link(&pin, name, place)? {
                continue;
            }
            self.drop_link(&pin)?;
            let program: &mut CgroupSockAddr = self.program(name)?;
            // A link always stands beside others; the kernel refuses the flag that says so for programs.
            let id = program
                .attach(&cgroup, CgroupAttachMode::Single)
                .step(format_args!("cannot attach {name} to the cgroup {shown}"))?;
            let link = program.take_link(id);
            self.pin_link(link, pin, place)?;
        }
        self.set_cgroup(path);
        Ok(())
    }

    /// Puts socket hooks back that somebody else has detached; `true`: there were some.
    pub fn repair_cgroup(&mut self) -> Result<bool, Error> {
        let Some(path) = self.cgroup.clone() else {
            return Ok(false);
        };
        let inode = std::fs::metadata(&path).map(|it| it.ino()).ok();
        let hangs = |name: &&str| {
            let held = self.links.get(&self.cgroup_pin(name));
            held.is_some_and(|it| it.hangs() && inode.map(Place::Cgroup) == Some(it.place))
        };
        if CGROUP_PROGRAMS.iter().all(hangs) {
            return Ok(false);
        }
        self.attach_cgroup(&path)?;
        Ok(true)
    }

    /// Removes the socket hooks of an earlier run.
    pub fn detach_cgroup(&mut self) -> Result<(), Error> {
        self.cgroup = None;
        CGROUP_PROGRAMS
            .iter()
            .try_for_each(|name| self.drop_link(&self.cgroup_pin(name)))
    }

    fn cgroup_pin(&self, name: &str) -> PathBuf {
        self.pins.links.join(format!("cgroup-{name}"))
    }
}

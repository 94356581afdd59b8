//! Links: taken over from an earlier run, pinned, and held open.
//!
//! Held, since a link lives as long as anybody has it: who removes a pin then detaches nothing, and the pin is
//! made again (rule 5.1.11).

use std::{
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use aya::programs::{Program, ProgramError, links::FdLink};

use crate::{
    DataPath,
    error::{Error, Step as _},
    fault,
    load::missing,
    pinned,
};

/// Where a link hangs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// The index of a device.
    Device(u32),
    /// The inode number of a cgroup's directory.
    Cgroup(u64),
}

/// A link of ours.
#[derive(Debug)]
pub(crate) struct Held {
    fd: OwnedFd,
    pub(crate) place: Place,
    /// Id of our program.
    program: Option<u32>,
}

impl Held {
    /// The link must be ours by now: the program that is on it is the one that it is to have.
    fn new(fd: OwnedFd, place: Place) -> Self {
        let program = pinned::told(fd.as_fd(), PROGRAM);
        Self { fd, place, program }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Whether it still hangs in its place, with our program.
    pub(crate) fn hangs(&self) -> bool {
        Place::of(self.fd()) == Some(self.place) && pinned::told(self.fd(), PROGRAM) == self.program
    }
}

const PROGRAM: &str = "prog_id:";

impl Place {
    /// Where the kernel says that a link hangs; device 0: it was detached.
    pub(crate) fn of(link: BorrowedFd<'_>) -> Option<Self> {
        let device = pinned::told(link, "ifindex:").map(Self::Device);
        device.or_else(|| pinned::told(link, "cgroup_id:").map(Self::Cgroup))
    }
}

impl DataPath {
    /// Puts a program into the link that is pinned there, or was by another version of the agent; `false`: there
    /// is none that hangs in this place.
    pub(crate) fn take_link(
        &mut self,
        pin: &Path,
        program: &str,
        place: Place,
    ) -> Result<bool, Error> {
        let ours = self.links.remove(pin).map(|held| held.fd);
        let hangs = |link: &OwnedFd| Place::of(link.as_fd()) == Some(place);
        let found = ours
            .filter(hangs)
            .or_else(|| pinned::open(pin).filter(hangs));
        let Some(link) = found.or_else(|| self.inherited(pin).filter(hangs)) else {
            return Ok(false);
        };
        if pinned::update(link.as_fd(), self.program_fd(program)?).is_err() {
            return Ok(false);
        }
        pinned::put_back(link.as_fd(), pin, "link_id:")?;
        let _earlier = self.links.insert(pin.to_owned(), Held::new(link, place));
        Ok(true)
    }

    /// Pins a link that has just been made.
    pub(crate) fn pin_link<L: TryInto<FdLink>>(
        &mut self,
        link: Result<L, ProgramError>,
        pin: PathBuf,
        place: Place,
    ) -> Result<(), Error> {
        fault::point();
        let shown = pin.display().to_string();
        let link = link.step(format_args!("cannot keep the link for {shown}"))?;
        let Ok(link) = link.try_into() else {
            return Err(Error::new(
                "this kernel has no BPF links for the hook; Linux 5.9 or newer is needed",
            ));
        };
        let pinned = link.pin(&pin).step(format_args!("cannot pin {shown}"))?;
        fault::point();
        let fd = pinned::open(&pin);
        drop(pinned);
        let fd = fd.ok_or_else(|| Error::new(format!("{shown} is gone at once")))?;
        let _earlier = self.links.insert(pin, Held::new(fd, place));
        Ok(())
    }

    /// Detaches what is held or pinned there.
    pub(crate) fn drop_link(&mut self, pin: &Path) -> Result<(), Error> {
        if let Some(held) = self.links.remove(pin) {
            pinned::detach(held.fd());
        }
        pinned::remove(pin)
    }

    /// The descriptor of a loaded program.
    pub(crate) fn program_fd(&self, name: &str) -> Result<BorrowedFd<'_>, Error> {
        let fd = match self.ebpf.program(name).ok_or_else(|| missing(name))? {
            Program::Xdp(program) => program.fd(),
            Program::SchedClassifier(program) => program.fd(),
            Program::CgroupSockAddr(program) => program.fd(),
            _ => return Err(missing(name)),
        };
        let fd = fd.step(format_args!("cannot use program {name}"))?;
        Ok(fd.as_fd())
    }

    pub(crate) fn program<'a, P>(&'a mut self, name: &str) -> Result<&'a mut P, Error>
    where
        &'a mut P: TryFrom<&'a mut Program, Error = ProgramError>,
    {
        let program = self.ebpf.program_mut(name).ok_or_else(|| missing(name))?;
        program
            .try_into()
            .step(format_args!("program {name} is of another kind"))
    }
}

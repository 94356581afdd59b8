//! Programs to devices and cgroups, through pinned links.

use std::{
    ffi::CString,
    fs::File,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use aya::programs::{
    CgroupAttachMode, CgroupSockAddr, LinkOrder, ProgramError, SchedClassifier, TcAttach,
    TcAttachType, Xdp, XdpMode,
    links::{FdLink, PinnedLink},
    tc::{NlOptions, TcHandle, qdisc_add_clsact, qdisc_detach_program},
};

use crate::{
    DataPath,
    error::{Error, Step as _},
    host,
    load::missing,
    object::{CGROUP_PROGRAMS, HOST},
};

/// What a device is to the data path.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Role {
    /// The node's outside interface.
    Uplink,
    /// The host end of a pod's link.
    Pod,
    /// A tunnel between nodes.
    Overlay,
}

/// `--attach`: which hook uplinks get. Pod and overlay devices always get tc.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Attach {
    /// XDP where the device has a driver of its own, tc elsewhere.
    Auto,
    /// XDP in the driver, by force.
    Xdp,
    /// XDP in the stack, by force.
    XdpGeneric,
    /// tc only.
    Tc,
}

/// What was attached to a device, and why so.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attached {
    /// "tcx", "clsact", "xdp (native) + tcx" and so on.
    pub hooks: String,
    /// One sentence.
    pub why: String,
}

impl Role {
    /// The tc program of the role.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Uplink => "tc_uplink",
            Self::Pod => "tc_pod",
            Self::Overlay => "tc_overlay",
        }
    }
}

impl DataPath {
    /// Attaches to a device of the present network namespace; a second call replaces the programs.
    pub fn attach_device(
        &mut self,
        name: &str,
        role: Role,
        attach: Attach,
    ) -> Result<Attached, Error> {
        let index = nix::net::if_::if_nametoindex(name).step(format_args!("no device {name}"))?;
        let (mode, why) = xdp_mode(name, role, attach);
        // The second stage first: it must be there when the first one leaves packets to it.
        let tc = self.attach_tc(index, name, role.program(), TcAttachType::Ingress)?;
        let hooks = match mode {
            Some(mode) => {
                self.attach_xdp(index, name, mode)?;
                let kind = if mode == XdpMode::Skb {
                    "generic"
                } else {
                    "native"
                };
                format!("xdp ({kind}) + {tc}")
            }
            None => {
                self.detach_xdp(index)?;
                tc.to_owned()
            }
        };
        let _earlier = self.devices.insert(name.to_owned(), (index, role));
        if self.host_backends == Some(true) {
            self.attach_tc(index, name, HOST, TcAttachType::Egress)?;
        }
        Ok(Attached { hooks, why })
    }

    /// Detaches from a device, which may be gone already.
    pub fn detach_device(&mut self, name: &str) -> Result<(), Error> {
        let Some((index, role)) = self.devices.remove(name) else {
            return Ok(());
        };
        self.detach_xdp(index)?;
        self.detach_tc(index, name, role.program(), TcAttachType::Ingress)?;
        self.detach_tc(index, name, HOST, TcAttachType::Egress)
    }

    /// Devices that somebody else has detached a program from, or whose pins somebody has removed (rule
    /// 5.1.11); [`Self::attach_device`] puts it back.
    pub fn lost_devices(&self) -> Vec<String> {
        let is_lost = |index: u32| {
            self.links
                .iter()
                .any(|(pin, of)| *of == index && host::device_of(pin) != Some(index))
        };
        let devices = self.devices.iter();
        let lost = devices.filter(|(_, (index, _))| is_lost(*index));
        lost.map(|(name, _)| name.clone()).collect()
    }

    /// Puts socket hooks back that somebody else has detached; `true`: there were some.
    pub fn repair_cgroup(&mut self) -> Result<bool, Error> {
        let Some(path) = self.cgroup.clone() else {
            return Ok(false);
        };
        let at = |name: &&str| host::cgroup_of(&self.cgroup_pin(name));
        let wanted = std::fs::metadata(&path).map(|it| it.ino()).ok();
        if CGROUP_PROGRAMS.iter().all(|name| at(name) == wanted) {
            return Ok(false);
        }
        self.attach_cgroup(&path)?;
        Ok(true)
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
        let wanted = cgroup
            .metadata()
            .step(format_args!("cannot look at {shown}"))?
            .ino();
        for name in CGROUP_PROGRAMS {
            let pin = self.cgroup_pin(name);
            let program: &mut CgroupSockAddr = self.program(name)?;
            // A link cannot move to another cgroup.
            if host::cgroup_of(&pin) == Some(wanted)
                && let Some(link) = pinned(&pin)
                && let Ok(link) = link.try_into()
                && let Ok(id) = program.attach_to_link(link)
            {
                keep(program.take_link(id), name)?;
                continue;
            }
            remove_pin(&pin)?;
            // A link always stands beside others; the kernel refuses the flag that says so for programs.
            let id = program
                .attach(&cgroup, CgroupAttachMode::Single)
                .step(format_args!("cannot attach {name} to the cgroup {shown}"))?;
            let link = program
                .take_link(id)
                .step(format_args!("cannot keep the link of {name}"))?;
            pin_link(link, &pin)?;
        }
        self.cgroup = Some(path.to_owned());
        Ok(())
    }

    /// Removes the socket hooks of an earlier run.
    pub fn detach_cgroup(&mut self) -> Result<(), Error> {
        self.cgroup = None;
        CGROUP_PROGRAMS
            .iter()
            .try_for_each(|name| remove_pin(&self.cgroup_pin(name)))
    }

    /// Says whether processes of this host are backends: only then their replies are looked at, where
    /// they leave.
    pub fn set_host_backends(&mut self, wanted: bool) -> Result<(), Error> {
        if self.host_backends == Some(wanted) {
            return Ok(());
        }
        self.host_backends = Some(wanted);
        for (name, (index, _role)) in self.devices.clone() {
            if wanted {
                self.attach_tc(index, &name, HOST, TcAttachType::Egress)?;
            } else {
                self.detach_tc(index, &name, HOST, TcAttachType::Egress)?;
            }
        }
        Ok(())
    }

    /// Removes the links of an earlier run on devices other than these.
    pub fn forget_links_except(&mut self, keep: &[u32]) -> Result<(), Error> {
        let indexes = std::fs::read_dir(&self.pins.links)
            .step(format_args!("cannot list {}", self.pins.links.display()))?
            .filter_map(Result::ok)
            .filter_map(|entry| index_of(&entry.file_name().to_string_lossy()))
            .collect::<std::collections::BTreeSet<u32>>();
        for index in indexes.into_iter().filter(|index| !keep.contains(index)) {
            self.remove_links(index)?;
        }
        Ok(())
    }

    fn remove_links(&mut self, index: u32) -> Result<(), Error> {
        self.detach_xdp(index)?;
        remove_pin(&self.tc_pin(index, TcAttachType::Ingress))?;
        remove_pin(&self.tc_pin(index, TcAttachType::Egress))
    }

    fn attach_tc(
        &mut self,
        index: u32,
        device: &str,
        name: &'static str,
        side: TcAttachType,
    ) -> Result<&'static str, Error> {
        let pin = self.tc_pin(index, side);
        let program: &mut SchedClassifier = self.program(name)?;
        if !host::kernel_at_least(6, 6) {
            return clsact(program, index, device, name, side);
        }
        if let Some(link) = pinned(&pin)
            && let Ok(link) = link.try_into()
            && let Ok(id) = program.attach_to_link(link)
        {
            keep(program.take_link(id), device)?;
            let _earlier = self.links.insert(pin, index);
            return Ok("tcx");
        }
        remove_pin(&pin)?;
        let tcx = TcAttach::Tcx {
            attach_type: side,
            order: LinkOrder::default(),
        };
        let id = program
            .attach(aya::programs::NetworkInterface::Index(index), tcx)
            .step(format_args!("cannot attach {name} to {device}"))?;
        let link = program
            .take_link(id)
            .step(format_args!("cannot keep the link of {device}"))?;
        pin_link(link, &pin)?;
        let _earlier = self.links.insert(pin, index);
        Ok("tcx")
    }

    fn detach_tc(
        &mut self,
        index: u32,
        device: &str,
        name: &str,
        side: TcAttachType,
    ) -> Result<(), Error> {
        if !host::kernel_at_least(6, 6)
            && let Ok(device) = CString::new(device)
        {
            let _gone = qdisc_detach_program(device.as_c_str(), side.into(), name);
        }
        let pin = self.tc_pin(index, side);
        let _known = self.links.remove(&pin);
        remove_pin(&pin)
    }

    fn attach_xdp(&mut self, index: u32, device: &str, mode: XdpMode) -> Result<(), Error> {
        let pin = self.xdp_pin(index, mode);
        // A link cannot change its mode, and a device has XDP in one mode only.
        for other in [XdpMode::Driver, XdpMode::Skb] {
            if other != mode {
                let pin = self.xdp_pin(index, other);
                let _known = self.links.remove(&pin);
                remove_pin(&pin)?;
            }
        }
        let program: &mut Xdp = self.program("xdp_uplink")?;
        if let Some(link) = pinned(&pin)
            && let Ok(link) = link.try_into()
            && let Ok(id) = program.attach_to_link(link)
        {
            keep(program.take_link(id), device)?;
            let _earlier = self.links.insert(pin, index);
            return Ok(());
        }
        remove_pin(&pin)?;
        let id = program
            .attach(aya::programs::NetworkInterface::Index(index), mode)
            .step(format_args!(
                "cannot attach XDP to {device}; try --attach tc"
            ))?;
        let link = program
            .take_link(id)
            .step(format_args!("cannot keep the link of {device}"))?;
        pin_link(link, &pin)?;
        let _earlier = self.links.insert(pin, index);
        Ok(())
    }

    fn program<'a, P>(&'a mut self, name: &str) -> Result<&'a mut P, Error>
    where
        &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = ProgramError>,
    {
        let program = self.ebpf.program_mut(name).ok_or_else(|| missing(name))?;
        program
            .try_into()
            .step(format_args!("program {name} is of another kind"))
    }

    fn tc_pin(&self, index: u32, side: TcAttachType) -> PathBuf {
        let name = if side == TcAttachType::Egress {
            "out"
        } else {
            "tc"
        };
        self.pins.links.join(format!("{name}-{index}"))
    }

    fn cgroup_pin(&self, name: &str) -> PathBuf {
        self.pins.links.join(format!("cgroup-{name}"))
    }

    fn detach_xdp(&mut self, index: u32) -> Result<(), Error> {
        [XdpMode::Driver, XdpMode::Skb]
            .into_iter()
            .try_for_each(|mode| {
                let pin = self.xdp_pin(index, mode);
                let _known = self.links.remove(&pin);
                remove_pin(&pin)
            })
    }

    fn xdp_pin(&self, index: u32, mode: XdpMode) -> PathBuf {
        let name = if mode == XdpMode::Skb {
            "xdp-generic"
        } else {
            "xdp"
        };
        self.pins.links.join(format!("{name}-{index}"))
    }
}

/// Which XDP mode a device gets, if any, and the sentence that `status` prints.
fn xdp_mode(name: &str, role: Role, attach: Attach) -> (Option<XdpMode>, String) {
    if role != Role::Uplink {
        return (
            None,
            "pods and tunnels hand over partial checksums, which only tc can finish".into(),
        );
    }
    match attach {
        Attach::Tc => (None, "--attach tc".into()),
        Attach::Xdp => (Some(XdpMode::Driver), "--attach xdp, by force".into()),
        Attach::XdpGeneric => (Some(XdpMode::Skb), "--attach xdp-generic, by force".into()),
        Attach::Auto if host::has_driver(name) => {
            (Some(XdpMode::Driver), "the device has a driver of its own".into())
        }
        Attach::Auto => (
            None,
            "a virtual device hands over partial checksums and super-packets, which only tc can finish".into(),
        ),
    }
}

/// Before Linux 6.6: a filter on the clsact qdisc, which has no link and is found by its name.
fn clsact(
    program: &mut SchedClassifier,
    index: u32,
    device: &str,
    name: &str,
    side: TcAttachType,
) -> Result<&'static str, Error> {
    const PRIORITY: u16 = 1;
    let interface = aya::programs::NetworkInterface::Index(index);
    // There already, or the attach below says what is wrong.
    let _there = qdisc_add_clsact(interface);
    let _none = qdisc_detach_program(interface, side.into(), name);
    let options = NlOptions {
        priority: PRIORITY,
        handle: TcHandle::new(0, 1),
        ..NlOptions::default()
    };
    let attach = TcAttach::Netlink {
        parent: side.into(),
        options,
    };
    let id = program
        .attach(interface, attach)
        .step(format_args!("cannot attach {name} to {device}"))?;
    let link = program.take_link(id);
    // The qdisc holds the program; dropped, the link would take it away.
    std::mem::forget(link.step(format_args!("cannot keep the link of {device}"))?);
    Ok("clsact")
}

/// The interface index in the name of a link's pin.
fn index_of(pin: &str) -> Option<u32> {
    ["xdp-generic-", "xdp-", "tc-", "out-"]
        .iter()
        .find_map(|kind| pin.strip_prefix(kind)?.parse().ok())
}

/// Lets a link outlive this process: its pin holds it.
fn keep<L>(link: Result<L, ProgramError>, what: &str) -> Result<(), Error> {
    // Dropped, it closes a descriptor, and the pin holds the link: with the descriptor open, a link whose pin
    // somebody removes would stay attached, and could not be replaced.
    drop(link.step(format_args!("cannot keep the link of {what}"))?);
    Ok(())
}

fn pinned(pin: &Path) -> Option<FdLink> {
    PinnedLink::from_pin(pin).ok().map(FdLink::from)
}

fn pin_link<L: TryInto<FdLink>>(link: L, pin: &Path) -> Result<(), Error> {
    let Ok(link) = link.try_into() else {
        return Err(Error::new(
            "this kernel has no BPF links for the hook; Linux 5.9 or newer is needed",
        ));
    };
    let pinned = link
        .pin(pin)
        .step(format_args!("cannot pin {}", pin.display()))?;
    drop(pinned);
    Ok(())
}

/// Removes a pin, and with it the link, if there is one: at once, where the pin alone would take it
/// along when the kernel gets to it, and the place would be taken until then.
pub(crate) fn remove_pin(pin: &Path) -> Result<(), Error> {
    host::detach_link(pin);
    match std::fs::remove_file(pin) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::because(
            format_args!("cannot remove {}", pin.display()),
            error,
        )),
        _ => Ok(()),
    }
}

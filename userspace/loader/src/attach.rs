//! Programs to devices, through pinned links, or filters where there are none.

pub(crate) mod filter;

use std::{os::fd::AsFd as _, path::PathBuf};

use aya::programs::{LinkOrder, SchedClassifier, TcAttach, TcAttachType, Xdp, XdpMode};

use crate::{
    DataPath,
    error::{Error, Step as _},
    host,
    links::Place,
    object::HOST,
    pinned, restore,
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
    /// XDP where the device has a driver of its own and its frames fit a page, tc elsewhere.
    Auto,
    /// XDP in the driver, by force.
    Xdp,
    /// XDP in the stack, by force.
    XdpGeneric,
    /// tc only.
    Tc,
}

/// The largest MTU with which [`Attach::Auto`] attaches XDP.
///
/// XDP has one page (4,096 bytes) for a frame, of which the kernel takes 256 before and 320 behind it. Drivers refuse XDP
/// where larger frames are expected, but not all of them (`virtio_net`) refuse those where XDP is: they lose them.
pub const XDP_MTU: u32 = 3_400;

/// What was attached to a device, and why so.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attached {
    /// "tcx", "clsact", "xdp (native) + tcx" and so on.
    pub hooks: String,
    /// One sentence.
    pub why: String,
}

impl Role {
    pub(crate) const ALL: [Self; 3] = [Self::Uplink, Self::Pod, Self::Overlay];

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
        let (mode, mut why) = xdp_mode(name, role, attach);
        // The second stage first: it must be there when the first one leaves packets to it.
        let tc = self.attach_tc(index, name, role.program(), TcAttachType::Ingress)?;
        let _earlier = self.devices.insert(name.to_owned(), (index, role));
        let wants_egress = match self.host_backends {
            Some(wanted) => wanted,
            None => self.has_egress(index)?,
        };
        if wants_egress {
            self.attach_tc(index, name, HOST, TcAttachType::Egress)?;
        }
        let hooks = match mode {
            Some(mode) => match self.attach_xdp(index, name, mode) {
                Ok(()) if mode == XdpMode::Skb => format!("xdp (generic) + {tc}"),
                Ok(()) => format!("xdp (native) + {tc}"),
                // tc does all that XDP would have done, later.
                Err(error) if attach == Attach::Auto => {
                    why = format!("{error}; tc alone serves");
                    tc.to_owned()
                }
                Err(error) => return Err(error),
            },
            None => {
                self.detach_xdp(index)?;
                tc.to_owned()
            }
        };
        Ok(Attached { hooks, why })
    }

    /// Detaches from a device, which may be gone already.
    pub fn detach_device(&mut self, name: &str) -> Result<(), Error> {
        let Some((index, _role)) = self.devices.remove(name) else {
            return Ok(());
        };
        self.remove_links(index)
    }

    /// Devices that somebody else has detached a program from, or on whose links somebody has put another
    /// program (rule 5.1.11); [`Self::attach_device`] puts it back.
    pub fn lost_devices(&self) -> Vec<String> {
        let is_lost = |index: u32| {
            let mut links = self.links.values();
            links.any(|it| it.place == Place::Device(index) && !it.hangs())
                || filter::SIDES
                    .iter()
                    .any(|side| self.has_lost_filter(index, *side))
                || self.host_backends == Some(true) && !self.holds_egress(index)
        };
        let devices = self.devices.iter();
        let lost = devices.filter(|(_, (index, _))| is_lost(*index));
        lost.map(|(name, _)| name.clone()).collect()
    }

    /// Says whether processes of this host are backends: only then their replies are looked at, where
    /// they leave. Until the first word each device keeps what an earlier run has left there.
    ///
    /// # Errors
    /// The first device that refuses; all others have it, and that one is among [`Self::lost_devices`].
    pub fn set_host_backends(&mut self, wanted: bool) -> Result<(), Error> {
        if self.host_backends == Some(wanted) {
            return Ok(());
        }
        self.host_backends = Some(wanted);
        let mut done = Ok(());
        for (name, (index, _role)) in self.devices.clone() {
            let attached = if wanted {
                let attached = self.attach_tc(index, &name, HOST, TcAttachType::Egress);
                attached.map(|_how| ())
            } else {
                self.detach_tc(index, TcAttachType::Egress)
            };
            done = done.and(attached);
        }
        done
    }

    /// Whether we, or an earlier run, look at what leaves there.
    fn has_egress(&self, index: u32) -> Result<bool, Error> {
        let side = TcAttachType::Egress;
        Ok(self.tc_pin(index, side).exists() || !filter::ours(index, side)?.is_empty())
    }

    fn holds_egress(&self, index: u32) -> bool {
        let side = TcAttachType::Egress;
        self.links.contains_key(&self.tc_pin(index, side))
            || self.filters.contains_key(&(index, side))
    }

    /// Removes the links and filters of an earlier run on devices other than these.
    pub fn forget_links_except(&mut self, keep: &[u32]) -> Result<(), Error> {
        let indexes = std::fs::read_dir(&self.pins.links)
            .step(format_args!("cannot list {}", self.pins.links.display()))?
            .filter_map(Result::ok)
            .filter_map(|entry| index_of(&entry.file_name().to_string_lossy()))
            .collect::<std::collections::BTreeSet<u32>>();
        for index in indexes.into_iter().filter(|index| !keep.contains(index)) {
            self.remove_links(index)?;
        }
        self.forget_filters_except(keep)
    }

    fn forget_filters_except(&self, keep: &[u32]) -> Result<(), Error> {
        let devices = nix::net::if_::if_nameindex().step("cannot list the devices")?;
        let others = devices.iter().map(|device| device.index());
        for index in others.filter(|index| !keep.contains(index)) {
            for side in filter::SIDES {
                let found = filter::ours(index, side)?;
                let mut of_ours = found.iter().filter(|it| self.has_our_maps(it.program));
                of_ours.try_for_each(filter::Filter::remove)?;
            }
        }
        Ok(())
    }

    /// Whether a program works on our maps: the filters of a tidegate with pins of its own have the same names.
    fn has_our_maps(&self, program: u32) -> bool {
        let theirs = restore::maps_of(program);
        let mut ours = self.maps.iter();
        ours.any(|(_, map)| {
            pinned::told::<u32>(map.as_fd(), "map_id:").is_some_and(|id| theirs.contains(&id))
        })
    }

    fn remove_links(&mut self, index: u32) -> Result<(), Error> {
        self.detach_xdp(index)?;
        self.detach_tc(index, TcAttachType::Ingress)?;
        self.detach_tc(index, TcAttachType::Egress)
    }

    /// Whether a filter that was put there is there no more, or has another program.
    fn has_lost_filter(&self, index: u32, side: TcAttachType) -> bool {
        let Some(program) = self.filters.get(&(index, side)) else {
            return false;
        };
        // Not known is not lost.
        filter::ours(index, side)
            .is_ok_and(|there| !there.iter().any(|filter| filter.program == *program))
    }

    fn attach_tc(
        &mut self,
        index: u32,
        device: &str,
        name: &'static str,
        side: TcAttachType,
    ) -> Result<&'static str, Error> {
        let (pin, place) = (self.tc_pin(index, side), Place::Device(index));
        if !self.has_tcx {
            let program = filter::put(self.program(name)?, (index, device), side)?;
            let _earlier = self.filters.insert((index, side), program);
            self.drop_link(&pin)?;
            return Ok("clsact");
        }
        if !self.take_link(&pin, name, place)? {
            self.attach_tcx(index, device, name, side)?;
        }
        // Of a run without tcx; by now it has nothing to do.
        filter::remove_at(index, side)?;
        Ok("tcx")
    }

    fn attach_tcx(
        &mut self,
        index: u32,
        device: &str,
        name: &'static str,
        side: TcAttachType,
    ) -> Result<(), Error> {
        let pin = self.tc_pin(index, side);
        self.drop_link(&pin)?;
        let tcx = TcAttach::Tcx {
            attach_type: side,
            order: LinkOrder::default(),
        };
        let program: &mut SchedClassifier = self.program(name)?;
        let id = program
            .attach(aya::programs::NetworkInterface::Index(index), tcx)
            .step(format_args!("cannot attach {name} to {device}"))?;
        let link = program.take_link(id);
        self.pin_link(link, pin, Place::Device(index))
    }

    /// Of a device that may be gone.
    fn detach_tc(&mut self, index: u32, side: TcAttachType) -> Result<(), Error> {
        let _ours = self.filters.remove(&(index, side));
        filter::remove_at(index, side)?;
        self.drop_link(&self.tc_pin(index, side))
    }

    fn attach_xdp(&mut self, index: u32, device: &str, mode: XdpMode) -> Result<(), Error> {
        const NAME: &str = "xdp_uplink";
        let (pin, place) = (self.xdp_pin(index, mode), Place::Device(index));
        // A link cannot change its mode, and a device has XDP in one mode only.
        for other in [XdpMode::Driver, XdpMode::Skb] {
            if other != mode {
                self.drop_link(&self.xdp_pin(index, other))?;
            }
        }
        if self.take_link(&pin, NAME, place)? {
            return Ok(());
        }
        self.drop_link(&pin)?;
        let program: &mut Xdp = self.program(NAME)?;
        let id = program
            .attach(aya::programs::NetworkInterface::Index(index), mode)
            .step(format_args!(
                "cannot attach XDP to {device}; try --attach tc"
            ))?;
        let link = program.take_link(id);
        self.pin_link(link, pin, place)
    }

    fn tc_pin(&self, index: u32, side: TcAttachType) -> PathBuf {
        let name = if side == TcAttachType::Egress {
            "out"
        } else {
            "tc"
        };
        self.pins.links.join(format!("{name}-{index}"))
    }

    fn detach_xdp(&mut self, index: u32) -> Result<(), Error> {
        [XdpMode::Driver, XdpMode::Skb]
            .into_iter()
            .try_for_each(|mode| self.drop_link(&self.xdp_pin(index, mode)))
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
        Attach::Auto if !host::has_driver(name) => (
            None,
            "a virtual device hands over partial checksums and super-packets, which only tc can finish".into(),
        ),
        Attach::Auto if has_jumbo_frames(name) => {
            (None, format!("an MTU above {XDP_MTU} leaves XDP no room in a page"))
        }
        Attach::Auto => (Some(XdpMode::Driver), "the device has a driver of its own".into()),
    }
}

/// Whether a device's frames do not fit, and XDP can be given up for it: before Linux 6.3 `virtio_net` does not let it go
/// at such an MTU, and the kernel warns of itself (`bpf_xdp_link_release`).
fn has_jumbo_frames(name: &str) -> bool {
    host::kernel_at_least(6, 3) && host::mtu(name).is_some_and(|mtu| mtu > XDP_MTU)
}

/// The interface index in the name of a link's pin.
fn index_of(pin: &str) -> Option<u32> {
    ["xdp-generic-", "xdp-", "tc-", "out-"]
        .iter()
        .find_map(|kind| pin.strip_prefix(kind)?.parse().ok())
}

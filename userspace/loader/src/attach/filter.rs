//! Filters on the clsact qdisc of a device: what there is before tcx (Linux 6.6), or instead of it.
//!
//! A filter has no link that could be pinned: the qdisc holds it when its agent goes, and it is found again by the
//! name of its program. Devices are those of the present network namespace.

use std::io;

use aya::programs::{
    SchedClassifier, TcAttach, TcAttachType,
    tc::{NlOptions, SchedClassifierLink, TcHandle, qdisc_add_clsact},
};
use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::{
    RouteNetlinkMessage,
    tc::{TcAttribute, TcFilterBpfOption, TcMessage, TcOption},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::Role;
use crate::{
    error::{Error, Step as _},
    fault,
    object::HOST,
};

/// Before the filters of others.
const PRIORITY: u16 = 1;
/// The kernel chooses one that is free.
const ANY: TcHandle = TcHandle::new(0, 0);
/// `TC_H_CLSACT` with `TC_H_MIN_INGRESS` and `TC_H_MIN_EGRESS`.
const INGRESS: u32 = 0xffff_fff2;
const EGRESS: u32 = 0xffff_fff3;

/// A filter of ours.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Filter {
    device: u32,
    side: TcAttachType,
    priority: u16,
    handle: u32,
    /// Its program's name, and the program's id.
    pub(crate) name: String,
    pub(crate) program: u32,
}

/// Both sides of a device.
pub(crate) const SIDES: [TcAttachType; 2] = [TcAttachType::Ingress, TcAttachType::Egress];

/// Ours at one side of a device, in the order in which packets meet them.
pub(crate) fn ours(device: u32, side: TcAttachType) -> Result<Vec<Filter>, Error> {
    let found = all(device, side).step("cannot list the filters of a device")?;
    let is_ours = |name: &str| match side {
        TcAttachType::Egress => name == HOST,
        _ => Role::ALL.iter().any(|role| role.program() == name),
    };
    let ours = found.into_iter().filter(|filter| is_ours(&filter.name));
    Ok(ours.collect())
}

/// Puts a program there, whose id is returned. What an earlier run left is exchanged in its place: no packet meets
/// the device without a program.
pub(crate) fn put(
    program: &mut SchedClassifier,
    (device, shown): (u32, &str),
    side: TcAttachType,
) -> Result<u32, Error> {
    let what = format!("cannot attach to {shown}");
    let id = program.info().step(&what)?.id();
    let mut there = ours(device, side)?.into_iter();
    let attached = match there.next() {
        Some(filter) if filter.program == id => None,
        Some(filter) => Some(program.attach_to_link(filter.link().step(&what)?)),
        None => Some(anew(program, device, side)),
    };
    if let Some(link) = attached {
        let link = program.take_link(link.step(&what)?).step(&what)?;
        // The qdisc holds the program; dropped, the link would take it away.
        std::mem::forget(link);
        fault::point();
    }
    // Of a run that knew no better.
    there.try_for_each(|filter| filter.remove())?;
    Ok(id)
}

fn anew(
    program: &mut SchedClassifier,
    device: u32,
    side: TcAttachType,
) -> Result<aya::programs::tc::SchedClassifierLinkId, aya::programs::ProgramError> {
    let interface = aya::programs::NetworkInterface::Index(device);
    // There already, or the attach below says what is wrong.
    let _there = qdisc_add_clsact(interface);
    let options = NlOptions {
        priority: PRIORITY,
        handle: ANY,
        ..NlOptions::default()
    };
    let parent = side.into();
    program.attach(interface, TcAttach::Netlink { parent, options })
}

/// Removes ours from both sides of a device, and says whose programs they were.
pub(crate) fn remove_all(device: u32) -> Result<Vec<String>, Error> {
    let mut removed = Vec::new();
    for side in SIDES {
        removed.extend(remove_at(device, side)?);
    }
    Ok(removed)
}

/// The same for one side.
pub(crate) fn remove_at(device: u32, side: TcAttachType) -> Result<Vec<String>, Error> {
    let mut removed = Vec::new();
    for filter in ours(device, side)? {
        filter.remove()?;
        removed.push(filter.name);
    }
    Ok(removed)
}

impl Filter {
    fn link(&self) -> io::Result<SchedClassifierLink> {
        let [major, minor] = [self.handle >> 16, self.handle & 0xffff];
        SchedClassifierLink::attached(
            aya::programs::NetworkInterface::Index(self.device),
            self.side.into(),
            self.priority,
            TcHandle::new(major as u16, minor as u16),
            None,
        )
    }

    pub(crate) fn remove(&self) -> Result<(), Error> {
        // Such a link removes its filter when it is dropped; that it may be gone by now is all the same.
        drop(self.link().step("cannot remove a filter")?);
        fault::point();
        Ok(())
    }
}

/// Every BPF filter at one side of a device; none where there is no clsact qdisc.
fn all(device: u32, side: TcAttachType) -> io::Result<Vec<Filter>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&question(device, side)?, 0)?;
    let mut found = Vec::new();
    loop {
        let (answer, _from) = socket.recv_from_full()?;
        let mut rest = answer.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            match message.payload {
                NetlinkPayload::Done(_) => return Ok(found),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewTrafficFilter(filter)) => {
                    found.extend(read(device, side, &filter));
                }
                _ => {}
            }
            // Messages begin at multiples of four (NLMSG_ALIGN).
            let next = (message.header.length as usize).next_multiple_of(4);
            rest = rest.get(next..).unwrap_or_default();
        }
    }
}

fn question(device: u32, side: TcAttachType) -> io::Result<Vec<u8>> {
    let mut filter = TcMessage::default();
    filter.header.index = i32::try_from(device).map_err(io::Error::other)?;
    filter.header.parent = match side {
        TcAttachType::Egress => EGRESS.into(),
        _ => INGRESS.into(),
    };
    let mut message = NetlinkMessage::from(RouteNetlinkMessage::GetTrafficFilter(filter));
    message.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    Ok(bytes)
}

/// What the kernel says of a filter; `None`: it has no BPF program.
fn read(device: u32, side: TcAttachType, message: &TcMessage) -> Option<Filter> {
    let options = message.attributes.iter().find_map(|it| match it {
        TcAttribute::Options(options) => Some(options),
        _ => None,
    });
    let (mut name, mut program) = (None, None);
    for option in options? {
        match option {
            TcOption::Bpf(TcFilterBpfOption::ProgName(it)) => name = Some(it.clone()),
            TcOption::Bpf(TcFilterBpfOption::ProgId(it)) => program = Some(*it),
            _ => {}
        }
    }
    Some(Filter {
        device,
        side,
        // Above the protocol (TC_H_MAJ).
        priority: (message.header.info >> 16) as u16,
        handle: message.header.handle.into(),
        name: name?,
        program: program?,
    })
}

//! Which device of this host leads to a pod's device: the kernel is asked on both sides, nobody's word
//! is taken for it.

use std::{fs::File, path::Path, thread};

use futures::TryStreamExt as _;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use nix::sched::{CloneFlags, setns};
use tokio::runtime::Builder;

use crate::failure::{Code, Failure};

/// The host end of a pod's link.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostDevice {
    pub name: String,
    /// The Ethernet address at the other end, the pod's own; `None`: it has none.
    pub pod_mac: Option<String>,
}

/// Looks links up.
pub trait Links {
    /// The host end of the link that is called `ifname` in that network namespace.
    fn host_device(&self, netns: &Path, ifname: &str) -> Result<HostDevice, Failure>;
}

/// The links of the running kernel.
#[derive(Clone, Copy, Debug)]
pub struct Kernel;

impl Links for Kernel {
    fn host_device(&self, netns: &Path, ifname: &str) -> Result<HostDevice, Failure> {
        let shown = netns.display();
        let file = File::open(netns).map_err(|error| {
            Failure::new(
                Code::InvalidEnvironment,
                format!("CNI_NETNS {shown} cannot be opened: {error}"),
            )
        })?;
        let inside = on_a_thread(Some(file), Which::Name(ifname))?.ok_or_else(|| {
            Failure::new(
                Code::UnknownContainer,
                format!("there is no device {ifname} in the container's namespace {shown}"),
            )
        })?;
        let outside = match inside.peer {
            Some(index) => on_a_thread(None, Which::Index(index))?,
            None => None,
        };
        // Else both numbers may mean devices that have nothing to do with each other.
        let is_mutual = |outside: &Found| outside.peer == Some(inside.index);
        match outside.filter(is_mutual) {
            Some(outside) => Ok(HostDevice {
                name: outside.name,
                pod_mac: inside.mac,
            }),
            None => Err(Failure::new(
                Code::InvalidConfig,
                format!(
                    "device {ifname} of the container has no other end on this host: tidegate needs a veth pair, \
                     as bridge and ptp make it (not macvlan, ipvlan or a device that was moved)"
                ),
            )),
        }
    }
}

#[derive(Clone, Copy)]
enum Which<'a> {
    Name(&'a str),
    Index(u32),
}

struct Found {
    name: String,
    index: u32,
    /// The index of the other end, in its own namespace.
    peer: Option<u32>,
    mac: Option<String>,
}

/// Asks on a thread of its own, which may leave for another network namespace.
fn on_a_thread(netns: Option<File>, which: Which<'_>) -> Result<Option<Found>, Failure> {
    let failed = |what: &str| {
        let message = format!("cannot look at network devices: {what}");
        Failure::new(Code::Io, message)
    };
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            if let Some(netns) = netns {
                setns(&netns, CloneFlags::CLONE_NEWNET).map_err(|errno| {
                    failed(&format!("setns: {errno}; is the plugin run as root?"))
                })?;
            }
            let runtime = Builder::new_current_thread().enable_io().build();
            let runtime = runtime.map_err(|error| failed(&error.to_string()))?;
            runtime
                .block_on(ask(which))
                .map_err(|reason| failed(&reason))
        });
        asking.join().map_err(|_panic| failed("a panic"))?
    })
}

async fn ask(which: Which<'_>) -> Result<Option<Found>, String> {
    let (connection, handle, _) = rtnetlink::new_connection().map_err(|error| error.to_string())?;
    let connection = tokio::spawn(connection);
    let request = handle.link().get();
    let request = match which {
        Which::Name(name) => request.match_name(name.to_owned()),
        Which::Index(index) => request.match_index(index),
    };
    let answer = request.execute().try_next().await;
    connection.abort();
    match answer {
        Ok(message) => Ok(message.map(|message| found(&message))),
        Err(rtnetlink::Error::NetlinkError(error)) if is_absent(error.raw_code()) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

fn is_absent(code: i32) -> bool {
    code == -(nix::errno::Errno::ENODEV as i32)
}

fn found(message: &LinkMessage) -> Found {
    let mut found = Found {
        name: String::new(),
        index: message.header.index,
        peer: None,
        mac: None,
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => found.name.clone_from(name),
            LinkAttribute::Link(index) => found.peer = Some(*index),
            LinkAttribute::Address(bytes) if bytes.len() == 6 => {
                let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                found.mac = Some(bytes.join(":"));
            }
            _ => {}
        }
    }
    found
}

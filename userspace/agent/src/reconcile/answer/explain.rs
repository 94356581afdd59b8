//! The answer to `explain`: finds the device at which a packet enters, lets it be explained, and adds what is
//! known of this node.

use std::net::{IpAddr, SocketAddr};

use tidegate_abi::{Address, Ip4, Ip6, Port, Proto};
use tidegate_api::{
    DeviceRow,
    explain::{
        ExplainProto, ExplainRequest, ExplainedDevice, ExplainedService, Explanation, TcpFlag,
    },
};
use tidegate_datapath::{Entry, Role, Stage};
use tidegate_explain::{
    Call, Live,
    confirm::{Programs, confirm},
    described::{Described, Transport},
    dial, walk,
    words::{self, Names, Place},
};

use crate::{asking::Refusal, kernel::Kernel, reconcile::Reconciler};

const OUTDATED: &str = "the maps do not match the sources at this moment; see `tidegate status`";

impl<K: Kernel> Reconciler<K> {
    pub(super) fn explain(&self, request: &ExplainRequest) -> Result<Explanation, Refusal> {
        let Some(live) = self.kernel.live() else {
            let why = "this agent has no data path in the kernel";
            return Err(Refusal::Failed(why.to_owned()));
        };
        let mut told = if request.from_host {
            self.explain_call(live, request)?
        } else {
            self.explain_packet(live, request)?
        };
        if !self.is_synced() {
            told.notes.push(OUTDATED.to_owned());
        }
        Ok(told)
    }

    fn explain_packet<L>(&self, live: &L, request: &ExplainRequest) -> Result<Explanation, Refusal>
    where
        L: Live<Ip4> + Live<Ip6> + Programs,
    {
        let Some(from) = request.from else {
            let why = "the sender is missing: say `from`, or `fromHost`";
            return Err(Refusal::Malformed(why.to_owned()));
        };
        let described = described(from, request);
        let Some(frame) = described.frame() else {
            let why = format!(
                "{from} and {} are of two address families: no packet has both",
                request.to
            );
            return Err(Refusal::Malformed(why));
        };
        let (device, is_guess) = self.entrance(from.ip(), request.device.as_deref())?;
        let paper = walk(live, &frame, &entries(&device)).map_err(Refusal::Failed)?;
        let confirmed = confirm(live, &paper);
        let shown = ExplainedDevice {
            name: device.name.clone(),
            index: device.index,
            role: device.role.clone(),
            hooks: device.hooks.clone(),
        };
        let mut told = words::packet(&paper, shown, &confirmed, &Known(self));
        if self.facts.own_addresses.contains(&from.ip()) {
            told.notes.push(format!(
                "{} is an address of this node: what its own processes send does not enter by a device, see --from-host",
                from.ip()
            ));
        }
        told.notes.extend(is_guess.then(|| {
            format!(
                "there are other uplinks than {}; --device names one",
                device.name
            )
        }));
        Ok(told)
    }

    /// The device at which a packet enters; and whether another one may be meant.
    fn entrance(&self, from: IpAddr, named: Option<&str>) -> Result<(DeviceRow, bool), Refusal> {
        let mut rows = self.attachments.rows();
        rows.retain(|row| !row.hooks.is_empty());
        let has = |name: &str| rows.iter().find(|row| row.name == name).cloned();
        if let Some(name) = named {
            let row = has(name).ok_or_else(|| Refusal::Missing(unknown(name, &rows)))?;
            return Ok((row, false));
        }
        let owner = self.facts.local_pods.get(&from).map(|pod| pod.device);
        if let Some(row) = owner.and_then(|index| rows.iter().find(|row| row.index == index)) {
            return Ok((row.clone(), false));
        }
        let mut uplinks = rows.iter().filter(|row| row.role == "uplink");
        match (uplinks.next(), uplinks.next()) {
            (Some(first), second) => Ok((first.clone(), second.is_some())),
            (None, _) => Err(Refusal::Missing(format!(
                "no device is the uplink: name the one at which the packet enters with --device; attached: {}",
                names(&rows)
            ))),
        }
    }

    fn explain_call<L>(&self, live: &L, request: &ExplainRequest) -> Result<Explanation, Refusal>
    where
        L: Live<Ip4> + Live<Ip6>,
    {
        let proto = match request.proto {
            ExplainProto::Tcp => Proto::TCP,
            ExplainProto::Udp => Proto::UDP,
            ExplainProto::Sctp | ExplainProto::Icmp => {
                let why = "of this host's processes only TCP and UDP are given backends";
                return Err(Refusal::Malformed(why.to_owned()));
            }
        };
        let ip = request.to.ip().to_canonical();
        let mut told = match (Ip4::from_ip(ip), Ip6::from_ip(ip)) {
            (Some(addr), _) => self.dial(live, addr, request.to.port(), proto)?,
            (None, Some(addr)) => self.dial(live, addr, request.to.port(), proto)?,
            (None, None) => return Err(Refusal::Malformed(format!("{ip} is no address"))),
        };
        if !self.cgroup.starts_with('/') {
            let why = &self.cgroup;
            told.notes.push(format!(
                "the socket hooks are not attached ({why}): processes of this host get no backend"
            ));
        }
        Ok(told)
    }

    fn dial<A: Address, L: Live<A>>(
        &self,
        live: &L,
        addr: A,
        port: u16,
        proto: Proto,
    ) -> Result<Explanation, Refusal> {
        let call = Call {
            addr,
            port: Port::new(port),
            proto,
            cookie: 0,
            now_ns: live.now_ns(),
        };
        let dialled = dial(live, &call).map_err(Refusal::Failed)?;
        Ok(words::socket(&dialled, &call, &Known(self)))
    }
}

fn described(from: SocketAddr, request: &ExplainRequest) -> Described {
    let transport = match request.proto {
        ExplainProto::Tcp => Transport::Tcp(bits(&request.flags)),
        ExplainProto::Udp => Transport::Udp,
        ExplainProto::Sctp => Transport::Sctp,
        ExplainProto::Icmp => Transport::Echo,
    };
    Described {
        from,
        to: request.to,
        transport,
        length: request.length.unwrap_or(0),
    }
}

/// As they stand in the header; none named: a connection begins.
fn bits(flags: &[TcpFlag]) -> u8 {
    let bit = |flag: &TcpFlag| match flag {
        TcpFlag::Fin => 0x01,
        TcpFlag::Syn => 0x02,
        TcpFlag::Rst => 0x04,
        TcpFlag::Psh => 0x08,
        TcpFlag::Ack => 0x10,
        TcpFlag::Urg => 0x20,
    };
    if flags.is_empty() {
        return bit(&TcpFlag::Syn);
    }
    flags.iter().map(bit).fold(0, |all, one| all | one)
}

/// The programs of a device, in order.
fn entries(device: &DeviceRow) -> Vec<Entry> {
    let role = match device.role.as_str() {
        "pod" => Role::Pod,
        "overlay" => Role::Overlay,
        _ => Role::Uplink,
    };
    let stages = [Stage::Xdp, Stage::Tc];
    let entry = |stage| Entry {
        role,
        stage,
        device: device.index,
    };
    let has_xdp = device.hooks.contains("xdp");
    let kept = stages.into_iter().filter(|it| has_xdp || *it != Stage::Xdp);
    kept.map(entry).collect()
}

fn unknown(name: &str, rows: &[DeviceRow]) -> String {
    format!(
        "{name} is no device that tidegate is attached to; attached: {}",
        names(rows)
    )
}

fn names(rows: &[DeviceRow]) -> String {
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(", ")
}

/// What this agent knows of the numbers in the maps.
struct Known<'a, K>(&'a Reconciler<K>);

impl<K: Kernel> Names for Known<'_, K> {
    fn service(&self, id: u32) -> Option<ExplainedService> {
        let key = self.0.name(id)?;
        Some(ExplainedService {
            id,
            namespace: key.namespace.clone(),
            name: key.service.clone(),
            port_name: key.port_name.clone(),
            kind: String::new(),
        })
    }

    fn device(&self, index: u32) -> Option<String> {
        let link = self.0.seen.links.get(&index)?;
        Some(link.name.clone())
    }

    fn place_of(&self, service: u32, endpoint: SocketAddr) -> Option<Place> {
        let key = self.0.name(service)?;
        let port = self.0.compiler.port(key)?;
        let mut endpoints = port.endpoints.iter();
        let found = endpoints.find(|it| (it.ip, it.port) == (endpoint.ip(), endpoint.port()))?;
        Some(Place {
            node_name: found.node_name.clone(),
            is_here: found.local,
        })
    }
}

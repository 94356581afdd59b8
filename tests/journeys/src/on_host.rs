//! [`Machine`] on the host implementation.

use std::net::{IpAddr, SocketAddr};

use tidegate_abi::{
    Address as _, Backend, BackendId, Device, Frontend, FrontendKey, Ip4, Ip6, LocalPod, Port,
    Proto, Settings, reason::Kind,
};
use tidegate_datapath::{Clock as _, Door, Entry, Route, Stage, Tables as _, Verdict, sweep};

use crate::{
    host::{Family, Host, HostPacket},
    machine::{Exit, Machine, Program},
    network::Network,
    record::{self, Record, Tuple},
    scene::{Endpoint, Maps, Scene},
    sticky::{self, Sticky},
    textbook,
};

/// Ticks go on for days before a test: nothing is older than the machine.
const TICK: u32 = 1_000_000;

/// The host, and the frames that were sent in again, with the device.
#[derive(Debug)]
pub struct HostMachine(pub Host, Vec<(u32, Vec<u8>)>);

impl HostMachine {
    /// With the textbook network and empty maps.
    pub fn new() -> Self {
        let mut host = Host::default();
        host.world.network = textbook::network();
        host.world.tick.set(TICK);
        Self(host, Vec::new())
    }

    /// Another, to which every next hop was asked for before.
    pub fn with_remembered_hops() -> Self {
        let mut machine = Self::new();
        machine.0.world.has_remembered_hops = true;
        machine
    }

    /// The record of one tuple, without a walk through all of them.
    pub fn record(&self, key: &Tuple) -> Option<Record> {
        find::<Ip4>(&self.0, key).or_else(|| find::<Ip6>(&self.0, key))
    }
}

fn find<A: Family>(host: &Host, key: &Tuple) -> Option<Record> {
    let key = record::key_to_abi::<A>(key)?;
    let flow = host.tables.flow(&key)?;
    Some(record::from_abi(&key, &flow))
}

impl Default for HostMachine {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine for HostMachine {
    fn name(&self) -> &'static str {
        "host"
    }

    fn start(&mut self, scene: &Scene) {
        let has_remembered_hops = self.0.world.has_remembered_hops;
        *self = Self::new();
        self.0.world.has_remembered_hops = has_remembered_hops;
        scene.write(&mut self.0);
    }

    fn change(&mut self, scene: &Scene) {
        scene.write(&mut self.0);
    }

    fn run(&mut self, program: Program, frame: &[u8], device: u32) -> Exit {
        let mut packet = HostPacket::new(frame);
        packet.held = self.0.tables.held.clone();
        let entry = Entry {
            role: program.role(),
            stage: program.stage(),
            device,
        };
        let verdict = match program {
            Program::TcHost => self.0.leave(&mut packet, entry),
            _ => Some(self.0.journey(&mut packet, entry)),
        };
        let mut door = verdict.map_or(Door::Stack, |verdict| verdict.door);
        if let Door::Direct(device) = door {
            is_addressed(&self.0.world.network, &packet.bytes, device);
            // From here on it is a packet like those to a next hop that was not remembered.
            packet.bytes[..12].copy_from_slice(&frame[..12]);
            door = Door::Neighbour(device);
        }
        let released = packet.released.into_iter();
        self.1.extend(released.map(|frame| (device, frame)));
        Exit {
            who: format!("host, {}", program.name()),
            program,
            device,
            sent: frame.to_vec(),
            frame: packet.bytes,
            code: program.code(door),
            reason: verdict
                .filter(|verdict| is_counted(program, *verdict))
                .map(|verdict| verdict.reason),
            door: Some(door),
            staged: false,
        }
    }

    fn takes(&self, _program: Program, _frame: &[u8]) -> bool {
        true
    }

    fn records(&self) -> Vec<Record> {
        let mut records = records_of::<Ip4>(&self.0);
        records.extend(records_of::<Ip6>(&self.0));
        records
    }

    fn put_record(&mut self, record: &Record) {
        if let Some((key, flow)) = record::to_abi::<Ip4>(record) {
            let _done: bool = self.0.tables.put_flow(&key, &flow);
        }
        if let Some((key, flow)) = record::to_abi::<Ip6>(record) {
            let _done: bool = self.0.tables.put_flow(&key, &flow);
        }
    }

    fn remove_record(&mut self, key: &Tuple) {
        if let Some(key) = record::key_to_abi::<Ip4>(key) {
            self.0.tables.remove_flow(&key);
        }
        if let Some(key) = record::key_to_abi::<Ip6>(key) {
            self.0.tables.remove_flow(&key);
        }
    }

    fn sweep(&mut self) -> u32 {
        sweep_of::<Ip4>(&self.0) + sweep_of::<Ip6>(&self.0)
    }

    fn tick(&self) -> u32 {
        self.0.world.tick.get()
    }

    fn now_ns(&self) -> u64 {
        self.0.world.now_ns()
    }

    fn note_moved(&mut self) {
        self.0.tables.moved.set(self.0.world.tick.get());
    }

    fn affinities(&self) -> Vec<Sticky> {
        let mut records = sticky_of::<Ip4>(&self.0);
        records.extend(sticky_of::<Ip6>(&self.0));
        records
    }

    fn put_affinity(&mut self, record: &Sticky) {
        if let Some((key, value)) = sticky::to_abi::<Ip4>(record) {
            self.0.tables.put_affinity(&key, &value);
        }
        if let Some((key, value)) = sticky::to_abi::<Ip6>(record) {
            self.0.tables.put_affinity(&key, &value);
        }
    }

    fn listen(&mut self) {
        self.1.clear();
    }

    fn released(&mut self, device: u32, _count: usize) -> Vec<Vec<u8>> {
        let here = self.1.extract_if(.., |(at, _)| *at == device);
        here.map(|(_, frame)| frame).collect()
    }

    fn occupy(&mut self, proto: Proto, at: SocketAddr) {
        let _new: bool = self.0.world.sockets.insert((proto, at));
    }
}

/// A packet that leaves without the kernel's help has the Ethernet addresses of the link and of the next hop.
fn is_addressed(network: &Network, frame: &[u8], device: u32) {
    let dst: IpAddr = match &frame[12..14] {
        [0x08, 0x00] => <[u8; 4]>::try_from(&frame[30..34]).map(IpAddr::from),
        [0x86, 0xdd] => <[u8; 16]>::try_from(&frame[38..54]).map(IpAddr::from),
        other => panic!("a frame of type {other:x?}"),
    }
    .expect("as many bytes as an address has");
    let macs = match network.route(dst, 0) {
        Route::Via {
            device: via, macs, ..
        } if via == device => macs,
        other => panic!("to {dst} by {device}: {other:?}"),
    };
    assert_eq!(macs.map(Vec::from), Some(frame[..12].to_vec()), "to {dst}");
}

/// Each packet is counted once, by the stage that ends its journey.
fn is_counted(program: Program, verdict: Verdict) -> bool {
    let passed_by_xdp = program.stage() == Stage::Xdp
        && program.code(verdict.door) == crate::machine::code::XDP_PASS;
    if passed_by_xdp {
        assert!(
            matches!(verdict.door, Door::Stack | Door::Aside)
                && verdict.reason.kind() == Kind::Pass,
            "{verdict:?}"
        );
    }
    !passed_by_xdp
}

/// What the loader and the program `tc_sweep` do together.
fn sweep_of<A: Family>(host: &Host) -> u32 {
    let now = host.world.tick.get();
    let flows = A::side(&host.tables).flows.borrow().clone();
    let due = flows.iter().filter(|(_, flow)| sweep::is_due(flow, now));
    due.map(|(key, _)| u32::from(sweep::remove(&host.tables, key, now)))
        .sum()
}

fn records_of<A: Family>(host: &Host) -> Vec<Record> {
    let flows = A::side(&host.tables).flows.borrow();
    flows
        .iter()
        .map(|(key, flow)| record::from_abi(key, flow))
        .collect()
}

fn sticky_of<A: Family>(host: &Host) -> Vec<Sticky> {
    let records = A::side(&host.tables).affinity.borrow();
    records
        .iter()
        .map(|(key, record)| sticky::from_abi(key, record))
        .collect()
}

impl Maps for Host {
    fn set_settings(&mut self, settings: &Settings) {
        self.tables.settings.set(*settings);
    }

    fn set_device(&mut self, index: u32, device: Device) {
        self.tables.devices.get_mut().insert(index, device);
    }

    fn set_local_pod(&mut self, ip: IpAddr, pod: LocalPod) {
        if let Some(ip) = Ip4::from_ip(ip) {
            self.tables.v4.local_pods.get_mut().insert(ip, pod);
        }
        if let Some(ip) = Ip6::from_ip(ip) {
            self.tables.v6.local_pods.get_mut().insert(ip, pod);
        }
    }

    fn set_backend(&mut self, id: BackendId, endpoint: Endpoint) {
        let Endpoint {
            at,
            flags,
            generation,
        } = endpoint;
        let port = Port::new(at.port());
        if let Some(addr) = Ip4::from_ip(at.ip()) {
            let backend = Backend {
                addr,
                port,
                flags,
                generation,
            };
            self.tables.v4.backends.get_mut().insert(id.0, backend);
        }
        if let Some(addr) = Ip6::from_ip(at.ip()) {
            let backend = Backend {
                addr,
                port,
                flags,
                generation,
            };
            self.tables.v6.backends.get_mut().insert(id.0, backend);
        }
    }

    fn set_slots(&mut self, slots: &[BackendId]) {
        *self.tables.slots.get_mut() = slots.to_vec();
    }

    fn set_frontend(&mut self, at: SocketAddr, proto: Proto, frontend: Frontend) {
        let port = Port::new(at.port());
        if let Some(addr) = Ip4::from_ip(at.ip()) {
            let key = FrontendKey::new(addr, port, proto);
            self.tables.v4.frontends.get_mut().insert(key, frontend);
        }
        if let Some(addr) = Ip6::from_ip(at.ip()) {
            let key = FrontendKey::new(addr, port, proto);
            self.tables.v6.frontends.get_mut().insert(key, frontend);
        }
    }
    fn set_source_range(&mut self, service: u32, net: IpAddr, bits: u8) {
        if let Some(net) = Ip4::from_ip(net) {
            let ranges = self.tables.v4.source_ranges.get_mut();
            ranges.push((service, net, bits));
        }
        if let Some(net) = Ip6::from_ip(net) {
            let ranges = self.tables.v6.source_ranges.get_mut();
            ranges.push((service, net, bits));
        }
    }
}

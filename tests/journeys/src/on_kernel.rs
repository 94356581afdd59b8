//! [`Machine`] on the loaded programs, through `BPF_PROG_TEST_RUN`.

mod affinity;
mod again;
mod flows;
mod lab;
mod segmented;

pub use lab::{with_kernel, with_kernel_of};

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;

use anyhow::Result;
use tidegate_abi::{
    Address as _, Backend, BackendId, Counter, Device, Frontend, FrontendKey, Ip4, Ip6, LocalPod,
    Port, Proto, Reason, Settings, SourceRangeKey, flow::TICK_SHIFT, source_range::SERVICE_BITS,
};
use tidegate_loader::DataPath;

use crate::{
    machine::{Exit, Machine, Program, code},
    record::{Record, Tuple},
    scene::{Endpoint, Maps, Scene},
    sticky::Sticky,
};
use affinity::Affinities;
use again::Again;
use flows::Flows;

/// The loaded programs and their maps. A failing system call ends the test.
pub struct KernelMachine {
    data_path: DataPath,
    flows: Flows,
    affinities: Affinities,
    /// The highest id that a backend has had.
    backends: u32,
    sockets: Vec<OwnedFd>,
    again: Option<Again>,
    /// How often the network around it may have changed.
    epoch: u32,
}

impl KernelMachine {
    /// Runs a program as fast as possible, without a look at the counters: its return code.
    pub fn hurry(&self, program: Program, frame: &[u8], device: u32) -> i32 {
        let outcome = self.data_path.try_run(program.name(), frame, device);
        outcome.expect("the frame can be run").code
    }

    /// The data path itself, for whoever only looks.
    pub fn data_path(&self) -> &DataPath {
        &self.data_path
    }

    /// The flow records that are not settled.
    pub fn opening_records(&self) -> Vec<Record> {
        self.flows.opening().expect("the maps of flows can be read")
    }

    /// The counters by reason.
    pub fn counters(&self) -> Vec<Counter> {
        self.data_path
            .counters()
            .expect("the map of counters can be read")
    }

    /// As the agent does when it hears of other routes or neighbours.
    pub fn routes_changed(&mut self) {
        self.epoch += 1;
        let written = self.data_path.set_route_epoch(self.epoch);
        written.expect("the epoch of the routes can be written");
    }

    /// As the agent does where the way of a packet depends on its ports.
    pub fn routes_are_not_plain(&mut self) {
        let written = self.data_path.set_route_epoch(0);
        written.expect("the epoch of the routes can be written");
    }

    fn clear(&mut self) -> Result<()> {
        self.routes_changed();
        self.sockets.clear();
        self.again = None;
        self.flows.clear()?;
        self.affinities.clear()?;
        for key in self.data_path.source_ranges::<Ip4>()? {
            self.data_path.set_source_range(key, false)?;
        }
        for key in self.data_path.source_ranges::<Ip6>()? {
            self.data_path.set_source_range(key, false)?;
        }
        for (key, _) in self.data_path.frontends::<Ip4>()? {
            self.data_path.set_frontend(key, None)?;
        }
        for (key, _) in self.data_path.frontends::<Ip6>()? {
            self.data_path.set_frontend(key, None)?;
        }
        for (ip, _) in self.data_path.local_pods::<Ip4>()? {
            self.data_path.set_local_pod(ip, None)?;
        }
        for (ip, _) in self.data_path.local_pods::<Ip6>()? {
            self.data_path.set_local_pod(ip, None)?;
        }
        for (index, _) in self.data_path.known_devices()? {
            self.data_path.set_device(index, None)?;
        }
        for id in 0..=self.backends {
            self.data_path
                .set_backend(BackendId(id), Backend::<Ip4>::default())?;
            self.data_path
                .set_backend(BackendId(id), Backend::<Ip6>::default())?;
        }
        self.backends = 0;
        Ok(())
    }
}

impl Machine for KernelMachine {
    fn name(&self) -> &'static str {
        "kernel"
    }

    fn start(&mut self, scene: &Scene) {
        self.clear().expect("the maps can be cleared");
        scene.write(self);
    }

    fn change(&mut self, scene: &Scene) {
        scene.write(self);
    }

    fn run(&mut self, program: Program, frame: &[u8], device: u32) -> Exit {
        let who = format!("kernel, {}", program.name());
        let before = self.counters();
        let outcome = self.data_path.try_run(program.name(), frame, device);
        let outcome =
            outcome.unwrap_or_else(|error| panic!("{who}, {} bytes: {error}", frame.len()));
        let reason = moved(&who, &before, &self.counters(), frame.len());
        let passed_by_xdp = program == Program::XdpUplink && outcome.code == code::XDP_PASS;
        let not_ours = program == Program::TcHost && outcome.code == code::NEXT && reason.is_none();
        assert_eq!(
            reason.is_none(),
            passed_by_xdp || not_ours,
            "{who}: code {}, counted {reason:?}",
            outcome.code
        );
        Exit {
            who,
            program,
            device,
            sent: frame.to_vec(),
            frame: outcome.frame,
            code: outcome.code,
            reason,
            door: None,
            staged: false,
        }
    }

    /// An untagged frame must have room for its whole IP header, or there is no socket buffer.
    fn takes(&self, program: Program, frame: &[u8]) -> bool {
        let header = match frame.get(12..14) {
            _ if program == Program::XdpUplink => 0,
            Some([0x08, 0x00]) => 20,
            Some([0x86, 0xdd]) => 40,
            _ => 1,
        };
        frame.len() >= 14 + header
    }

    fn records(&self) -> Vec<Record> {
        self.flows.all().expect("the maps of flows can be read")
    }

    fn put_record(&mut self, record: &Record) {
        self.flows
            .put(record)
            .expect("a flow record can be written");
    }

    fn remove_record(&mut self, key: &Tuple) {
        self.flows.remove(key).expect("the flow record is there");
    }

    fn now_ns(&self) -> u64 {
        let now = nix::time::ClockId::CLOCK_MONOTONIC
            .now()
            .expect("there is a clock");
        (i128::from(now.tv_sec()) * 1_000_000_000 + i128::from(now.tv_nsec())) as u64
    }

    fn sweep(&mut self) -> u32 {
        let sweeper = self.data_path.sweeper().expect("the programs are loaded");
        let removed = sweeper
            .sweep::<Ip4>()
            .and_then(|v4| Ok(v4 + sweeper.sweep::<Ip6>()?));
        removed.expect("the flow maps can be swept")
    }

    /// As the programs have it: whole jiffies, which may be some milliseconds late.
    fn tick(&self) -> u32 {
        let coarse = nix::time::ClockId::CLOCK_MONOTONIC_COARSE;
        let (now, jiffy) = (coarse.now(), coarse.res());
        let (now, jiffy) = (now.expect("a clock"), jiffy.expect("its resolution"));
        let now = i128::from(now.tv_sec()) * 1_000_000_000 + i128::from(now.tv_nsec());
        let jiffy = i128::from(jiffy.tv_nsec());
        ((now / jiffy * jiffy) >> TICK_SHIFT) as u32
    }

    fn note_moved(&mut self) {
        let noted = self.data_path.note_moved();
        noted.expect("the map of moved addresses can be written");
    }

    fn affinities(&self) -> Vec<Sticky> {
        self.affinities
            .all()
            .expect("the maps of affinity can be read")
    }

    fn put_affinity(&mut self, record: &Sticky) {
        self.affinities
            .put(record)
            .expect("an affinity record can be written");
    }

    fn listen(&mut self) {
        self.again = Some(Again::open().expect("root may open a packet socket"));
    }

    fn released(&mut self, device: u32, count: usize) -> Vec<Vec<u8>> {
        let again = self.again.as_mut().expect("`listen` comes first");
        again.frames(device, count).expect("frames can be read")
    }

    fn occupy(&mut self, proto: Proto, at: SocketAddr) {
        let socket = match proto {
            Proto::TCP => TcpListener::bind(at).map(OwnedFd::from),
            _ => UdpSocket::bind(at).map(OwnedFd::from),
        };
        self.sockets
            .push(socket.unwrap_or_else(|error| panic!("cannot bind to {at}: {error}")));
    }
}

/// The one counter that moved, by one packet and the frame's bytes.
fn moved(who: &str, before: &[Counter], after: &[Counter], len: usize) -> Option<Reason> {
    let pairs = Reason::ALL.iter().zip(before.iter().zip(after));
    let moved: Vec<_> = pairs
        .filter(|(_, (before, after))| before != after)
        .collect();
    match moved.as_slice() {
        [] => None,
        [(reason, (before, after))] => {
            let grown = (after.packets - before.packets, after.bytes - before.bytes);
            assert_eq!(
                grown,
                (1, len as u64),
                "{who}: {reason:?} grew by packets, bytes"
            );
            Some(**reason)
        }
        several => panic!(
            "{who}: one packet moved {} counters: {several:?}",
            several.len()
        ),
    }
}

impl Maps for KernelMachine {
    fn set_settings(&mut self, settings: &Settings) {
        self.data_path.set_settings(settings).expect("settings");
    }

    fn set_device(&mut self, index: u32, device: Device) {
        self.data_path
            .set_device(index, Some(device))
            .expect("a device");
    }

    fn set_local_pod(&mut self, ip: IpAddr, pod: LocalPod) {
        let done = match (Ip4::from_ip(ip), Ip6::from_ip(ip)) {
            (Some(ip), _) => self.data_path.set_local_pod(ip, Some(pod)),
            (_, Some(ip)) => self.data_path.set_local_pod(ip, Some(pod)),
            _ => Ok(()),
        };
        done.expect("a pod");
    }

    fn set_backend(&mut self, id: BackendId, endpoint: Endpoint) {
        self.backends = self.backends.max(id.0);
        let Endpoint {
            at,
            flags,
            generation,
        } = endpoint;
        let port = Port::new(at.port());
        let done = match (Ip4::from_ip(at.ip()), Ip6::from_ip(at.ip())) {
            (Some(addr), _) => self.data_path.set_backend(
                id,
                Backend {
                    addr,
                    port,
                    flags,
                    generation,
                },
            ),
            (_, Some(addr)) => self.data_path.set_backend(
                id,
                Backend {
                    addr,
                    port,
                    flags,
                    generation,
                },
            ),
            _ => Ok(()),
        };
        done.expect("a backend");
    }

    fn set_slots(&mut self, slots: &[BackendId]) {
        self.data_path.set_slots(0, slots).expect("slots");
    }

    fn set_frontend(&mut self, at: SocketAddr, proto: Proto, frontend: Frontend) {
        let port = Port::new(at.port());
        let done = match (Ip4::from_ip(at.ip()), Ip6::from_ip(at.ip())) {
            (Some(addr), _) => self
                .data_path
                .set_frontend(FrontendKey::new(addr, port, proto), Some(frontend)),
            (_, Some(addr)) => self
                .data_path
                .set_frontend(FrontendKey::new(addr, port, proto), Some(frontend)),
            _ => Ok(()),
        };
        done.expect("a frontend");
    }
    fn set_source_range(&mut self, service: u32, net: IpAddr, bits: u8) {
        let prefix_len = SERVICE_BITS + u32::from(bits);
        let done = match (Ip4::from_ip(net), Ip6::from_ip(net)) {
            (Some(addr), _) => {
                let key = SourceRangeKey {
                    prefix_len,
                    service,
                    addr,
                };
                self.data_path.set_source_range(key, true)
            }
            (_, Some(addr)) => {
                let key = SourceRangeKey {
                    prefix_len,
                    service,
                    addr,
                };
                self.data_path.set_source_range(key, true)
            }
            _ => Ok(()),
        };
        done.expect("a source range");
    }
}

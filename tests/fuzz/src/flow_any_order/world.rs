//! The node, its backends and Services, and the flows that went through it.

use std::net::SocketAddr;

use tidegate_abi::{
    Address, BackendId, FrontendKey, Ip4, Ip6, Port, Proto,
    backend::flags as backend,
    frontend::flags::{INTERNAL, NODE_PORT},
};
use tidegate_journeys::{
    Case, Scene, bench,
    host::{Family, HostTables},
    machine::{Exit, Machine as _},
    on_host::HostMachine,
    record::{Record, Tuple},
    textbook::{self, POD, Places, SIBLING, UPLINK},
};

use super::model::{Flow, Lost};
use crate::{input::Input, scene::MASQUERADE, shape::turned};

/// How many backends and frontends there are.
pub(super) const BACKENDS: usize = 4;
pub(super) const FRONTENDS: usize = 3;

/// One of the frontends.
struct Service {
    id: u32,
    at: SocketAddr,
    flags: u32,
    exists: bool,
    /// Which backends its table names, as bits.
    members: u8,
}

pub(super) struct World {
    pub(super) case: Case,
    pub(super) machine: HostMachine,
    pub(super) flows: Vec<Flow>,
    /// Direct flows of pods that were given another port, before translation and after it.
    pub(super) directs: Vec<(Tuple, Tuple)>,
    /// The next datagram's identification.
    pub(super) next_id: u16,
    scene: Scene,
    ids: [BackendId; BACKENDS],
    services: [Service; FRONTENDS],
}

impl World {
    pub(super) fn new(input: &mut Input<'_>) -> Self {
        let choice = input.byte();
        let case = Case {
            places: if choice & 1 == 0 {
                Places::v4()
            } else {
                Places::v6()
            },
            proto: [Proto::TCP, Proto::UDP, Proto::SCTP, Proto::TCP][usize::from(choice >> 2 & 3)],
            xdp: choice & 2 != 0,
        };
        let (places, roles) = (case.places, case.places.roles);
        let mut scene = textbook::scene();
        (scene.settings.masquerade_min, scene.settings.masquerade_max) = MASQUERADE;
        let ids = [
            roles.backend,
            places.sibling,
            roles.remote_backend,
            places.narrow_backend,
        ]
        .map(|at| scene.backend(at));
        let service = |id, at, flags| Service {
            id,
            at,
            flags,
            exists: true,
            members: 0xf,
        };
        let services = [
            service(101, roles.node_port, NODE_PORT),
            service(102, places.second_node_port, NODE_PORT),
            service(103, roles.service, INTERNAL),
        ];
        let mut world = Self {
            case,
            machine: HostMachine::new(),
            flows: Vec::new(),
            directs: Vec::new(),
            next_id: 1,
            scene,
            ids,
            services,
        };
        world.machine.start(&world.scene);
        world.write();
        world
    }

    pub(super) fn now(&self) -> u32 {
        self.machine.tick()
    }

    pub(super) fn wait(&mut self, ticks: u32) {
        let tick = &self.machine.0.world.tick;
        tick.set(tick.get() + ticks);
    }

    /// It is taken out of the tables and then stops serving, as the agent does it.
    pub(super) fn remove_backend(&mut self, index: usize) {
        let endpoint = self.scene.backend_mut(self.ids[index]);
        if endpoint.flags & backend::SERVING != 0 {
            endpoint.flags &= !backend::SERVING;
            endpoint.generation += 1;
        }
        self.write();
    }

    pub(super) fn add_backend(&mut self, index: usize) {
        self.scene.backend_mut(self.ids[index]).flags |= backend::SERVING;
        self.write();
    }

    pub(super) fn change_table(&mut self, index: usize, members: u8) {
        self.services[index].members = members;
        self.write();
    }

    /// It is deleted, or made anew; the agent says so when it has taken addresses away.
    pub(super) fn change_service(&mut self, index: usize) {
        let exists = &mut self.services[index].exists;
        *exists = !*exists;
        self.write();
        self.machine.note_moved();
    }

    /// The map forgets one record.
    pub(super) fn forget(&mut self, choice: u8) {
        let mut records = self.machine.records();
        records.sort_by_key(|record| format!("{:?}", record.key));
        let Some(record) = records.get(usize::from(choice) % records.len().max(1)) else {
            return;
        };
        self.machine.remove_record(&record.key);
        for flow in &mut self.flows {
            if flow.key == record.key {
                flow.lost = Lost::More;
            } else if turned(flow.out) == record.key && flow.lost == Lost::Nothing {
                flow.lost = Lost::Reply;
            }
        }
    }

    /// Brings the maps in line with what was decided.
    fn write(&mut self) {
        self.scene.frontends.retain(|(at, ..)| at.port() == 0);
        self.scene.slots.clear();
        for service in &self.services {
            let proto = self.case.proto;
            remove::<Ip4>(&self.machine.0.tables, service.at, proto);
            remove::<Ip6>(&self.machine.0.tables, service.at, proto);
            let members: Vec<_> = (0..BACKENDS)
                .filter(|index| service.members >> index & 1 == 1)
                .map(|index| self.ids[index])
                .filter(|id| {
                    let endpoint = self.scene.backends[id.0 as usize - 1];
                    endpoint.flags & backend::SERVING != 0
                })
                .collect();
            if service.exists {
                let flags = service.flags;
                self.scene.frontend(service.at, proto, flags, &members);
                self.scene.frontend_mut(service.at, proto).service = service.id;
            }
        }
        self.machine.change(&self.scene);
    }

    pub(super) fn frontend(&self, index: usize) -> SocketAddr {
        self.services[index].at
    }

    /// The generation of a backend that serves.
    pub(super) fn serving(&self, index: usize) -> Option<u32> {
        let endpoint = self.scene.backends[self.ids[index].0 as usize - 1];
        (endpoint.flags & backend::SERVING != 0).then_some(endpoint.generation)
    }

    /// Which backend has this address.
    pub(super) fn backend_at(&self, at: SocketAddr) -> Option<usize> {
        self.ids
            .iter()
            .position(|id| self.scene.backends[id.0 as usize - 1].at == at)
    }

    /// Whether a Service has this address.
    pub(super) fn exists(&self, frontend: SocketAddr) -> bool {
        let mut services = self.services.iter();
        services.any(|it| it.at == frontend && it.exists)
    }

    /// Whether a frontend exists and its table names a backend.
    pub(super) fn offers(&self, frontend: SocketAddr, backend: usize) -> bool {
        let mut services = self.services.iter();
        services.any(|it| it.at == frontend && it.exists && it.members >> backend & 1 == 1)
    }

    pub(super) fn record(&self, key: &Tuple) -> Option<Record> {
        self.machine.record(key)
    }

    pub(super) fn must_hold(&self, flow: &Flow) -> bool {
        // UDP leaves an address that its Service has lost (rules 5.2.9 and 5.2.12).
        let is_served = flow.key.proto != Proto::UDP || self.exists(flow.key.dst);
        is_served && flow.must_hold(self.serving(flow.backend), self.now())
    }

    /// Each of them has its two records, which lead to each other; so no two of them share one.
    pub(super) fn flows_that_must_hold_do(&self) {
        for flow in &self.flows {
            if flow.lost != Lost::Nothing || !self.must_hold(flow) {
                continue;
            }
            let forward = self.record(&flow.key).map(|it| it.out);
            assert_eq!(forward, Some(flow.out), "{flow:?}");
            assert!(self.has_reply(flow), "{flow:?}");
        }
    }

    /// Whether the record is there that leads this flow's replies to its client.
    pub(super) fn has_reply(&self, flow: &Flow) -> bool {
        let reply = self.record(&turned(flow.out));
        reply.is_some_and(|it| it.out == turned(flow.key))
    }

    /// A frame from this address, by the device behind which it is.
    pub(super) fn send(&mut self, from: SocketAddr, frame: &[u8]) -> Exit {
        let (roles, places) = (self.case.places.roles, self.case.places);
        let device = if from.ip() == places.narrow_backend.ip() {
            textbook::NARROW
        } else {
            UPLINK
        };
        let mut bench = bench::on(&mut self.machine, &self.case);
        if from.ip() == roles.backend.ip() {
            bench.pod(POD, frame)
        } else if from.ip() == places.sibling.ip() {
            bench.pod(SIBLING, frame)
        } else {
            bench.enters(device, frame)
        }
    }
}

fn remove<A: Family>(tables: &HostTables, at: SocketAddr, proto: Proto) {
    if let Some(addr) = <A as Address>::from_ip(at.ip()) {
        let key = FrontendKey::new(addr, Port::new(at.port()), proto);
        A::side(tables).frontends.borrow_mut().remove(&key);
    }
}

//! The host's maps, as somebody who only looks at them sees them.

use tidegate_abi::{
    Affinity, AffinityKey, Backend, BackendId, Device, Flow, FlowKey, Fragment, FragmentKey,
    Frontend, FrontendKey, LocalPod, Reason, Settings, SocketKey, SocketPeer,
};
use tidegate_datapath::{Clock as _, Entry, Role, Route, Stage, Tables, World};
use tidegate_explain::{
    HostPacket, Live,
    confirm::{Guess, Outcome, Programs, code, program},
};

use super::{Family, Host};

type Found<T> = Result<T, String>;

impl<A: Family> Live<A> for Host {
    fn flow(&self, key: &FlowKey<A>) -> Found<Option<Flow<A>>> {
        Ok(self.tables.flow(key))
    }
    fn fragment(&self, key: &FragmentKey<A>) -> Found<Option<Fragment>> {
        Ok(self.tables.fragment(key))
    }
    fn frontend(&self, key: &FrontendKey<A>) -> Found<Option<Frontend>> {
        Ok(self.tables.frontend(key))
    }
    fn slot(&self, index: u32) -> Found<Option<BackendId>> {
        Ok(Tables::<A>::slot(&self.tables, index))
    }
    fn backend(&self, id: BackendId) -> Found<Option<Backend<A>>> {
        Ok(self.tables.backend(id))
    }
    fn admits(&self, service: u32, client: A) -> Found<bool> {
        Ok(self.tables.admits(service, client))
    }
    fn affinity(&self, key: &AffinityKey<A>) -> Found<Option<Affinity>> {
        Ok(self.tables.affinity(key))
    }
    fn local_pod(&self, addr: A) -> Found<Option<LocalPod>> {
        Ok(self.tables.local_pod(addr))
    }
    fn device(&self, index: u32) -> Found<Option<Device>> {
        Ok(Tables::<A>::device(&self.tables, index))
    }
    fn settings(&self) -> Found<Settings> {
        Ok(self.tables.settings.get())
    }
    fn socket_peer(&self, key: &SocketKey<A>) -> Found<Option<SocketPeer<A>>> {
        Ok(self.tables.socket_peer(key))
    }
    fn now_ns(&self) -> u64 {
        self.world.now_ns()
    }
    fn route(&self, device: u32, key: &FlowKey<A>, len: u32) -> Found<Route> {
        Ok(self.world.route(device, key, len))
    }
    fn socket_answers(&self, _device: u32, key: &FlowKey<A>) -> Found<bool> {
        Ok(self.world.socket_answers(key))
    }
}

impl Programs for Host {
    fn run(&self, name: &str, frame: &[u8], device: u32, _guess: &Guess) -> Found<Outcome> {
        let (role, stage) = match name {
            "xdp_uplink" => (Role::Uplink, Stage::Xdp),
            "tc_uplink" => (Role::Uplink, Stage::Tc),
            "tc_pod" => (Role::Pod, Stage::Tc),
            "tc_overlay" => (Role::Overlay, Stage::Tc),
            _ => return Err(format!("no program {name}")),
        };
        let entry = Entry {
            role,
            stage,
            device,
        };
        let mut packet = HostPacket::new(frame);
        let verdict = self.journey(&mut packet, entry);
        let grown: Vec<Reason> = vec![verdict.reason];
        debug_assert_eq!(program(entry), name);
        Ok(Outcome {
            code: code(entry, Some(verdict)),
            frame: packet.bytes,
            grown,
        })
    }

    fn now_ns(&self) -> u64 {
        self.world.now_ns()
    }
}

//! The loaded data path answers.

use nix::time::{ClockId, clock_gettime};
use tidegate_abi::{
    Affinity, AffinityKey, Backend, BackendId, Device, Flow, FlowKey, Fragment, FragmentKey,
    Frontend, FrontendKey, Ip4, Ip6, LocalPod, Settings, SocketKey, SocketPeer,
};
use tidegate_datapath::Route;
use tidegate_loader::{DataPath, Error, Unseen};

use crate::{
    Live,
    confirm::{Guess, Outcome, Programs},
    maps::Found,
};

fn text(error: Error) -> String {
    error.to_string()
}

/// The loader's methods are generic, with bounds that hold for these two types only.
macro_rules! live {
    ($family:ty) => {
        impl Live<$family> for DataPath {
            fn flow(&self, key: &FlowKey<$family>) -> Found<Option<Flow<$family>>> {
                self.flow(key).map_err(text)
            }
            fn fragment(&self, key: &FragmentKey<$family>) -> Found<Option<Fragment>> {
                self.fragment(key).map_err(text)
            }
            fn frontend(&self, key: &FrontendKey<$family>) -> Found<Option<Frontend>> {
                self.frontend(key).map_err(text)
            }
            fn slot(&self, index: u32) -> Found<Option<BackendId>> {
                self.slot(index).map_err(text)
            }
            fn backend(&self, id: BackendId) -> Found<Option<Backend<$family>>> {
                self.backend(id).map_err(text)
            }
            fn admits(&self, service: u32, client: $family) -> Found<bool> {
                self.admits(service, client).map_err(text)
            }
            fn affinity(&self, key: &AffinityKey<$family>) -> Found<Option<Affinity>> {
                self.affinity(key).map_err(text)
            }
            fn local_pod(&self, addr: $family) -> Found<Option<LocalPod>> {
                self.local_pod(addr).map_err(text)
            }
            fn device(&self, index: u32) -> Found<Option<Device>> {
                self.device(index).map_err(text)
            }
            fn settings(&self) -> Found<Settings> {
                self.settings().map_err(text)
            }
            fn socket_peer(&self, key: &SocketKey<$family>) -> Found<Option<SocketPeer<$family>>> {
                self.socket_peer(key).map_err(text)
            }
            fn now_ns(&self) -> u64 {
                now_ns()
            }
            fn route(&self, device: u32, key: &FlowKey<$family>, len: u32) -> Found<Route> {
                let (route, _) = self.ask(device, key, len).map_err(text)?;
                Ok(route)
            }
            fn socket_answers(&self, device: u32, key: &FlowKey<$family>) -> Found<bool> {
                let (_, answers) = self.ask(device, key, 0).map_err(text)?;
                Ok(answers)
            }
        }
    };
}

live!(Ip4);
live!(Ip6);

impl Programs for DataPath {
    fn run(
        &self,
        program: &str,
        frame: &[u8],
        device: u32,
        guess: &Guess,
    ) -> Result<Outcome, String> {
        let guess = tidegate_loader::Guess {
            reason: guess.reason,
            service: guess.service,
            backend: guess.backend,
            family: guess.family,
        };
        let unseen = self.try_unseen(program, frame, device, &guess);
        let Unseen { outcome, grown } = unseen.map_err(text)?;
        Ok(Outcome {
            code: outcome.code,
            frame: outcome.frame,
            grown,
        })
    }

    fn now_ns(&self) -> u64 {
        now_ns()
    }
}

/// The data path's clock.
fn now_ns() -> u64 {
    // It is always there.
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |now| {
        let seconds = u64::try_from(now.tv_sec()).unwrap_or(0);
        seconds * 1_000_000_000 + u64::try_from(now.tv_nsec()).unwrap_or(0)
    })
}

//! Counters of ids that are given out again begin at zero: nobody inherits another one's traffic, in any
//! reader's eyes, and not after a restart of the agent either.

use std::sync::OnceLock;

use aya::{
    maps::{Array, MapData, PerCpuArray, PerCpuValues},
    util::nr_cpus,
};
use tidegate_abi::{Address, Backend, BackendId, Traffic, backend::flags, maps as names};

use crate::{
    DataPath,
    error::{Error, Step as _},
    fault,
    load::missing,
    maps::{Raw, failed, of},
    unseen::{Whose, backends_of},
};

impl DataPath {
    /// A service port has been given this id, which another one may have had before.
    pub fn clear_service_traffic(&mut self, id: u32) -> Result<(), Error> {
        self.clear(names::SERVICE_TRAFFIC, Whose::Services, id)
    }

    /// To be called before the backend is written: one that begins to serve has been given its id anew.
    pub(crate) fn clear_if_given<A: Address>(
        &mut self,
        id: BackendId,
        value: &Backend<A>,
    ) -> Result<(), Error>
    where
        Backend<A>: bytemuck::Pod,
    {
        let traffic = of::<A>(names::BACKEND_TRAFFIC);
        let counted: PerCpuArray<&MapData, Raw<Traffic>> =
            self.map(traffic)?.try_into().step(failed(traffic))?;
        // Ids that are not counted need not even be looked up.
        if id.0 >= counted.len() {
            return Ok(());
        }
        let name = of::<A>(names::BACKENDS);
        let map: Array<&MapData, Raw<Backend<A>>> =
            self.map(name)?.try_into().step(failed(name))?;
        let old = map.get(&id.0, 0).step(failed(name))?.0;
        let begins = old.flags & flags::SERVING == 0 && value.flags & flags::SERVING != 0;
        if begins {
            self.clear(traffic, backends_of::<A>(), id.0)?;
        }
        Ok(())
    }

    fn clear(&mut self, name: &str, whose: Whose, id: u32) -> Result<(), Error> {
        let mut traces = self.unseen.lock();
        let map = self.ebpf.map_mut(name).ok_or_else(|| missing(name))?;
        let mut map: PerCpuArray<&mut MapData, Raw<Traffic>> = map.try_into().step(failed(name))?;
        if id >= map.len() {
            return Ok(());
        }
        let zeros = vec![Raw(Traffic::default()); cpus()?];
        let zeros = PerCpuValues::try_from(zeros).step(failed(name))?;
        map.set(id, zeros, 0).step(failed(name))?;
        fault::point();
        traces.forget(whose, id);
        Ok(())
    }
}

/// How many CPUs there can be. It never changes, and to ask costs more than to clear a counter.
fn cpus() -> Result<usize, Error> {
    static CPUS: OnceLock<usize> = OnceLock::new();
    if let Some(cpus) = CPUS.get() {
        return Ok(*cpus);
    }
    let cpus = nr_cpus().map_err(|(_, error)| error);
    let cpus = cpus.step("cannot count the CPUs")?.get() as usize;
    Ok(*CPUS.get_or_init(|| cpus))
}

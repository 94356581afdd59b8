//! Carries planned writes out, and reads the maps back as the planner's image.

use std::{collections::BTreeMap, mem::discriminant, net::IpAddr};

use tidegate_abi::{Address, Ip4, Ip6, LocalPod, frontend::flags};
use tidegate_control::{Image, Plan, Write, allocate::Avoid, plan::FamilyImage};
use tidegate_loader::Error;

use crate::kernel::{Kernel, Maps};

/// Carries a plan out.
pub(super) fn plan<K: Kernel>(kernel: &mut K, plan: &Plan) -> Result<(), Error> {
    for id in &plan.new_services {
        kernel.clear_service_traffic(*id)?;
    }
    let written = writes(kernel, &plan.writes);
    // Also after a failure: some of them may be gone.
    if plan.moved_udp {
        kernel.note_moved()?;
    }
    written
}

/// Carries the writes out in their order, and stops at the first that fails. Neighbours that go to one map are one
/// command.
pub(super) fn writes<K: Kernel>(kernel: &mut K, writes: &[Write]) -> Result<(), Error> {
    let is_alike = |one: &Write, other: &Write| discriminant(one) == discriminant(other);
    for run in writes.chunk_by(is_alike) {
        match &run[0] {
            Write::Backend4(..) => kernel.set_backends(&entries(run, |it| match it {
                Write::Backend4(id, backend) => Some((*id, *backend)),
                _ => None,
            })),
            Write::Backend6(..) => kernel.set_backends(&entries(run, |it| match it {
                Write::Backend6(id, backend) => Some((*id, *backend)),
                _ => None,
            })),
            Write::Slots { .. } => kernel.set_tables(&entries(run, |it| match it {
                Write::Slots { start, ids } => Some((*start, &ids[..])),
                _ => None,
            })),
            Write::Frontend4(..) => kernel.set_frontends(&entries(run, |it| match it {
                Write::Frontend4(key, frontend) => Some((*key, *frontend)),
                _ => None,
            })),
            Write::Frontend6(..) => kernel.set_frontends(&entries(run, |it| match it {
                Write::Frontend6(key, frontend) => Some((*key, *frontend)),
                _ => None,
            })),
            Write::RemoveFrontend4(_) => kernel.remove_frontends(&entries(run, |it| match it {
                Write::RemoveFrontend4(key) => Some(*key),
                _ => None,
            })),
            Write::RemoveFrontend6(_) => kernel.remove_frontends(&entries(run, |it| match it {
                Write::RemoveFrontend6(key) => Some(*key),
                _ => None,
            })),
            Write::Admit4(_) | Write::Admit6(_) | Write::Bar4(_) | Write::Bar6(_) => {
                run.iter().try_for_each(|write| guard(kernel, write))
            }
        }?;
    }
    Ok(())
}

/// What the writes of a run write.
fn entries<'a, T>(run: &'a [Write], entry: impl Fn(&'a Write) -> Option<T>) -> Vec<T> {
    run.iter().filter_map(entry).collect()
}

fn guard<K: Kernel>(kernel: &mut K, write: &Write) -> Result<(), Error> {
    match write {
        Write::Admit4(key) => kernel.set_source_range(*key, true),
        Write::Admit6(key) => kernel.set_source_range(*key, true),
        Write::Bar4(key) => kernel.set_source_range(*key, false),
        Write::Bar6(key) => kernel.set_source_range(*key, false),
        _ => Ok(()),
    }
}

/// What the maps hold.
pub(super) fn image<K: Kernel>(kernel: &K) -> Result<Image, Error> {
    let (v4, v6) = (family::<Ip4, K>(kernel)?, family::<Ip6, K>(kernel)?);
    // Pools come from a map that anybody with rights may have written: only their sum is trusted.
    let pools = v4.frontends.values().chain(v6.frontends.values());
    let ends = pools.flat_map(|frontend| [frontend.cluster, frontend.local]);
    let end = ends
        .map(|pool| pool.start.saturating_add(pool.len))
        .max()
        .unwrap_or(0);
    let slots = kernel.slots(end.min(tidegate_abi::maps::SLOTS_MAX))?;
    Ok(Image { v4, v6, slots })
}

fn family<A: Address, K: Maps<A>>(kernel: &K) -> Result<FamilyImage<A>, Error> {
    let frontends = kernel.frontends()?.into_iter().collect();
    Ok(FamilyImage {
        frontends,
        backends: kernel.backends()?,
        source_ranges: kernel.source_ranges()?.into_iter().collect(),
    })
}

/// What the frontends answer on.
pub(super) fn in_use<K: Kernel>(kernel: &K) -> Result<Avoid, Error> {
    let mut in_use = Avoid::default();
    collect::<Ip4, K>(kernel, &mut in_use)?;
    collect::<Ip6, K>(kernel, &mut in_use)?;
    Ok(in_use)
}

fn collect<A: Address, K: Maps<A>>(kernel: &K, in_use: &mut Avoid) -> Result<(), Error> {
    for (key, frontend) in kernel.frontends()? {
        if frontend.has(flags::NODE_PORT) {
            in_use.ports.insert(key.port.get());
        } else {
            in_use.ips.insert(key.addr.to_ip());
        }
    }
    Ok(())
}

/// The local pods that the maps hold.
pub(super) fn local_pods<K: Kernel>(kernel: &K) -> Result<BTreeMap<IpAddr, LocalPod>, Error> {
    let v4 = Maps::<Ip4>::local_pods(kernel)?
        .into_iter()
        .map(|(addr, pod)| (addr.to_ip(), pod));
    let v6 = Maps::<Ip6>::local_pods(kernel)?
        .into_iter()
        .map(|(addr, pod)| (addr.to_ip(), pod));
    Ok(v4.chain(v6).collect())
}

/// Sets or removes a local pod of either family.
pub(super) fn local_pod<K: Kernel>(
    kernel: &mut K,
    ip: IpAddr,
    pod: Option<LocalPod>,
) -> Result<(), Error> {
    match ip {
        IpAddr::V4(ip) => kernel.set_local_pod(Ip4::new(ip.octets()), pod),
        IpAddr::V6(ip) => kernel.set_local_pod(Ip6::new(ip.octets()), pod),
    }
}

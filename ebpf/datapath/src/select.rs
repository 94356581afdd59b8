//! Step 4: who serves it? One rule: `slot = hash(flow) scaled to the table`; policies are fillings of tables.

use tidegate_abi::{
    Address, Backend, BackendId, FlowKey, Frontend, Pool, Reason, backend, frontend::flags,
};

use crate::{Tables, affinity, parse::Headers, service, verdict::Entry};

/// The chosen backend.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Choice<A> {
    /// Its id.
    pub id: BackendId,
    /// What it is.
    pub backend: Backend<A>,
}

/// A pool, and how its members can be told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pooled {
    /// The table.
    pub pool: Pool,
    /// The flag of [`backend::flags`] that its members carry.
    pub member: u16,
}

/// Chooses a backend for a new flow.
#[inline(always)]
pub fn backend<A, T>(
    tables: &T,
    entry: Entry,
    headers: &Headers<A>,
    frontend: &Frontend,
    now_ns: u64,
) -> Result<Choice<A>, Reason>
where
    A: Address,
    T: Tables<A>,
{
    let key = &headers.key;
    let pooled = pool(frontend, service::is_pod(tables, entry, key.src))?;
    affinity::backend(tables, key.src, frontend, pooled, hash(key), now_ns)
}

/// The table that the traffic policy names, for a client that is in this cluster's pods or not.
///
/// Policy Local on an external frontend does not bind our own pods (rule 2.3.4). No endpoint at all is
/// refused, none *here* is dropped, so that an external balancer tries another node (rules 2.4.1, 2.4.2).
#[inline(always)]
pub fn pool(frontend: &Frontend, from_inside: bool) -> Result<Pooled, Reason> {
    let short_circuit = from_inside && !frontend.has(flags::INTERNAL);
    let local_only = frontend.has(flags::LOCAL_ONLY) && !short_circuit;
    if frontend.cluster.len == 0 && frontend.local.len == 0 {
        return Err(Reason::NoEndpoints);
    }
    let (pool, member) = if local_only {
        (frontend.local, backend::flags::IN_LOCAL)
    } else {
        (frontend.cluster, backend::flags::IN_CLUSTER)
    };
    match (pool.len, local_only) {
        (0, true) => Err(Reason::NoLocalEndpoint),
        (0, false) => Err(Reason::NoEndpoints),
        _ => Ok(Pooled { pool, member }),
    }
}

/// The backend in the slot that a hash names.
#[inline(always)]
pub fn from_pool<A, T>(tables: &T, pool: Pool, hash: u32) -> Result<Choice<A>, Reason>
where
    A: Address,
    T: Tables<A>,
{
    // The upper half of hash * len is uniform over the table, and cheaper than a division.
    let offset = (u64::from(hash).wrapping_mul(u64::from(pool.len)) >> 32) as u32;
    let id = tables
        .slot(pool.start.wrapping_add(offset))
        .ok_or(Reason::BackendGone)?;
    let backend = tables.backend(id).ok_or(Reason::BackendGone)?;
    if backend.serves(backend.generation) {
        Ok(Choice { id, backend })
    } else {
        Err(Reason::BackendGone)
    }
}

/// A hash of the whole tuple, the same on every node and after every restart.
#[inline(always)]
pub fn hash<A: Address>(key: &FlowKey<A>) -> u32 {
    let ports = u32::from(key.src_port.get()) << 16 | u32::from(key.dst_port.get());
    let mut hash = mix(u32::from(key.proto.0), ports);
    let (src, dst) = (key.src.words(), key.dst.words());
    let words = if size_of::<A>() == 4 { 1 } else { 4 };
    let mut i = 0;
    while i < words {
        hash = mix(mix(hash, src[i]), dst[i]);
        i = i.wrapping_add(1);
    }
    finish(hash)
}

/// One round of MurmurHash3 (x86, 32 bits).
#[inline(always)]
pub fn mix(hash: u32, word: u32) -> u32 {
    let word = word
        .wrapping_mul(0xcc9e_2d51)
        .rotate_left(15)
        .wrapping_mul(0x1b87_3593);
    (hash ^ word)
        .rotate_left(13)
        .wrapping_mul(5)
        .wrapping_add(0xe654_6b64)
}

/// Its finaliser: every input bit reaches the upper bits, which choose the slot.
#[inline(always)]
pub fn finish(hash: u32) -> u32 {
    let hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    let hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

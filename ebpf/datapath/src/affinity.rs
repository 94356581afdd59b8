//! Step 4, for Services with session affinity: a client comes back to the backend it had last.
//!
//! The record belongs to the service port, whatever address was dialled (rules 4.2 to 4.5), and is written
//! by new flows only (rules 4.6 and 4.7). It holds as long as its backend is the same one still and a
//! member of the pool that the policy names (rules 4.9, 4.11 and 4.12).

use tidegate_abi::{Address, Affinity, AffinityKey, BackendId, Frontend, Reason};

use crate::{
    Tables,
    select::{self, Choice, Pooled},
};

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// The backend of a client's new flow, out of a pool.
#[inline(always)]
pub fn backend<A, T>(
    tables: &T,
    client: A,
    frontend: &Frontend,
    pooled: Pooled,
    hash: u32,
    now_ns: u64,
) -> Result<Choice<A>, Reason>
where
    A: Address,
    T: Tables<A>,
{
    if frontend.affinity_seconds == 0 {
        return select::from_pool(tables, pooled.pool, hash);
    }
    let key = AffinityKey {
        service: frontend.service,
        client,
    };
    let choice = match last(tables, &key, frontend.affinity_seconds, pooled, now_ns) {
        Some(choice) => choice,
        None => select::from_pool(tables, pooled.pool, hash)?,
    };
    tables.put_affinity(
        &key,
        &Affinity {
            opened_ns: now_ns,
            backend: choice.id.0,
            generation: choice.backend.generation,
        },
    );
    Ok(choice)
}

/// The backend that the client had last, if the record still holds.
#[inline(always)]
fn last<A, T>(
    tables: &T,
    key: &AffinityKey<A>,
    seconds: u32,
    pooled: Pooled,
    now_ns: u64,
) -> Option<Choice<A>>
where
    A: Address,
    T: Tables<A>,
{
    let record = tables.affinity(key)?;
    // Another CPU may have written a later time than the one read here.
    let idle = now_ns.saturating_sub(record.opened_ns);
    if idle >= u64::from(seconds).wrapping_mul(SECOND) {
        return None;
    }
    let id = BackendId(record.backend);
    let backend = tables.backend(id)?;
    let holds = backend.serves(record.generation) && backend.flags & pooled.member != 0;
    holds.then_some(Choice { id, backend })
}

//! A yardstick for the machine: the map operations that Katran makes for a packet of a flow it knows, around as
//! little code as they need.
//!
//! What a lookup costs differs between machines by more than balancers do, so a time from elsewhere says little.
//! This is no balancer: it knows one destination, checks nothing that it need not, and the outer header, for which
//! Katran moves the start of the packet, is written over the packet's own.

use aya_ebpf::{
    bindings::xdp_action,
    macros::{map, xdp},
    maps::{Array, HashMap, LruHashMap, PerCpuArray},
    programs::XdpContext,
};

/// Address in 16 bytes, port, protocol.
type Vip = [u32; 5];
/// Both addresses in 16 bytes each, both ports, protocol.
type Tuple = [u32; 10];

#[map(name = "ys_vips")]
static VIPS: HashMap<Vip, [u32; 2]> = HashMap::with_max_entries(512, 0);
/// Which backend, and when it was last seen.
#[map(name = "ys_flows")]
static FLOWS: LruHashMap<Tuple, [u64; 2]> = LruHashMap::with_max_entries(1 << 22, 0);
#[map(name = "ys_backends")]
static BACKENDS: Array<[u32; 5]> = Array::with_max_entries(4096, 0);
#[map(name = "ys_control")]
static CONTROL: Array<[u64; 2]> = Array::with_max_entries(16, 0);
#[map(name = "ys_stats")]
static STATS: PerCpuArray<[u64; 2]> = PerCpuArray::with_max_entries(1024, 0);
#[map(name = "ys_b_stats")]
static BACKEND_STATS: PerCpuArray<[u64; 2]> = PerCpuArray::with_max_entries(4096, 0);

const FLOW_STATS: u32 = 512;
const OUTER: usize = 34;

/// Translates nothing: encapsulates, in a way. A packet of a new flow is given a backend by its port.
#[xdp]
pub(crate) fn yardstick(ctx: XdpContext) -> u32 {
    match balance(ctx.data(), ctx.data_end()) {
        Some(()) => xdp_action::XDP_TX,
        None => xdp_action::XDP_PASS,
    }
}

#[inline(always)]
fn balance(data: usize, data_end: usize) -> Option<()> {
    if data + 54 > data_end {
        return None;
    }
    // SAFETY: here and below: offsets below the 54 bytes that were compared with the packet's end.
    let half = |at: usize| unsafe { ((data + at) as *const u16).read() };
    let word = |at: usize| u32::from(half(at)) | u32::from(half(at + 2)) << 16;
    // IPv4 without options, no fragment, TCP.
    if half(12) != 0x0800_u16.to_be() || half(14) & 0xff != 0x45 || half(20) & 0xff3f != 0 {
        return None;
    }
    let (proto, len) = (u32::from(half(22)) >> 8, u64::from(u16::from_be(half(16))));
    let (src, dst, ports) = (word(26), word(30), word(34));
    // SAFETY: an entry that stays readable while the program runs; likewise below.
    let [number, _flags] = *unsafe { VIPS.get(&[dst, 0, 0, 0, proto << 16 | ports >> 16])? };
    add(&STATS, FLOW_STATS, 0)?;
    let tuple = [src, 0, 0, 0, dst, 0, 0, 0, ports, proto];
    let backend = match unsafe { FLOWS.get(&tuple) } {
        Some([backend, _seen]) => *backend as u32,
        None => {
            let backend = ports & 63;
            let _full: Result<(), i32> = FLOWS.insert(&tuple, &[u64::from(backend), 0], 0);
            backend
        }
    };
    let to = *BACKENDS.get(backend)?;
    let macs = *CONTROL.get(0)?;
    add(&STATS, number & 511, len)?;
    add(&BACKEND_STATS, backend & 4095, len)?;
    encapsulate(data, macs, src ^ ports, to[0], len);
    Some(())
}

#[inline(always)]
fn add(stats: &PerCpuArray<[u64; 2]>, at: u32, bytes: u64) -> Option<()> {
    let entry = stats.get_ptr_mut(at)?;
    // SAFETY: the entry of this CPU, which no other writes.
    let [packets, sum] = unsafe { &mut *entry };
    (*packets, *sum) = (packets.wrapping_add(1), sum.wrapping_add(bytes));
    Some(())
}

/// Writes an Ethernet header, and an IPv4 header with its checksum.
#[inline(always)]
fn encapsulate(data: usize, macs: [u64; 2], src: u32, dst: u32, inner: u64) {
    // SAFETY: the caller compared more than `OUTER` bytes with the packet's end.
    let put = |at: usize, value: u16| unsafe { ((data + at) as *mut u16).write(value) };
    const { assert!(OUTER <= 54) };
    let mut word = 0;
    while word < 6 {
        put(word * 2, (macs[word / 4] >> (16 * (word % 4))) as u16);
        word += 1;
    }
    let header = [
        0x0045,
        ((inner as u16).wrapping_add(20)).to_be(),
        0,
        0,
        0x0440,
        0,
        src as u16,
        (src >> 16) as u16,
        dst as u16,
        (dst >> 16) as u16,
    ];
    let (mut sum, mut at) = (0_u32, 0);
    while at < 10 {
        sum = sum.wrapping_add(u32::from(header[at]));
        at += 1;
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    put(12, 0x0800_u16.to_be());
    at = 0;
    while at < 10 {
        put(
            14 + 2 * at,
            if at == 5 { !(sum as u16) } else { header[at] },
        );
        at += 1;
    }
}

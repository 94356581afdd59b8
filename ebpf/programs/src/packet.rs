//! [`Packet`] over the kernel's two views of a frame: the only pointer arithmetic.

use core::arch::asm;

use aya_ebpf::{
    bindings::{__sk_buff, xdp_md},
    helpers::generated::{
        bpf_csum_update, bpf_l4_csum_replace, bpf_skb_adjust_room, bpf_skb_change_tail,
        bpf_skb_pull_data,
    },
};
use tidegate_abi::HeldKey;
use tidegate_datapath::{
    Packet,
    checksum::{self, Change},
    parse::ETHERNET,
    sctp,
};

use crate::held;

/// No header begins later: Ethernet, tags, IPv6 and six extension headers of 2 KiB stay below. The
/// verifier wants a bound on every offset.
const FARTHEST: usize = 0x3fff;

/// `bpf_l4_csum_replace`: the change is one of the pseudo header.
const PSEUDO: u64 = 1 << 4;
/// The same helper: zero means "no checksum", and zero is never written (UDP).
const MANGLED_ZERO: u64 = 1 << 5;
/// The same helper, Linux 6.16 and stable: IPv6, where a complete hardware sum does not change.
const IPV6: u64 = 1 << 7;
/// `bpf_skb_adjust_room`: between link and network header.
const ROOM_MAC: u32 = 1;
/// How much of a frame is made linear: all headers that are parsed in one go.
pub(crate) const HEADERS: u32 = 128;

/// A frame before there is a socket buffer.
pub(crate) struct Xdp(pub(crate) *mut xdp_md);

/// A frame in a socket buffer.
pub(crate) struct Skb(pub(crate) *mut __sk_buff);

/// A pointer to `N` bytes at `offset`, if they lie in the packet.
#[inline(always)]
fn at<const N: usize>(data: u32, data_end: u32, offset: usize) -> Option<*mut [u8; N]> {
    let offset = opaque(offset);
    if offset > FARTHEST {
        return None;
    }
    // Once more, for an offset that had to leave its register in between: older verifiers (6.1) then forget what was
    // compared.
    let offset = opaque(offset) & FARTHEST;
    let start = opaque((data as usize).wrapping_add(offset));
    if start.wrapping_add(N) > data_end as usize {
        return None;
    }
    Some(start as *mut [u8; N])
}

/// The value, in a register about which the compiler knows nothing.
///
/// The verifier trusts the very register that was compared. Without this the compiler compares one copy
/// and uses another, or adds data and offset a second time.
#[inline(always)]
pub(crate) fn opaque(mut value: usize) -> usize {
    // SAFETY: a move to itself; the register keeps its value.
    unsafe { asm!("{0} = {0}", inout(reg) value, options(nomem, nostack)) };
    value
}

/// Reads packet bytes word by word.
///
/// The kernel lets a program read an unaligned word of a packet, the Rust language does not: left to
/// itself the compiler reads single bytes, a dozen instructions for each word and a register for each
/// byte, which is more than the stack can take of an IPv6 header.
///
/// # Safety
/// The verifier must know that the bytes lie in the packet.
#[inline(always)]
unsafe fn read<const N: usize>(bytes: *const [u8; N]) -> [u8; N] {
    let (mut value, mut i) = ([0; N], 0usize);
    while i.wrapping_add(4) <= N {
        let (from, word) = (bytes.addr().wrapping_add(i), &mut 0u64);
        // SAFETY: four bytes of the range that the caller vouches for.
        unsafe {
            asm!("{0} = *(u32 *)({1} + 0)", out(reg) *word, in(reg) from, options(pure, readonly, nostack));
        }
        value[i..i.wrapping_add(4)].copy_from_slice(&(*word as u32).to_ne_bytes());
        i = i.wrapping_add(4);
    }
    if i.wrapping_add(2) <= N {
        let (from, half) = (bytes.addr().wrapping_add(i), &mut 0u64);
        // SAFETY: two bytes of the same range.
        unsafe {
            asm!("{0} = *(u16 *)({1} + 0)", out(reg) *half, in(reg) from, options(pure, readonly, nostack));
        }
        value[i..i.wrapping_add(2)].copy_from_slice(&(*half as u16).to_ne_bytes());
        i = i.wrapping_add(2);
    }
    if i < N {
        // SAFETY: one byte of the same range.
        value[i] = unsafe { bytes.cast::<u8>().add(i).read() };
    }
    value
}

/// Writes packet bytes word by word, see [`read`].
///
/// # Safety
/// The verifier must know that the bytes lie in the packet.
#[inline(always)]
unsafe fn write<const N: usize>(bytes: *mut [u8; N], value: [u8; N]) {
    let mut i = 0usize;
    while i.wrapping_add(4) <= N {
        let to = bytes.addr().wrapping_add(i);
        let word = u32::from_ne_bytes([value[i], value[i + 1], value[i + 2], value[i + 3]]);
        // SAFETY: four bytes of the range that the caller vouches for.
        unsafe {
            asm!("*(u32 *)({0} + 0) = {1}", in(reg) to, in(reg) u64::from(word), options(nostack))
        };
        i = i.wrapping_add(4);
    }
    if i.wrapping_add(2) <= N {
        let to = bytes.addr().wrapping_add(i);
        let half = u16::from_ne_bytes([value[i], value[i + 1]]);
        // SAFETY: two bytes of the same range.
        unsafe {
            asm!("*(u16 *)({0} + 0) = {1}", in(reg) to, in(reg) u64::from(half), options(nostack))
        };
        i = i.wrapping_add(2);
    }
    if i < N {
        // SAFETY: one byte of the same range.
        unsafe { bytes.cast::<u8>().add(i).write(value[i]) };
    }
}

macro_rules! bytes {
    () => {
        #[inline(always)]
        fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
            let (data, end) = self.bounds();
            let bytes = at::<N>(data, end, offset)?;
            // SAFETY: `at` compared the range with the packet's end just now, as the verifier demands.
            Some(unsafe { read(bytes) })
        }

        #[inline(always)]
        fn store<const N: usize>(&mut self, offset: usize, value: [u8; N]) -> Option<()> {
            let (data, end) = self.bounds();
            let bytes = at::<N>(data, end, offset)?;
            // SAFETY: as in `load`; the kernel makes the packet ours to write before the program runs.
            unsafe { write(bytes, value) };
            Some(())
        }
    };
}

impl Xdp {
    #[inline(always)]
    fn bounds(&self) -> (u32, u32) {
        // SAFETY: the context is valid for as long as the program runs.
        unsafe { ((*self.0).data, (*self.0).data_end) }
    }
}

impl Packet for Xdp {
    bytes!();

    #[inline(always)]
    fn len(&self) -> usize {
        let (data, end) = self.bounds();
        (end as usize).wrapping_sub(data as usize)
    }

    #[inline(always)]
    fn is_segmented(&self) -> bool {
        false
    }

    #[inline(always)]
    fn adjust_checksum(&mut self, offset: usize, change: Change) -> Option<()> {
        let old = self.load::<2>(offset)?;
        self.store(offset, checksum::transport(old, change))
    }

    #[inline(always)]
    fn resize(&mut self, _len: usize) -> Option<()> {
        None
    }

    #[inline(always)]
    fn open_gap(&mut self, _offset: usize, _room: usize) -> Option<()> {
        None
    }
}

impl Skb {
    #[inline(always)]
    fn bounds(&self) -> (u32, u32) {
        // SAFETY: the context is valid for as long as the program runs.
        unsafe { ((*self.0).data, (*self.0).data_end) }
    }

    /// Makes the first bytes readable in place.
    #[inline(always)]
    pub(crate) fn make_linear(&mut self, most: u32) {
        let (data, end) = self.bounds();
        let len = self.len() as u32;
        let wanted = if len < most { len } else { most };
        if (data as usize).wrapping_add(wanted as usize) > end as usize {
            // SAFETY: a helper on the program's own context; a failure shows as a truncated packet.
            let _failed: i64 = unsafe { bpf_skb_pull_data(self.0, wanted) };
        }
    }

    #[inline(always)]
    fn replace_checksum(&mut self, offset: usize, diff: u32, flags: u64) -> i64 {
        // SAFETY: a helper on the program's own context; it checks the offset itself.
        unsafe { bpf_l4_csum_replace(self.0, offset as u32, 0, u64::from(diff), flags) }
    }
}

impl Packet for Skb {
    bytes!();

    #[inline(always)]
    fn len(&self) -> usize {
        // SAFETY: the context is valid for as long as the program runs.
        unsafe { (*self.0).len as usize }
    }

    /// By the size of the segments (Linux 5.7): how many they are virtio_net, xen-netfront and tap leave to others to find out.
    #[inline(always)]
    fn is_segmented(&self) -> bool {
        // SAFETY: the context is valid for as long as the program runs.
        unsafe { (*self.0).gso_size != 0 }
    }

    /// The checksum may be partial, complete in hardware, or there; the helper knows (rule 5.6.10).
    #[inline(always)]
    fn adjust_checksum(&mut self, offset: usize, change: Change) -> Option<()> {
        let zero = if change.udp { MANGLED_ZERO } else { 0 };
        let mut failed = if change.v6 {
            match self.replace_checksum(offset, change.addresses, PSEUDO | IPV6 | zero) {
                0 => 0,
                // A kernel without the flag refuses it before it touches anything.
                _ => self.replace_checksum(offset, change.addresses, PSEUDO | zero),
            }
        } else {
            self.replace_checksum(offset, change.addresses, PSEUDO | zero)
        };
        if failed == 0 && change.ports != 0 {
            failed = self.replace_checksum(offset, change.ports, zero);
        }
        if failed == 0 { Some(()) } else { None }
    }

    #[inline(always)]
    fn before_zeros(&self, word: u32, len: u32) -> u32 {
        // Global to the verifier, see `apart`.
        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn sctp_before_zeros(word: u32, len: u32) -> u32 {
            sctp::before_zeros(word, len)
        }
        sctp_before_zeros(word, len)
    }

    #[inline(always)]
    fn unbalance(&mut self, change: u32) {
        // SAFETY: a helper on the program's own context; refused where there is no such sum.
        let _none: i64 = unsafe { bpf_csum_update(self.0, change) };
    }

    #[inline(always)]
    fn resize(&mut self, len: usize) -> Option<()> {
        // SAFETY: a helper on the program's own context.
        let failed = unsafe { bpf_skb_change_tail(self.0, len as u32, 0) };
        if failed == 0 { Some(()) } else { None }
    }

    #[inline(always)]
    fn hold(&self, place: &HeldKey) -> bool {
        held::keep(self.0, place) != 0
    }

    #[inline(always)]
    fn release(&mut self, datagram: u32, count: u32) -> Option<()> {
        if held::release(self.0, datagram, count) == 0 {
            None
        } else {
            Some(())
        }
    }

    #[inline(always)]
    fn open_gap(&mut self, offset: usize, room: usize) -> Option<()> {
        // The kernel opens it behind the Ethernet header, wherever a tag in the frame ends.
        if offset != ETHERNET {
            return None;
        }
        // SAFETY: a helper on the program's own context.
        let failed = unsafe { bpf_skb_adjust_room(self.0, room as i32, ROOM_MAC, 0) };
        if failed == 0 { Some(()) } else { None }
    }
}

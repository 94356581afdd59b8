//! The bytes of the packets: a template, and what differs from flow to flow.

/// What to write; the loader's twin is in `tidegate-bench`.
#[repr(C)]
pub(crate) struct Plan {
    /// The first 64 bytes of the packet of the first flow.
    template: [u64; 8],
    /// Number of flows less one; a power of two less one.
    mask: u32,
    /// Which fields differ, see [`Side`].
    side: u32,
    /// The device by which packets leave.
    pub(crate) device: u32,
    /// The device that the ceilings send to.
    pub(crate) target: u32,
}

/// Bits of `Plan::side`.
struct Side;

impl Side {
    const V6: u32 = 1;
    const DESTINATION: u32 = 2;
    const TCP: u32 = 4;
    const OTHER_ORDER: u32 = 8;
    const ANSWERED: u32 = 16;
}

/// The port of the backends.
const BACKEND: u16 = 8080;

/// How many ports of an address are used, as a power of two; the first is [`FIRST_PORT`].
const PORT_BITS: u32 = 14;
const FIRST_PORT: u16 = 1024;

/// Writes the packet with this number; `false` where it does not fit.
#[inline(always)]
pub(crate) fn write(plan: &Plan, number: u64, data: usize, data_end: usize) -> bool {
    if data + 64 > data_end {
        return false;
    }
    // An odd factor: each flow comes once before one comes again, and none beside its neighbour.
    let factor = match plan.side & Side::OTHER_ORDER {
        0 => 0x9e37_79b1,
        _ => 0x85eb_ca6b,
    };
    let flow = (number as u32).wrapping_mul(factor) & plan.mask;
    let host = (flow >> PORT_BITS) as u16;
    let port = FIRST_PORT.wrapping_add((flow & ((1 << PORT_BITS) - 1)) as u16);
    let words = data as *mut u64;
    let mut at = 0;
    while at < 8 {
        // SAFETY: within the 64 bytes that were compared with the packet's end; the kernel's test runs put the
        // packet behind a headroom that is a multiple of eight, here and below.
        unsafe { words.add(at).write(plan.template[at]) };
        at += 1;
    }
    let fields = Fields { data, host, port };
    match plan.side & (Side::V6 | Side::DESTINATION) {
        0 => fields.set(28, 34),
        Side::DESTINATION => fields.set(32, 36),
        Side::V6 => fields.set(36, 54),
        _ => fields.set(52, 56),
    }
    if plan.side & Side::V6 == 0 {
        fields.add(24, host, 0);
        match plan.side & Side::TCP {
            0 => fields.add(40, host, port),
            _ => fields.add(50, host, port),
        }
    } else if plan.side & Side::TCP == 0 {
        fields.add(60, host, port);
    }
    true
}

/// The fields of a packet that differ.
#[derive(Clone, Copy)]
struct Fields {
    data: usize,
    host: u16,
    port: u16,
}

impl Fields {
    /// The low half of an address, and a port; zero in the template.
    #[inline(always)]
    fn set(self, address: usize, port: usize) {
        self.put(address, self.host);
        self.put(port, self.port);
    }

    #[inline(always)]
    fn put(self, at: usize, value: u16) {
        // SAFETY: every caller names a constant below 63; the packet has 64 bytes.
        unsafe { ((self.data + at) as *mut u16).write(value.to_be()) };
    }

    /// Takes two more words into a checksum (RFC 1071).
    #[inline(always)]
    fn add(self, at: usize, one: u16, two: u16) {
        // SAFETY: as above.
        let old = u16::from_be(unsafe { ((self.data + at) as *const u16).read() });
        let mut sum = u32::from(!old) + u32::from(one) + u32::from(two);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        self.put(at, !(sum as u16));
    }
}

/// Makes a datagram to a backend its own answer, where those are wanted.
#[inline(always)]
pub(crate) fn answer(plan: &Plan, data: usize, data_end: usize) -> bool {
    const SRC: usize = 26;
    const PORT: usize = 34;
    if plan.side & Side::ANSWERED == 0 || data + 42 > data_end {
        return false;
    }
    // SAFETY: within the 42 bytes that were compared with the packet's end, here and below; 14 bytes of Ethernet make
    // these fields even.
    let word = |at: usize| unsafe { ((data + at) as *const u16).read() };
    if u16::from_be(word(PORT + 2)) != BACKEND {
        return false;
    }
    let exchange = |one: usize, other: usize| {
        let (old, new) = (word(one), word(other));
        // SAFETY: as above.
        unsafe {
            ((data + one) as *mut u16).write(new);
            ((data + other) as *mut u16).write(old);
        }
    };
    exchange(SRC, SRC + 4);
    exchange(SRC + 2, SRC + 6);
    exchange(PORT, PORT + 2);
    turn_round(data, data_end)
}

/// Exchanges the Ethernet addresses.
#[inline(always)]
pub(crate) fn turn_round(data: usize, data_end: usize) -> bool {
    if data + 14 > data_end {
        return false;
    }
    let at = data as *mut u16;
    let mut word = 0;
    while word < 3 {
        // SAFETY: within the 14 bytes that were compared with the packet's end.
        unsafe {
            let (one, other) = (at.add(word).read(), at.add(word + 3).read());
            at.add(word).write(other);
            at.add(word + 3).write(one);
        }
        word += 1;
    }
    true
}

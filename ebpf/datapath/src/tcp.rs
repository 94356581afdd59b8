//! The state of a TCP flow, as a pure function.
//!
//! It moves only on SYN, FIN and RST, and is coarse on purpose: it decides how long an idle flow is
//! kept and whether a SYN on its tuple opens a new flow (rule 5.3.1). It never stops a packet: segments
//! out of window are translated like any other (rule 5.3.7).

/// Flag bits in byte 13 of the header.
pub mod flag {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Opens a connection.
    pub const SYN: u8 = 0x02;
    /// Ends a connection at once.
    pub const RST: u8 = 0x04;
    /// The acknowledgement field is valid.
    pub const ACK: u8 = 0x10;
}

/// Not TCP.
pub const NONE: u16 = 0;
/// The client's SYN was seen.
pub const OPENING: u16 = 1;
/// The backend answered with SYN and ACK.
pub const OPEN: u16 = 2;
/// The client sent FIN.
pub const CLIENT_DONE: u16 = 3;
/// The backend sent FIN.
pub const BACKEND_DONE: u16 = 4;
/// Both sent FIN.
pub const CLOSED: u16 = 5;
/// One side sent RST. A flow on which traffic goes on becomes [`OPEN`] again: the reset may have been
/// out of window (rule 5.3.4).
pub const RESET: u16 = 6;
/// Not TCP, and the backend has answered.
pub const ANSWERED: u16 = 7;

/// The states' names, by number.
pub const NAMES: [&str; 8] = [
    "none",
    "opening",
    "open",
    "client-done",
    "backend-done",
    "closed",
    "reset",
    "answered",
];

/// Whether the flags open a connection.
#[inline(always)]
pub fn opens(flags: u8) -> bool {
    flags & (flag::SYN | flag::ACK | flag::RST | flag::FIN) == flag::SYN
}

/// Whether the flags can move a state.
#[inline(always)]
pub fn moves(flags: u8) -> bool {
    flags & (flag::SYN | flag::FIN | flag::RST) != 0
}

/// Whether a SYN on the tuple opens a new flow.
#[inline(always)]
pub fn is_over(state: u16) -> bool {
    state == CLOSED || state == RESET
}

/// The state after a segment.
#[inline(always)]
pub fn next(state: u16, flags: u8, from_client: bool) -> u16 {
    if flags & flag::RST != 0 {
        return if state == CLOSED { CLOSED } else { RESET };
    }
    if flags & flag::FIN != 0 {
        return match (state, from_client) {
            (BACKEND_DONE, true) | (CLIENT_DONE, false) | (CLOSED, _) => CLOSED,
            (_, true) => CLIENT_DONE,
            (_, false) => BACKEND_DONE,
        };
    }
    if flags & flag::SYN != 0 && flags & flag::ACK != 0 && !from_client && state == OPENING {
        return OPEN;
    }
    state
}

/// How many ticks (1.07 s) a flow may be idle: rules 5.3.5, 5.3.6 and 5.7. Of the 120 of UDP, 116 are two minutes.
#[inline(always)]
pub fn idle_ticks(state: u16) -> u32 {
    match state {
        OPENING => 60,
        OPEN => 80_000,
        CLIENT_DONE | BACKEND_DONE => 3_600,
        CLOSED | RESET => 60,
        _ => 120,
    }
}

//! What an observer knows of a flow, and when it must hold.

use tidegate_abi::Proto;
use tidegate_frames::frame::tcp::{ACK, FIN, RST, SYN};
use tidegate_journeys::record::{Record, Tuple};

/// Ticks (1.07 s) that an idle flow is kept at least: rules 5.3.5, 5.3.6 and 5.7.
mod keeps {
    /// Two minutes, and the tick that had begun.
    pub(super) const UDP: u32 = 113;
    pub(super) const OPENING: u32 = 60;
    pub(super) const HALF_CLOSED: u32 = 3_365;
    pub(super) const OPEN: u32 = 7_400;
}

/// Ticks after which no record of UDP is used any more.
const UDP_FORGOTTEN: u32 = 120;

/// Ticks after which a record that is used is looked after at the latest: what it has lost is missed then
/// (docs/limits.md).
const LOOKED_AFTER: u32 = 4;

/// Whether a packet now makes the data path look after the record that it finds.
pub(super) fn is_due(record: &Record, now: u32) -> bool {
    now - record.seen >= LOOKED_AFTER
}

/// What the map forgot of a flow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lost {
    Nothing,
    /// The record of replies only, which a packet of the client repairs when it is due.
    Reply,
    /// The client's record, or both.
    More,
    /// Nothing, but it was over, and its tuple at the backend now belongs to another flow.
    Taken,
}

/// A flow as it was opened and used.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    /// The client's packets before translation, and after it.
    pub(super) key: Tuple,
    pub(super) out: Tuple,
    /// Which backend it got, and which generation of it.
    pub(super) backend: usize,
    pub(super) generation: u32,
    /// Tick of the last packet.
    pub(super) last: u32,
    pub(super) lost: Lost,
    opened: bool,
    reset: bool,
    /// FIN after RST: whether it is over is anybody's guess.
    is_doubtful: bool,
    /// By whom FIN was sent: backend, client.
    fins: [bool; 2],
}

impl Flow {
    pub(super) fn new(key: Tuple, out: Tuple, backend: (usize, u32), now: u32) -> Self {
        Self {
            key,
            out,
            backend: backend.0,
            generation: backend.1,
            last: now,
            lost: Lost::Nothing,
            opened: false,
            reset: false,
            is_doubtful: false,
            fins: [false; 2],
        }
    }

    /// A segment went through.
    pub(super) fn saw(&mut self, flags: u8, from_client: bool, now: u32) {
        // The reset was not believed by its receiver (rule 5.3.4).
        if self.reset
            && !self.is_closed()
            && !self.is_doubtful
            && from_client
            && flags & RST == 0
            && now != self.last
        {
            (self.reset, self.opened, self.fins) = (false, true, [false; 2]);
        }
        self.last = now;
        if self.key.proto == Proto::UDP {
            return;
        }
        if flags & RST != 0 {
            self.reset = true;
        } else if flags & FIN != 0 {
            self.is_doubtful |= self.reset;
            self.fins[usize::from(from_client)] = true;
        } else if flags & (SYN | ACK) == SYN | ACK && !from_client {
            self.opened = true;
        }
    }

    fn is_closed(&self) -> bool {
        self.fins == [true; 2]
    }

    /// Whether a new connection may take its place, or its tuple at the backend.
    pub(super) fn may_be_over(&self) -> bool {
        self.reset || self.is_closed()
    }

    /// The same without a doubt.
    pub(super) fn is_over(&self) -> bool {
        self.may_be_over() && !self.is_doubtful
    }

    /// Whether a backend that answers like this has never seen the flow open: it means a connection that the
    /// client has with it directly, from the same port.
    pub(super) fn may_be_anothers(&self, flags: u8) -> bool {
        let is_hidden = self.out.src.ip() != self.key.src.ip();
        self.key.proto != Proto::UDP && !self.opened && !is_hidden && flags & (SYN | RST) == 0
    }

    /// Whether the next packet of either side must be translated as the last one was; `generation` is the
    /// backend's if it serves. What was lost of it plays no part.
    pub(super) fn must_hold(&self, generation: Option<u32>, now: u32) -> bool {
        let limit = match self.key.proto {
            Proto::UDP if generation != Some(self.generation) => return false,
            Proto::UDP => keeps::UDP,
            _ if self.may_be_over() => return false,
            _ if !self.opened => keeps::OPENING,
            _ if self.fins != [false; 2] => keeps::HALF_CLOSED,
            _ => keeps::OPEN,
        };
        now - self.last <= limit
    }

    /// Whether even the longest limit is over, so that nothing of it may be used any more.
    pub(super) fn must_be_forgotten(&self, now: u32) -> bool {
        self.key.proto == Proto::UDP && now - self.last > UDP_FORGOTTEN
    }
}

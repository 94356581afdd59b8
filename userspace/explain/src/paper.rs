//! A journey on paper: through one or two programs of a device, or by a socket.

use tidegate_abi::{Address, Ip4, Ip6, Reason, Settings};
use tidegate_datapath::{
    Door, Entry, Stage as Hook, Verdict,
    answer::{self, Icmp},
    parse::{self, Ip, Network},
    select::Choice,
    socket,
};

use crate::{Asked, HostPacket, Live, Overlay, maps::Found, run};

pub use tidegate_datapath::socket::Call;

/// What one program did.
#[derive(Clone, Debug)]
pub struct Stage<A> {
    /// The program, and where the packet entered.
    pub entry: Entry,
    /// The frame that went in.
    pub before: Vec<u8>,
    /// The frame that came out.
    pub after: Vec<u8>,
    /// The end; `None`: at egress, a packet that is none of ours.
    pub verdict: Option<Verdict>,
    /// What was asked meanwhile, in order.
    pub asked: Vec<Asked<A>>,
}

/// The whole way of a packet of one family.
#[derive(Clone, Debug)]
pub struct Told<A> {
    /// `CLOCK_MONOTONIC` nanoseconds at its beginning.
    pub now_ns: u64,
    /// The node's settings at that time.
    pub settings: Settings,
    /// The programs that had it, in order; there is one at least.
    pub stages: Vec<Stage<A>>,
}

/// The whole way of a frame.
#[derive(Clone, Debug)]
pub enum Paper {
    /// An IPv4 packet.
    V4(Told<Ip4>),
    /// An IPv6 packet.
    V6(Told<Ip6>),
    /// Neither.
    Neither(Verdict),
}

/// Walks a frame through the programs of a device; the second has it if the first leaves it to the stack.
///
/// # Errors
/// One sentence, when the maps cannot be read.
pub fn walk<L>(live: &L, frame: &[u8], entries: &[Entry]) -> Result<Paper, String>
where
    L: Live<Ip4> + Live<Ip6>,
{
    match parse::link(&HostPacket::new(frame)) {
        Ok(link) => Ok(match link.network {
            Network::V4 => Paper::V4(through(live, frame, entries, link.l3)?),
            Network::V6 => Paper::V6(through(live, frame, entries, link.l3)?),
        }),
        Err(reason) => Ok(Paper::Neither(answer::without_headers(reason))),
    }
}

fn through<A, L>(live: &L, frame: &[u8], entries: &[Entry], l3: usize) -> Found<Told<A>>
where
    A: Ip + Icmp,
    L: Live<A>,
{
    let overlay = Overlay::new(live)?;
    let mut told = Told {
        now_ns: live.now_ns(),
        settings: *overlay.settings(),
        stages: Vec::new(),
    };
    let mut packet = HostPacket::new(frame);
    for entry in entries {
        overlay.enter(entry.device);
        let before = packet.bytes.clone();
        let verdict = if entry.stage == Hook::Leaving {
            run::depart::<A, _, _>(&mut packet, &overlay, &overlay, *entry, l3)
        } else {
            Some(run::enter::<A, _, _>(
                &mut packet,
                &overlay,
                &overlay,
                *entry,
                l3,
            ))
        };
        told.stages.push(Stage {
            entry: *entry,
            before,
            after: packet.bytes.clone(),
            verdict,
            asked: overlay.take_asked()?,
        });
        let goes_on = verdict.is_none_or(|it| matches!(it.door, Door::Stack | Door::Aside));
        if !(goes_on && entry.stage == Hook::Xdp) {
            break;
        }
    }
    Ok(told)
}

/// What a socket of this host is told when it dials.
#[derive(Clone, Debug)]
pub struct Dialled<A> {
    /// The node's settings at that time.
    pub settings: Settings,
    /// The backend, or why there is none.
    pub outcome: Result<Choice<A>, Reason>,
    /// What was asked meanwhile, in order.
    pub asked: Vec<Asked<A>>,
}

/// Dials as a socket of this host.
///
/// # Errors
/// One sentence, when the maps cannot be read.
pub fn dial<A: Address, L: Live<A>>(live: &L, call: &Call<A>) -> Result<Dialled<A>, String> {
    let overlay = Overlay::new(live)?;
    let outcome = socket::dial(&overlay, call);
    Ok(Dialled {
        settings: *overlay.settings(),
        outcome,
        asked: overlay.take_asked()?,
    })
}

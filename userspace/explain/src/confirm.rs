//! The loaded program's own word: a run of it on the same frame, where that changes nothing.

use tidegate_abi::{Address, Family, Ip4, Ip6, Reason, flow::TICK_SHIFT};
use tidegate_datapath::{Door, Entry, Role, Stage as Hook, Verdict};

use crate::{Asked, Paper, Stage, paper::Told};

/// What records say depends on the tick. So much of it must be left, in nanoseconds, that the program runs in it too.
const MARGIN: u64 = 50_000_000;

/// So much of it must be over: the program's clock is one of whole jiffies, up to 10 ms late.
const LAG: u64 = 20_000_000;

/// Bytes of the two Ethernet addresses.
const ADDRESSES: usize = 12;

/// What a program made of a frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// Its return code.
    pub code: i32,
    /// The frame afterwards.
    pub frame: Vec<u8>,
    /// The reasons whose counters grew meanwhile, by this frame or by others.
    pub grown: Vec<Reason>,
}

/// What a run is expected to be counted under.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Guess {
    /// The reason; none where XDP passes a packet on.
    pub reason: Option<Reason>,
    /// The service port, as far as one is known; 0: none.
    pub service: u32,
    /// The backend of a known flow; 0: none.
    pub backend: u32,
    /// Its family.
    pub family: Family,
}

/// The loaded programs.
pub trait Programs {
    /// Runs one on a frame that enters at a device, and takes off the counters what it counted.
    ///
    /// # Errors
    /// One sentence, when it cannot be run.
    fn run(
        &self,
        program: &str,
        frame: &[u8],
        device: u32,
        guess: &Guess,
    ) -> Result<Outcome, String>;
    /// `CLOCK_MONOTONIC` nanoseconds.
    fn now_ns(&self) -> u64;
}

/// How a confirmation went.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Confirmation {
    /// The program did the same.
    Confirmed,
    /// It was not run, and why.
    NotTried(String),
    /// It did something else; this is what.
    Differs(String),
}

/// The confirmation, and who gave it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Confirmed {
    /// How it went.
    pub confirmation: Confirmation,
    /// The programs that were run, or would have been.
    pub programs: Vec<&'static str>,
}

/// Runs the programs of a journey on paper, unless they would change something.
pub fn confirm(programs: &impl Programs, paper: &Paper) -> Confirmed {
    match paper {
        Paper::V4(told) => family::<Ip4>(programs, told),
        Paper::V6(told) => family::<Ip6>(programs, told),
        Paper::Neither(_) => Confirmed {
            confirmation: Confirmation::NotTried("it is no IP packet".to_owned()),
            programs: Vec::new(),
        },
    }
}

fn family<A: Address>(programs: &impl Programs, told: &Told<A>) -> Confirmed {
    let mut result = Confirmed {
        confirmation: Confirmation::Confirmed,
        programs: told.stages.iter().map(|it| program(it.entry)).collect(),
    };
    if let Some(why) = side_effect(told) {
        result.confirmation = Confirmation::NotTried(format!("a run would {why}"));
        return result;
    }
    for stage in &told.stages {
        result.confirmation = one(programs, stage, told.now_ns);
        if result.confirmation != Confirmation::Confirmed {
            return result;
        }
    }
    result
}

/// What a run of the programs would change.
pub fn side_effect<A: Address>(told: &Told<A>) -> Option<&'static str> {
    let asked = || told.stages.iter().flat_map(|stage| &stage.asked);
    let any = |test: fn(&Asked<A>) -> bool| asked().any(test);
    if !any(Asked::is_write) {
        return None;
    }
    Some(
        if any(|it| matches!(it, Asked::FlowAdded(..) | Asked::FlowPut(..))) {
            "open a flow"
        } else if any(|it| matches!(it, Asked::FlowRemoved(_) | Asked::FlowVoided(_))) {
            "end a flow"
        } else if any(|it| matches!(it, Asked::FlowTouched(_) | Asked::FlowMoved(..))) {
            "refresh the flow's record"
        } else if any(|it| matches!(it, Asked::FragmentPut(..) | Asked::Random)) {
            "note a fragment"
        } else {
            "note the client's backend"
        },
    )
}

fn one<A: Address>(programs: &impl Programs, stage: &Stage<A>, walked_ns: u64) -> Confirmation {
    if stage.asked.iter().any(Asked::has_an_age) && is_at_a_turn(walked_ns, programs.now_ns()) {
        return Confirmation::NotTried("the clock was at a turn: try again".to_owned());
    }
    let (name, guess) = (program(stage.entry), guess(stage));
    match programs.run(name, &stage.before, stage.entry.device, &guess) {
        Ok(outcome) => compare(stage, &guess, &outcome),
        Err(error) => Confirmation::NotTried(error),
    }
}

/// Whether the program may run in another tick than that of the walk, by its own clock or by this one.
fn is_at_a_turn(walked_ns: u64, now_ns: u64) -> bool {
    let tick = 1u64 << TICK_SHIFT;
    walked_ns >> TICK_SHIFT != now_ns >> TICK_SHIFT
        || walked_ns % tick < LAG
        || now_ns % tick > tick - MARGIN
}

fn compare<A: Address>(stage: &Stage<A>, guess: &Guess, outcome: &Outcome) -> Confirmation {
    let name = program(stage.entry);
    let code = code(stage.entry, stage.verdict);
    let is_answer = stage.verdict.is_some_and(|it| it.door == Door::Back);
    if outcome.code != code && is_answer && outcome.grown.contains(&Reason::RateLimited) {
        return Confirmation::NotTried(
            "the node has given too many answers in this moment: try again".to_owned(),
        );
    }
    if outcome.code != code {
        let returned = outcome.code;
        return Confirmation::Differs(format!(
            "{name} returned {returned}, and {code} was expected"
        ));
    }
    if !is_same(stage, &outcome.frame) {
        return Confirmation::Differs(format!("{name} made another frame of the packet"));
    }
    match guess.reason {
        Some(reason) if !outcome.grown.contains(&reason) => {
            let label = reason.label();
            Confirmation::Differs(format!("{name} did not count it as {label}"))
        }
        _ => Confirmation::Confirmed,
    }
}

/// Whether a frame is the expected one. What goes to a neighbour may have got its addresses already: where another
/// packet went there in this tick (decision 25).
fn is_same<A>(stage: &Stage<A>, frame: &[u8]) -> bool {
    let by_neighbour = stage
        .verdict
        .is_some_and(|it| matches!(it.door, Door::Neighbour(_)));
    let from = if by_neighbour { ADDRESSES } else { 0 };
    frame.get(from..) == stage.after.get(from..)
}

/// What the program will count the packet under.
fn guess<A: Address>(stage: &Stage<A>) -> Guess {
    // The first record that is asked for is the packet's own; others belong to flows that are in its way.
    let record = stage.asked.iter().find_map(|it| match it {
        Asked::Flow(_, found) => Some(*found),
        _ => None,
    });
    let record = record.flatten().map(|flow| (flow.service, flow.backend));
    let frontend = stage.asked.iter().rev().find_map(|it| match it {
        Asked::Frontend(_, Some(frontend)) => Some(frontend.service),
        _ => None,
    });
    let (owner, backend) = record.unwrap_or_default();
    let service = frontend.unwrap_or(owner);
    let counted = stage.verdict.filter(|it| is_counted(stage.entry, *it));
    Guess {
        reason: counted.map(|it| it.reason),
        service,
        backend,
        family: A::FAMILY,
    }
}

/// The program of an entry.
pub fn program(entry: Entry) -> &'static str {
    match (entry.stage, entry.role) {
        (Hook::Xdp, _) => "xdp_uplink",
        (Hook::Leaving, _) => "tc_host",
        (Hook::Tc, Role::Uplink) => "tc_uplink",
        (Hook::Tc, Role::Pod) => "tc_pod",
        (Hook::Tc, Role::Overlay) => "tc_overlay",
    }
}

/// What the program returns. tc: `TCX_NEXT`, `TC_ACT_SHOT`, `TC_ACT_REDIRECT`; XDP: `XDP_DROP`, `XDP_PASS`,
/// `XDP_TX`.
pub fn code(entry: Entry, verdict: Option<Verdict>) -> i32 {
    let door = verdict.map_or(Door::Stack, |it| it.door);
    match (entry.stage, door) {
        (Hook::Xdp, Door::Drop) => 1,
        (Hook::Xdp, Door::Transmit) => 3,
        (Hook::Xdp, _) => 2,
        (_, Door::Drop) => 2,
        (_, Door::Stack | Door::Transmit | Door::Aside) => -1,
        (_, Door::Back | Door::Peer(_) | Door::Neighbour(_) | Door::Direct(_)) => 7,
    }
}

/// Each packet is counted once, by the program that ends its journey: XDP leaves what it passes to the second.
pub fn is_counted(entry: Entry, verdict: Verdict) -> bool {
    entry.stage != Hook::Xdp || matches!(verdict.door, Door::Drop | Door::Transmit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_run_at_a_turn_of_either_clock_is_no_witness() {
        let tick = 1 << TICK_SHIFT;
        let turns = |walked: u64, now: u64| is_at_a_turn(7 * tick + walked, 7 * tick + now);
        assert!(!turns(LAG, LAG), "early in the tick");
        assert!(!turns(LAG, tick - MARGIN), "late in the tick");
        assert!(turns(LAG - 1, tick / 2), "the program's clock may be late");
        assert!(turns(tick / 2, tick - MARGIN + 1), "no time is left");
        assert!(turns(tick / 2, tick + LAG), "a tick has begun since");
    }
}

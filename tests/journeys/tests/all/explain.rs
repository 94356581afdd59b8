//! What `tidegate explain` says of a packet is what the loaded programs then do with it: 10,000 random cases
//! over every kind of frontend, both policies, affinity, source ranges, Services without endpoints, known and
//! new flows, replies, masquerade, hairpins, ICMP, SCTP and fragments. And saying it changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use tidegate_abi::{Address, Ip4, Ip6, Reason, flow::TICK_SHIFT, reason::Kind};
use tidegate_datapath::{Door, Entry, Route, Verdict};
use tidegate_explain::{
    Asked, Paper, Stage,
    confirm::{Confirmation, confirm, is_counted, side_effect},
    described::{Described, Transport},
    walk,
};
use tidegate_frames::{
    Rng, explain_difference, hexdump,
    oracle::{dissect::dissect, verify},
};
use tidegate_journeys::{
    machine::{Exit, Machine, Program, code},
    on_kernel::{KernelMachine, with_kernel},
    textbook::{self, Places, UPLINK},
};

mod cases;
mod words;

use crate::both_alike::{frames::remember, is_unanswerable_in_a_test_run};
use cases::{hop, node, packet};

const CASES: u32 = 10_000;
/// Nodes with different settings on which they take place.
const NODES: u32 = 4;
const SEED: u64 = 0x6578_706c_6169_6e21;
/// How often all that the maps hold is compared, before an explanation and after it.
const COMPARED: u32 = 40;

/// The ids of all service ports and backends are below.
const IDS: u32 = 128;

/// Reasons that must come up often, or the cases test nothing.
const EXPECTED: [Reason; 25] = [
    Reason::NotTransport,
    Reason::NotService,
    Reason::Fragment,
    Reason::KnownFlow,
    Reason::KnownReply,
    Reason::NewFlow,
    Reason::NoEndpoints,
    Reason::UnknownPort,
    Reason::MidStream,
    Reason::TtlExceeded,
    Reason::TooBig,
    Reason::Truncated,
    Reason::Malformed,
    Reason::NoLocalEndpoint,
    Reason::NotOwned,
    Reason::ExternalClusterIp,
    Reason::BackendGone,
    Reason::NoMasqueradePort,
    Reason::NoRoute,
    Reason::MidStreamReset,
    Reason::Untranslatable,
    Reason::SourceRange,
    Reason::IcmpError,
    Reason::PingAnswered,
    Reason::FragmentHeld,
];

/// What was seen on the way.
#[derive(Default)]
struct Seen {
    cases: u32,
    reasons: BTreeMap<&'static str, u32>,
    /// Affinity records that held a client to its backend.
    held: u32,
    /// Runs at a turn of the kernel's clock.
    ticked: u32,
    /// Packets that the kernel did not answer: it answers only so many in a moment.
    limited: u32,
    /// Explanations that a run of the program confirmed.
    confirmed: u32,
    /// Those that it would have had side effects on.
    not_tried: u32,
}

#[test]
fn an_explanation_and_the_packet_agree_in_ten_thousand_random_cases() {
    with_kernel(|kernel| {
        let mut rng = Rng::new(SEED);
        let (mut echoes, mut sent_on) = (Vec::new(), Vec::new());
        let mut seen = Seen::default();
        let (mut number, mut nodes) = (0, 0);
        while seen.cases < CASES {
            if seen.cases >= nodes * CASES / NODES {
                kernel.start(&node(nodes));
                nodes += 1;
                echoes.clear();
                sent_on.clear();
            }
            number += 1;
            let frame = packet(&mut rng, &echoes, &sent_on);
            let (programs, device) = hop(&mut rng);
            if programs
                .iter()
                .all(|program| kernel.takes(*program, &frame))
            {
                let told = case(kernel, &mut seen, number, &frame, programs, device);
                if let Some(exit) = told {
                    remember(&mut echoes, &exit, number);
                    let is_translated = |it: Reason| it.kind() == Kind::Forward;
                    if exit.reason.is_some_and(is_translated) && sent_on.len() < 256 {
                        sent_on.push(exit.frame);
                    }
                }
            }
        }
        println!(
            "{:?}, {} held by affinity, {} confirmed, {} not tried, {} at a turn of the clock, {} not answered",
            seen.reasons, seen.held, seen.confirmed, seen.not_tried, seen.ticked, seen.limited
        );
        let often = |reason: &Reason| seen.reasons.get(reason.label()).copied().unwrap_or(0);
        let rare: Vec<_> = EXPECTED.iter().filter(|it| often(it) < 10).collect();
        assert!(rare.is_empty(), "hardly ever seen: {rare:?}");
        assert!(seen.held >= 20, "{} held by affinity", seen.held);
        assert!(seen.confirmed >= 1_000, "{} confirmed", seen.confirmed);
        assert!(seen.not_tried >= 1_000, "{} not tried", seen.not_tried);
        assert!(seen.ticked < number / 10, "{} of {number}", seen.ticked);
    });
}

#[test]
fn a_described_packet_is_right_in_every_length_and_checksum() {
    let transports = [
        Transport::Tcp(0x02),
        Transport::Udp,
        Transport::Sctp,
        Transport::Echo,
    ];
    for places in [Places::v4(), Places::v6()] {
        let (from, to) = (places.roles.client, places.roles.service);
        for transport in transports {
            for length in [0, 61, 75, 100, 1_400, 1_501] {
                let described = Described {
                    from,
                    to,
                    transport,
                    length,
                };
                let frame = described.frame().expect("one family");
                assert_eq!(verify(&frame), Ok(()), "{described:?}");
                let long_enough = usize::from(length) + 14;
                assert!(frame.len() >= long_enough, "{described:?}");
                assert!(frame.len() <= long_enough.max(98), "{described:?}");
            }
        }
    }
    let mixed = Described {
        from: Places::v4().roles.client,
        to: Places::v6().roles.service,
        transport: Transport::Udp,
        length: 0,
    };
    assert_eq!(mixed.frame(), None);
}

/// Explains a frame, then runs it; `None`: there is nothing to compare.
fn case(
    kernel: &mut KernelMachine,
    seen: &mut Seen,
    number: u32,
    frame: &[u8],
    programs: &[Program],
    device: u32,
) -> Option<Exit> {
    let entries: Vec<Entry> = programs
        .iter()
        .map(|program| Entry {
            role: program.role(),
            stage: program.stage(),
            device,
        })
        .collect();
    let tick = settled_tick(kernel);
    let compares = number.is_multiple_of(COMPARED);
    let before = compares.then(|| contents(kernel));
    let paper = walk(kernel.data_path(), frame, &entries).expect("the maps can be read");
    if has_ticked(kernel, tick) {
        seen.ticked += 1;
        return None;
    }
    confirms(kernel, seen, &paper);
    if let Some(before) = before {
        let after = contents(kernel);
        let changed: Vec<_> = before.symmetric_difference(&after).collect();
        assert!(changed.is_empty(), "case {number}: {changed:?}, {paper:?}");
    }
    let last = match &paper {
        Paper::V4(told) => agree(kernel, seen, programs, &told.stages),
        Paper::V6(told) => agree(kernel, seen, programs, &told.stages),
        Paper::Neither(verdict) => alone(kernel, programs, frame, *verdict),
    };
    if has_ticked(kernel, tick) {
        seen.ticked += 1;
        return None;
    }
    let exit = last.unwrap_or_else(|difference| panic!("case {number}: {difference}"))?;
    seen.cases += 1;
    let label = exit.reason.map_or("left alone", Reason::label);
    *seen.reasons.entry(label).or_default() += 1;
    Some(exit)
}

/// The tick, once both clocks are in it.
fn settled_tick(kernel: &KernelMachine) -> u32 {
    loop {
        let tick = kernel.tick();
        if !has_ticked(kernel, tick) {
            return tick;
        }
        thread::yield_now();
    }
}

/// Whether a tick has begun since, by the programs' clock, or by the one on paper, which is some milliseconds ahead.
fn has_ticked(kernel: &KernelMachine, tick: u32) -> bool {
    kernel.tick() != tick || (kernel.now_ns() >> TICK_SHIFT) as u32 != tick
}

/// Everything that a packet could change, one line an entry.
fn contents(kernel: &KernelMachine) -> BTreeSet<String> {
    let meters = kernel.data_path().meters().expect("maps of counters");
    let traffic = [
        meters.services(0..IDS),
        meters.backends::<Ip4>(0..IDS),
        meters.backends::<Ip6>(0..IDS),
    ];
    let traffic = traffic.map(|it| it.expect("they can be read")).concat();
    let records = kernel.records().into_iter().map(|it| format!("{it:?}"));
    let affinities = kernel.affinities().into_iter().map(|it| format!("{it:?}"));
    let counters = kernel.counters().into_iter().enumerate();
    let counters = counters.map(|(reason, it)| format!("{reason}: {it:?}"));
    let traffic = traffic.into_iter().enumerate();
    let traffic = traffic.map(|(id, it)| format!("{id}: {it:?}"));
    records
        .chain(affinities)
        .chain(counters)
        .chain(traffic)
        .collect()
}

/// The agent's own confirmation never finds a difference, and never changes a record.
fn confirms(kernel: &KernelMachine, seen: &mut Seen, paper: &Paper) {
    let tagged = |frame: &[u8]| dissect(frame).is_ok_and(|sent| !sent.tags.is_empty());
    let (effect, frame) = match paper {
        Paper::V4(told) => (side_effect(told), &told.stages[0].before),
        Paper::V6(told) => (side_effect(told), &told.stages[0].before),
        Paper::Neither(_) => return,
    };
    if tagged(frame) {
        return;
    }
    match confirm(kernel.data_path(), paper).confirmation {
        Confirmation::Confirmed => {
            assert_eq!(effect, None);
            seen.confirmed += 1;
        }
        Confirmation::NotTried(why) => {
            let excused = effect.is_some() || why.contains("try again");
            assert!(excused, "{why}: {}", hexdump(frame));
            seen.not_tried += 1;
        }
        Confirmation::Differs(how) => panic!("{how}: {paper:?}\n{}", hexdump(frame)),
    }
}

/// Runs what is neither IPv4 nor IPv6.
fn alone(
    kernel: &mut KernelMachine,
    programs: &[Program],
    frame: &[u8],
    verdict: Verdict,
) -> Result<Option<Exit>, String> {
    let program = programs[programs.len() - 1];
    if program == Program::TcHost {
        return Ok(None);
    }
    let exit = kernel.run(program, frame, UPLINK);
    if (exit.code, exit.reason) != (program.code(verdict.door), Some(verdict.reason)) {
        return Err(format!("{exit:?}, not {verdict:?}"));
    }
    Ok(Some(exit))
}

/// Runs each program that the paper says had the packet; the last one's end.
fn agree<A: Address>(
    kernel: &mut KernelMachine,
    seen: &mut Seen,
    programs: &[Program],
    stages: &[Stage<A>],
) -> Result<Option<Exit>, String> {
    let mut last = None;
    for (stage, program) in stages.iter().zip(programs) {
        let mut exit = kernel.run(*program, &stage.before, stage.entry.device);
        if exit.reason == Some(Reason::RateLimited) {
            seen.limited += 1;
            return Ok(None);
        }
        exit.door = stage.verdict.map(|verdict| verdict.door);
        let told = Exit {
            who: "paper".to_owned(),
            frame: stage.after.clone(),
            code: program.code(stage.verdict.map_or(Door::Stack, |it| it.door)),
            reason: stage
                .verdict
                .filter(|it| is_counted(stage.entry, *it))
                .map(|it| it.reason),
            ..exit.clone()
        };
        if is_unanswerable_in_a_test_run(&told) {
            return Ok(None);
        }
        if (told.code, told.reason, &told.frame) != (exit.code, exit.reason, &exit.frame) {
            return Err(differ(stage, &told, &exit));
        }
        check_door(stage);
        seen.held += u32::from(is_held(stage));
        last = Some(exit);
    }
    Ok(last)
}

/// A neighbour's door is the device that the node's routes name.
fn check_door<A: Address>(stage: &Stage<A>) {
    let Some(Door::Neighbour(device)) = stage.verdict.map(|it| it.door) else {
        return;
    };
    let routed = stage.asked.iter().rev().find_map(|it| match it {
        Asked::Route(key, ..) => Some(textbook::network().route(key.dst.to_ip(), 0)),
        _ => None,
    });
    match routed {
        Some(Route::Via { device: named, .. }) => assert_eq!(device, named),
        other => panic!("device {device}, but the routes say {other:?}"),
    }
}

/// Whether an affinity record chose the backend: no slot was asked.
fn is_held<A: Address>(stage: &Stage<A>) -> bool {
    let has = |test: fn(&Asked<A>) -> bool| stage.asked.iter().any(test);
    has(|it| matches!(it, Asked::Affinity(_, Some(_))))
        && !has(|it| matches!(it, Asked::Slot(..)))
        && has(|it| matches!(it, Asked::AffinityPut(..)))
}

fn differ<A: Address>(stage: &Stage<A>, told: &Exit, exit: &Exit) -> String {
    format!(
        "{} at device {}\non paper: code {}, {:?}, {:?}\nin the kernel: code {}, {:?}\nasked: {:#?}\nwent in:\n{}as on paper, and in the kernel:\n{}(codes: next {}, shot {}, redirect {})",
        exit.program.name(),
        exit.device,
        told.code,
        told.reason,
        stage.verdict,
        exit.code,
        exit.reason,
        stage.asked,
        hexdump(&exit.sent),
        explain_difference(&told.frame, &exit.frame),
        code::NEXT,
        code::SHOT,
        code::REDIRECT,
    )
}

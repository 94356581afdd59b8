//! Host and kernel do the same with 20,000 random frames, and what they do is what the oracle expects.
//!
//! The first half proves that the glue is right; the second, that both are.

use std::collections::{BTreeMap, HashSet};
use std::thread;
use std::time::Duration;

use tidegate_abi::{Reason, reason::Kind};
use tidegate_datapath::Door;
use tidegate_frames::{
    Rng, explain_difference, hexdump,
    oracle::{
        dissect::{Piece, dissect},
        same_packet,
    },
};
use tidegate_journeys::{
    Scene,
    machine::{Exit, Machine, Program, code},
    on_host::HostMachine,
    on_kernel::{KernelMachine, with_kernel},
    record::Record,
};

mod expected;
pub(crate) mod frames;

use expected::{Datagrams, answer, translation};
use frames::{frame, hops, remember, scene};

const FRAMES: u32 = 20_000;
const SEED: u64 = 0x7469_6465_6761_7465;

/// Reasons that must come up often, or the frames test nothing.
const EXPECTED: [Reason; 26] = [
    Reason::NotIp,
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

/// Both machines, and what was seen.
struct Twins<'a> {
    host: HostMachine,
    kernel: &'a mut KernelMachine,
    scene: Scene,
    reasons: BTreeMap<&'static str, u32>,
    datagrams: Datagrams,
    /// Fragments without ports that were translated.
    pieces: u32,
    /// Runs that the kernel refused to answer: it answers only so many in a moment.
    limited: u32,
    /// Runs that a turn of the kernel's clock made incomparable.
    ticked: u32,
}

#[test]
fn twenty_thousand_random_frames_meet_the_same_fate_on_the_host_and_in_the_kernel() {
    with_kernel(|kernel| {
        let mut host = HostMachine::new();
        let scene = scene();
        host.start(&scene);
        kernel.start(&scene);
        let mut twins = Twins {
            host,
            kernel,
            scene,
            reasons: BTreeMap::new(),
            datagrams: Datagrams::default(),
            pieces: 0,
            limited: 0,
            ticked: 0,
        };
        let mut rng = Rng::new(SEED);
        let mut echoes = Vec::new();
        for number in 0..FRAMES {
            let frame = frame(&mut rng, &echoes);
            for (program, device) in hops(&mut rng) {
                if let Some(exit) = twins.run(number, program, &frame, device) {
                    remember(&mut echoes, &exit, number);
                }
            }
        }
        twins.records_are_alike();
        println!(
            "{:?}, {} runs at a turn of the clock, {} not answered",
            twins.reasons, twins.ticked, twins.limited
        );
        let seen = |reason: &Reason| twins.reasons.get(reason.label()).copied().unwrap_or(0);
        let rare: Vec<_> = EXPECTED.iter().filter(|reason| seen(reason) < 10).collect();
        assert!(
            rare.is_empty(),
            "hardly ever seen: {rare:?} in {:?}",
            twins.reasons
        );
        assert!(twins.ticked < FRAMES / 10, "{}", twins.ticked);
        assert!(twins.pieces >= 10, "{}", twins.pieces);
        assert!(twins.limited < FRAMES / 4, "{}", twins.limited);
    });
}

impl Twins<'_> {
    /// One run on both; `None` when there is nothing to compare.
    fn run(&mut self, number: u32, program: Program, frame: &[u8], device: u32) -> Option<Exit> {
        if !self.kernel.takes(program, frame) {
            return None;
        }
        let now = self.kernel.tick();
        let kernel = self.kernel.run(program, frame, device);
        self.host.0.world.tick.set(now);
        let host = self.host.run(program, frame, device);
        self.datagrams.note(&host);
        if self.kernel.tick() != now {
            self.resynchronise();
            return None;
        }
        if kernel.reason == Some(Reason::RateLimited) {
            let kind = host.reason.map(Reason::kind);
            assert_eq!((kernel.code, kind), (code::SHOT, Some(Kind::Reject)));
            self.limited += 1;
            return None;
        }
        let label = host.reason.map_or("left alone", Reason::label);
        *self.reasons.entry(label).or_default() += 1;
        let is_later = dissect(&host.sent).is_ok_and(|sent| sent.piece == Piece::Later);
        if is_later && host.frame != host.sent {
            self.pieces += 1;
        }
        if is_unanswerable_in_a_test_run(&host) {
            assert_eq!(
                (kernel.code, kernel.reason),
                (code::SHOT, Some(Reason::RejectFailed))
            );
        } else {
            let alike = (host.code, host.reason) == (kernel.code, kernel.reason)
                && host.frame == kernel.frame;
            assert!(alike, "frame {number}: {}", differ(&host, &kernel));
        }
        self.check_with_the_oracle(&host);
        Some(host)
    }

    /// The clock turned while the kernel ran: nobody knows which tick it read.
    fn resynchronise(&mut self) {
        self.ticked += 1;
        for record in self.host.records() {
            self.host.remove_record(&record.key);
        }
        for record in self.kernel.records() {
            self.host.put_record(&record);
        }
        for record in self.kernel.affinities() {
            self.host.put_affinity(&record);
        }
        thread::sleep(Duration::from_millis(1));
    }

    fn check_with_the_oracle(&self, exit: &Exit) {
        let Some(reason) = exit.reason else {
            assert_eq!(exit.sent, exit.frame);
            return;
        };
        let expected = match reason.kind() {
            Kind::Pass | Kind::Drop => exit.sent.clone(),
            // Nobody is told about an error, or about a piece that is not the first.
            Kind::Reject if exit.door == Some(Door::Drop) => exit.sent.clone(),
            Kind::Forward => translation(&self.host, &self.scene, &self.datagrams, exit),
            Kind::Reject => answer(exit, reason),
        };
        let difference = explain_difference(&expected, &exit.frame);
        assert!(
            same_packet(&expected, &exit.frame),
            "{reason:?}: {difference}{}",
            hexdump(&exit.sent)
        );
    }

    fn records_are_alike(&self) {
        let timeless = |record: Record| Record {
            seen: 0,
            created: 0,
            ..record
        };
        let keyed = |records: Vec<Record>| -> HashSet<String> {
            records
                .into_iter()
                .map(|record| format!("{:?}", timeless(record)))
                .collect()
        };
        let (host, kernel) = (keyed(self.host.records()), keyed(self.kernel.records()));
        let different: Vec<_> = host.symmetric_difference(&kernel).collect();
        assert!(
            different.is_empty(),
            "{} of {} records: {different:?}",
            different.len(),
            host.len()
        );
        assert!(host.len() > 1_000, "only {} records", host.len());
    }
}

/// In a test run a tag stays in the frame, where the kernel can open no gap behind it. A real socket
/// buffer carries its tag outside the frame.
pub(crate) fn is_unanswerable_in_a_test_run(host: &Exit) -> bool {
    let icmp = dissect(&host.frame).is_ok_and(|answer| matches!(answer.protocol, 1 | 58));
    let tagged = dissect(&host.sent).is_ok_and(|sent| !sent.tags.is_empty());
    let in_place = host.reason == Some(Reason::PingAnswered);
    host.door == Some(Door::Back) && icmp && tagged && !in_place
}

fn differ(host: &Exit, kernel: &Exit) -> String {
    format!(
        "{} at device {}\nhost: code {}, {:?}, {:?}\nkernel: code {}, {:?}\nwent in:\n{}as on the host, and in the kernel:\n{}",
        host.program.name(),
        host.device,
        host.code,
        host.reason,
        host.door,
        kernel.code,
        kernel.reason,
        hexdump(&host.sent),
        explain_difference(&host.frame, &kernel.frame)
    )
}

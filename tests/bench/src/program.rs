//! What one loaded program costs for a packet, alone: no device, no stack, no agent.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result, ensure};
use tidegate_abi::{
    Proto,
    flow::flags::SETTLED,
    frontend::flags::{LOCAL_ONLY, NODE_PORT},
};
use tidegate_datapath::tcp;
use tidegate_frames::frame::{Frame, tcp as flag};
use tidegate_journeys::{
    machine::Machine as _,
    on_kernel::{KernelMachine, with_kernel_of},
    textbook::{self, Places, UPLINK},
};

use crate::{
    driver::{Driver, Hook, Plan, side},
    report::{Report, Row},
};

/// Flow records of each family: of a million flows, and room to spare.
const RECORDS: u32 = 1 << 22;
/// So many flows are opened at a time: twice the records fit where flows are that are not settled.
const OPENED: u32 = 1 << 18;
/// The largest packet that is made.
const LEN: usize = 80;
/// One measurement is of at least so many packets.
const PACKETS: u32 = 1 << 20;
/// Rounds are short, so that some of them are not disturbed by what else this machine does.
const ROUND: u32 = 1 << 14;

/// Backends on another node: a masquerade port is one flow's for each of them.
const REMOTE: u8 = 64;

/// Which packets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// Of flows that are recorded, from the client.
    Known,
    /// Of flows that are recorded, from the backend.
    Reply,
    /// The first one of each flow.
    New,
    /// To no Service.
    Stranger,
}

/// One line of the table.
struct Case {
    program: &'static str,
    hook: Hook,
    device: u32,
    v6: bool,
    tcp: bool,
    kind: Kind,
    flows: u32,
    remote: bool,
    /// One of them is dialled.
    services: u32,
}

/// Services of a large cluster.
const MANY: u32 = 50_000;

pub(crate) fn run(report: &mut Report, quick: bool, times: u32, only: &[String]) -> Result<()> {
    with_kernel_of(RECORDS, |machine| {
        let mut driver = Driver::load()?;
        for case in cases(quick) {
            let label = case.label();
            if !only.iter().all(|word| label.contains(word)) {
                continue;
            }
            for _ in 1..times {
                let _again: Row = measure(&case, machine, &mut driver)?;
            }
            let row = measure(&case, machine, &mut driver)
                .with_context(|| format!("{} {:?}", case.program, case.kind))?;
            report.add(row);
        }
        Ok(())
    })
}

fn cases(quick: bool) -> Vec<Case> {
    let counts: &[u32] = if quick {
        &[1, 1 << 16]
    } else {
        &[1, 1 << 10, 1 << 16, 1 << 20]
    };
    let mut cases = Vec::new();
    for v6 in [false, true] {
        for (program, hook, device, remote) in [
            ("xdp_uplink", Hook::Xdp, UPLINK, true),
            ("tc_uplink", Hook::Tc, UPLINK, false),
            ("tc_uplink", Hook::Tc, UPLINK, true),
            ("tc_pod", Hook::Tc, textbook::POD, false),
        ] {
            let case = |kind, tcp, flows| Case {
                program,
                hook,
                device,
                v6,
                tcp,
                kind,
                flows,
                remote,
                services: 1,
            };
            let among_many = |case: Case| Case {
                services: MANY,
                ..case
            };
            let kind = if program == "tc_pod" {
                Kind::Reply
            } else {
                Kind::Known
            };
            for tcp in [true, false] {
                cases.extend(counts.iter().map(|flows| case(kind, tcp, *flows)));
            }
            cases.push(among_many(case(kind, true, 1 << 10)));
            if program != "tc_pod" {
                cases.push(case(Kind::New, false, 1 << 20));
                cases.push(among_many(case(Kind::New, false, 1 << 20)));
            }
            cases.push(case(Kind::Stranger, true, 1 << 16));
        }
    }
    cases
}

fn measure(case: &Case, machine: &mut KernelMachine, driver: &mut Driver) -> Result<Row> {
    let places = if case.v6 { Places::v6() } else { Places::v4() };
    machine.start(&scene(&places, case));
    route_clients()?;
    let id = machine.data_path().program_id(case.program)?;
    if matches!(case.kind, Kind::Known | Kind::Reply) {
        open(case, &places, machine, driver)?;
    }
    driver.plan(&plan(
        case,
        &places,
        case.kind,
        case.tcp.then_some(flag::ACK),
    )?)?;
    let packets = if case.kind == Kind::New {
        case.flows / 2
    } else {
        PACKETS.max(2 * case.flows)
    };
    let (mut with, mut without) = (Vec::new(), Vec::new());
    driver.rewind_to(0)?;
    for _ in 0..packets / ROUND {
        driver.aim(case.hook, None)?;
        let least = if case.kind == Kind::New { 1 } else { ROUND };
        without.push(driver.run(case.hook, case.device, LEN, least)?.0);
        driver.aim(case.hook, Some(id))?;
        let before = machine.counters();
        let (ns, code) = driver.run(case.hook, case.device, LEN, ROUND)?;
        with.push(ns);
        expect(
            case.kind,
            case.hook,
            code,
            &before,
            &machine.counters(),
            ROUND,
        )?;
    }
    if case.kind == Kind::New {
        without = vec![driver_alone(case, driver)?];
    }
    let (with, without) = (calm(&with), calm(&without));
    Ok(Row::program(&case.label(), with - without, without))
}

/// The driver's own cost.
fn driver_alone(case: &Case, driver: &mut Driver) -> Result<f64> {
    driver.aim(case.hook, None)?;
    let rounds = (0..32).map(|_| Ok(driver.run(case.hook, case.device, LEN, ROUND)?.0));
    Ok(calm(&rounds.collect::<Result<Vec<_>>>()?))
}

/// The fastest round: on a busy machine the one that was left alone.
fn calm(rounds: &[f64]) -> f64 {
    rounds.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Every packet came to what it should: a benchmark of drops would be fast.
fn expect(
    kind: Kind,
    hook: Hook,
    code: u32,
    before: &[tidegate_abi::Counter],
    after: &[tidegate_abi::Counter],
    packets: u32,
) -> Result<()> {
    use tidegate_abi::Reason;
    let reason = match kind {
        Kind::Known => Reason::KnownFlow,
        Kind::Reply => Reason::KnownReply,
        Kind::New => Reason::NewFlow,
        // XDP counts nothing that it passes.
        Kind::Stranger if hook == Hook::Xdp => return Ok(()),
        Kind::Stranger => Reason::NotService,
    };
    let at = reason as usize;
    let grown = |at: usize| after[at].packets - before[at].packets;
    let others: Vec<_> = Reason::ALL
        .iter()
        .filter(|it| grown(**it as usize) > 0)
        .collect();
    ensure!(
        grown(at) >= u64::from(packets) * 999 / 1000,
        "{} of {packets} packets were {reason:?}; there were {others:?}, and the last one's code is {code}",
        grown(at)
    );
    Ok(())
}

/// Makes the flow records: the first packet of each flow, for a pod's answer to TCP also the second, then another one.
fn open(
    case: &Case,
    places: &Places,
    machine: &mut KernelMachine,
    driver: &mut Driver,
) -> Result<()> {
    // What a pod answers came in by the uplink.
    let (program, device) = match case.kind {
        Kind::Reply => ("tc_uplink", UPLINK),
        _ => (case.program, case.device),
    };
    let mut steps = vec![(program, device, Kind::New, flag::SYN)];
    if case.kind == Kind::Reply {
        steps.push((
            case.program,
            case.device,
            Kind::Reply,
            flag::SYN | flag::ACK,
        ));
    }
    steps.push((program, device, Kind::New, flag::ACK));
    for first in (0..case.flows).step_by(OPENED as usize) {
        let count = OPENED.min(case.flows - first);
        for &(program, device, kind, flags) in &steps {
            let id = machine.data_path().program_id(program)?;
            driver.plan(&plan(case, places, kind, case.tcp.then_some(flags))?)?;
            driver.aim(case.hook, Some(id))?;
            driver.rewind_to(first)?;
            let before = machine.counters();
            let (_time, code) = driver.run(case.hook, device, LEN, count)?;
            if flags == flag::SYN {
                let after = machine.counters();
                expect(kind, case.hook, code, &before, &after, count)
                    .context("opening the flows")?;
            }
        }
        // What answers of remote backends would do, whose ports nobody here knows.
        for mut record in machine.opening_records() {
            record.flags |= SETTLED;
            record.state = if case.tcp { tcp::OPEN } else { tcp::ANSWERED };
            machine.put_record(&record);
        }
    }
    Ok(())
}

fn plan(case: &Case, places: &Places, kind: Kind, flags: Option<u8>) -> Result<Plan> {
    let client = client(case.v6);
    let (src, dst) = match kind {
        Kind::Reply => (places.roles.backend, client),
        Kind::Stranger => (client, places.elsewhere),
        Kind::Known | Kind::New => (client, places.roles.node_port),
    };
    let mut bytes = match flags {
        Some(flags) => Frame::tcp(src, dst).flags(flags).build(),
        None => Frame::udp(src, dst).payload([0; 18]).build(),
    };
    bytes.resize(LEN, 0);
    let mut sides = 0;
    if case.v6 {
        sides |= side::V6;
    }
    if kind == Kind::Reply {
        sides |= side::DESTINATION;
    }
    if flags.is_some() {
        sides |= side::TCP;
    }
    let mut template = [0; 64];
    template.copy_from_slice(&bytes[..64]);
    Ok(Plan {
        template,
        mask: case.flows - 1,
        side: sides,
        device: 0,
        target: 0,
    })
}

/// The first client; the low half of the address and the port differ from flow to flow.
fn client(v6: bool) -> SocketAddr {
    let ip: IpAddr = if v6 {
        [0xfd00, 0x7469, 0x200, 0, 0, 0, 0, 0].into()
    } else {
        [10, 200, 0, 0].into()
    };
    SocketAddr::new(ip, 0)
}

fn route_clients() -> Result<()> {
    let (v4, v6) = (Places::v4(), Places::v6());
    for (net, via) in [
        ("10.200.0.0/16", v4.neighbour),
        ("fd00:7469:200::/112", v6.neighbour),
    ] {
        let mut ip = std::process::Command::new("ip");
        ip.args(["route", "replace", net, "via", &via.ip().to_string()]);
        let _printed: String = tidegate_rig::output_of(&mut ip)?;
    }
    Ok(())
}

fn scene(places: &Places, case: &Case) -> tidegate_journeys::scene::Scene {
    let mut scene = textbook::scene();
    // Nearly all ports: a million flows go to a few backends.
    (scene.settings.masquerade_min, scene.settings.masquerade_max) = (1024, 65_535);
    let proto = if case.tcp { Proto::TCP } else { Proto::UDP };
    let ids: Vec<_> = if case.remote {
        (0..REMOTE)
            .map(|n| scene.backend(remote(places, n)))
            .collect()
    } else {
        vec![scene.backend(places.roles.backend)]
    };
    // Replies to masqueraded clients come in by the uplink again, those of a pod to the client itself do not.
    let flags = if case.kind == Kind::Reply {
        NODE_PORT | LOCAL_ONLY
    } else {
        NODE_PORT
    };
    for number in 1..case.services {
        scene.frontend(other(case.v6, number), proto, flags, &ids[..1]);
    }
    scene.frontend(places.roles.node_port, proto, flags, &ids);
    scene
}

/// Where a Service that nobody dials is.
fn other(v6: bool, number: u32) -> SocketAddr {
    let [a, b] = [(number >> 16) as u16, number as u16];
    let ip: IpAddr = if v6 {
        [0xfd00, 0x7469, 0x97, 0, 0, 0, a, b].into()
    } else {
        std::net::Ipv4Addr::from_bits(0x0a61_0000 + number).into()
    };
    SocketAddr::new(ip, 80)
}

fn remote(places: &Places, number: u8) -> SocketAddr {
    let at = places.roles.remote_backend;
    let ip = match at.ip() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            IpAddr::from([a, b, c, 10 + number])
        }
        IpAddr::V6(ip) => {
            let mut segments = ip.segments();
            segments[7] = 0x10 + u16::from(number);
            segments.into()
        }
    };
    SocketAddr::new(ip, at.port())
}

impl Case {
    fn label(&self) -> Vec<String> {
        let mut kind = match self.kind {
            Kind::Known => "established",
            Kind::Reply => "reply",
            Kind::New => "new flow",
            Kind::Stranger => "no service",
        }
        .to_owned();
        if self.services > 1 {
            kind += &format!(", {} services", self.services);
        }
        let to = if self.remote { "remote" } else { "local" };
        let transport = if self.tcp { "TCP" } else { "UDP" };
        let family = if self.v6 { "IPv6" } else { "IPv4" };
        [self.program, family, transport, &kind, to]
            .map(str::to_owned)
            .into_iter()
            .chain([self.flows.to_string()])
            .collect()
    }
}

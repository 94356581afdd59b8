//! What one loaded program costs for a packet, alone: no device, no stack, no agent.

mod case;
mod opening;
mod scene;
mod yardstick;

use anyhow::{Context as _, Result, ensure};
use tidegate_frames::frame::tcp as flag;
use tidegate_journeys::{
    machine::Machine as _,
    on_kernel::{KernelMachine, with_kernel_of},
    textbook::Places,
};

use crate::{
    driver::{Driver, Hook},
    report::{Report, Row},
};
use case::{Case, Kind};

/// Flow records of each family: of a million flows, and room to spare.
const RECORDS: u32 = 1 << 22;
/// The largest packet that is made.
const LEN: usize = 80;
/// One measurement is of at least so many packets.
const PACKETS: u32 = 1 << 20;
/// Rounds are short, so that some of them are not disturbed by what else this machine does.
const ROUND: u32 = 1 << 14;
/// Pairs of measurements with one Service and with many.
const TURNS: u32 = 4;

pub(crate) fn run(report: &mut Report, quick: bool, times: u32, only: &[String]) -> Result<()> {
    with_kernel_of(RECORDS, |machine| {
        let mut driver = Driver::load()?;
        let is_wanted = |label: &[String]| only.iter().all(|word| label.contains(word));
        for flows in case::counts(quick) {
            if is_wanted(&yardstick::label(*flows)) {
                report.add(yardstick::measure(*flows, &mut driver)?);
            }
        }
        for case in case::cases(quick) {
            if !is_wanted(&case.label()) {
                continue;
            }
            for _ in 1..times {
                let _again: Row = measure(&case, machine, &mut driver)?;
            }
            let row = if case.services > 1 {
                beside_one(&case, machine, &mut driver)
            } else {
                measure(&case, machine, &mut driver)
            };
            report.add(row.with_context(|| format!("{} {:?}", case.program, case.kind))?);
        }
        Ok(())
    })
}

/// The case, and the same with one Service, by turns: what else this machine does meets both of them.
fn beside_one(case: &Case, machine: &mut KernelMachine, driver: &mut Driver) -> Result<Row> {
    let alone = Case {
        services: 1,
        ..*case
    };
    let (mut one, mut many) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..TURNS {
        one = one.min(measure(&alone, machine, driver)?.value);
        many = many.min(measure(case, machine, driver)?.value);
    }
    Ok(Row::rate("services", case.label(), many, "ns").against(Some(one)))
}

fn measure(case: &Case, machine: &mut KernelMachine, driver: &mut Driver) -> Result<Row> {
    let places = if case.v6 { Places::v6() } else { Places::v4() };
    machine.start(&scene::scene(&places, case));
    scene::route_clients()?;
    let id = machine.data_path().program_id(case.program)?;
    if matches!(case.kind, Kind::Known | Kind::Reply) {
        opening::open(case, &places, machine, driver)?;
    }
    let flags = case.tcp.then_some(flag::ACK);
    scene::send(case, &places, case.kind, flags, driver)?;
    let packets = if case.kind == Kind::New {
        case.flows / 2
    } else {
        PACKETS.max(2 * case.flows)
    };
    driver.rewind_to(0)?;
    let Case {
        hook, device, kind, ..
    } = *case;
    let alone = if kind == Kind::New { 1 } else { ROUND };
    let rounds = packets / ROUND;
    let (with, mut without) = by_turns(driver, (hook, device), rounds, alone, |driver| {
        driver.aim(hook, Some(id))?;
        let before = machine.counters();
        let (ns, code) = driver.run(hook, device, LEN, ROUND)?;
        expect(kind, hook, code, &before, &machine.counters(), ROUND)?;
        Ok(ns)
    })?;
    if kind == Kind::New {
        without = driver_alone(case, driver)?;
    }
    Ok(Row::program(&case.label(), with - without, without))
}

/// Nanoseconds of a packet with the program and of the driver alone, by turns; `alone` packets of the latter.
fn by_turns(
    driver: &mut Driver,
    (hook, device): (Hook, u32),
    rounds: u32,
    alone: u32,
    mut one: impl FnMut(&mut Driver) -> Result<f64>,
) -> Result<(f64, f64)> {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        driver.aim(hook, None)?;
        without.push(driver.run(hook, device, LEN, alone)?.0);
        with.push(one(driver)?);
    }
    Ok((calm(&with), calm(&without)))
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

//! Flow records, made as flows make them.

use anyhow::{Context as _, Result};
use tidegate_abi::flow::flags::SETTLED;
use tidegate_datapath::tcp;
use tidegate_frames::frame::tcp as flag;
use tidegate_journeys::{
    machine::Machine as _,
    on_kernel::KernelMachine,
    textbook::{Places, UPLINK},
};

use super::{Case, Kind, LEN, expect, scene};
use crate::driver::Driver;

/// So many flows are opened at a time: twice the records fit where flows are that are not settled.
const OPENED: u32 = 1 << 18;

/// Makes the flow records: the first packet of each flow, for a pod's answer to TCP also the second, then another one.
pub(super) fn open(
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
            scene::send(case, places, kind, case.tcp.then_some(flags), driver)?;
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

//! The agent as a process, under the names that all Prometheus clients use.

use std::{fmt, fs};

use nix::unistd::{SysconfVar, sysconf};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder, registry::Unit};

use super::samples::{Head, Sheet};

/// Reads /proc at each scrape.
#[derive(Debug)]
pub(super) struct Process {
    ticks_per_second: f64,
    page_bytes: u64,
}

/// What /proc/self/stat says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Default for Process {
    fn default() -> Self {
        let of = |var, usual| {
            let value = sysconf(var).ok().flatten();
            value.and_then(|it| u64::try_from(it).ok()).unwrap_or(usual)
        };
        Self {
            ticks_per_second: of(SysconfVar::CLK_TCK, 100) as f64,
            page_bytes: of(SysconfVar::PAGE_SIZE, 4096),
        }
    }
}

impl Collector for Process {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut sheet = Sheet(encoder);
        let stat = fs::read_to_string("/proc/self/stat")
            .ok()
            .and_then(|text| parse(&text));
        if let Some(stat) = stat {
            self.stat(&mut sheet, &stat)?;
        }
        if let Ok(entries) = fs::read_dir("/proc/self/fd") {
            // One of them is this listing's own.
            let open = entries.count().saturating_sub(1);
            sheet.gauge(
                Head("process_open_fds", None, "Open file descriptors."),
                open,
            )?;
        }
        if let Some(most) = max_fds() {
            let head = Head(
                "process_max_fds",
                None,
                "File descriptors that may be open.",
            );
            sheet.gauge(head, most)?;
        }
        Ok(())
    }
}

impl Process {
    fn stat(&self, sheet: &mut Sheet<'_>, stat: &Stat) -> fmt::Result {
        let cpu = stat.cpu_ticks as f64 / self.ticks_per_second;
        let head = Head(
            "process_cpu",
            Some(Unit::Seconds),
            "User and system CPU time.",
        );
        sheet.counter(head, cpu)?;
        let head = Head(
            "process_resident_memory",
            Some(Unit::Bytes),
            "Memory in RAM.",
        );
        sheet.gauge(head, stat.resident_pages * self.page_bytes)?;
        let head = Head(
            "process_virtual_memory",
            Some(Unit::Bytes),
            "Address space.",
        );
        sheet.gauge(head, stat.virtual_bytes)?;
        sheet.gauge(Head("process_threads", None, "Threads."), stat.threads)?;
        let Some(boot) = boot_time() else {
            return Ok(());
        };
        let start = boot + stat.start_ticks as f64 / self.ticks_per_second;
        let head = Head(
            "process_start_time",
            Some(Unit::Seconds),
            "When the agent started.",
        );
        sheet.gauge(head, start)
    }
}

/// The second field is a name in brackets, which may hold anything.
fn parse(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<u64> = rest
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    // proc(5) counts from 1, and `rest` begins with field 3.
    let field = |number: usize| fields.get(number - 3).copied();
    Some(Stat {
        cpu_ticks: field(14)? + field(15)?,
        threads: field(20)?,
        start_ticks: field(22)?,
        virtual_bytes: field(23)?,
        resident_pages: field(24)?,
    })
}

/// Seconds since 1970.
fn boot_time() -> Option<f64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

fn max_fds() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/limits").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_blanks_and_brackets_does_not_shift_the_fields() {
        let text = "1 (a) b (c) S 1 1 1 0 -1 4 5 6 7 8 100 50 0 0 20 0 9 0 777 4096000 1000 18446744073709551615 1";
        let expected = Stat {
            cpu_ticks: 150,
            threads: 9,
            start_ticks: 777,
            virtual_bytes: 4_096_000,
            resident_pages: 1000,
        };
        assert_eq!(parse(text), Some(expected));
        assert_eq!(parse("1 (short) S 1"), None);
    }

    #[test]
    fn this_process_has_memory_threads_and_descriptors() {
        let stat = parse(&fs::read_to_string("/proc/self/stat").unwrap()).unwrap();
        assert!(stat.threads > 0 && stat.resident_pages > 0 && stat.start_ticks > 0);
        assert!(boot_time().unwrap() > 1e9);
        assert!(max_fds().unwrap() > 0);
    }
}

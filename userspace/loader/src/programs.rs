//! The programs into the kernel, several at a time.

use std::{
    num::NonZero,
    sync::{Mutex, PoisonError},
    thread,
};

use aya::{
    Ebpf,
    programs::{Program, ProgramError},
};

use crate::{
    error::Error,
    load::missing,
    object::{CGROUP_PROGRAMS, PROGRAMS},
};

/// A kernel that looks at many programs at once needs memory for each: some tens of megabytes.
const AT_A_TIME: usize = 4;

/// Loads all of them. Nearly all of an agent's start is the verifier's work, which is done by the thread that asks.
pub(crate) fn load(ebpf: &mut Ebpf) -> Result<(), Error> {
    let mut programs: Vec<_> = ebpf.programs_mut().collect();
    let mut waiting = Vec::new();
    for name in PROGRAMS.into_iter().chain(CGROUP_PROGRAMS) {
        let place = programs.iter().position(|(it, _)| *it == name);
        let (_, program) = programs.swap_remove(place.ok_or_else(|| missing(name))?);
        waiting.push((name, program));
    }
    let waiting = Mutex::new(waiting.into_iter());
    let next = || {
        waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next()
    };
    let work = || {
        while let Some((name, program)) = next() {
            load_one(name, program)?;
        }
        Ok(())
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.min(AT_A_TIME))
            .map(|_| scope.spawn(work))
            .collect();
        let mut outcomes = workers.into_iter().map(|worker| {
            let panicked = |_| Err(Error::new("a thread that loads programs has panicked"));
            worker.join().unwrap_or_else(panicked)
        });
        outcomes.try_for_each(|outcome| outcome)
    })
}

pub(crate) fn load_one(name: &str, program: &mut Program) -> Result<(), Error> {
    let result = match program {
        Program::Xdp(program) => program.load(),
        Program::SchedClassifier(program) => program.load(),
        Program::CgroupSockAddr(program) => program.load(),
        _ => return Err(missing(name)),
    };
    result.map_err(|error| refused(name, error))
}

/// The verifier's last lines say why; the rest is in the error's source.
fn refused(name: &str, error: ProgramError) -> Error {
    let ProgramError::LoadError {
        io_error,
        verifier_log,
    } = &error
    else {
        return Error::because(format_args!("cannot load program {name}"), error);
    };
    let log = verifier_log.to_string();
    let last: Vec<&str> = log
        .lines()
        .rev()
        .filter(|line| !line.starts_with("processed"))
        .take(3)
        .collect();
    let hint = if log.contains("last insn is not an exit or jmp") || log.contains("infinite loop") {
        " (a panic is reachable)"
    } else {
        ""
    };
    let said = last.into_iter().rev().collect::<Vec<_>>().join(" | ");
    let what = format!("this kernel refuses program {name}{hint}: {io_error}: {said}");
    Error::because(what, error)
}

//! What this kernel's verifier says of every program, of the others too when one is refused.

use aya::Ebpf;

use crate::{
    detach_all,
    error::{Error, Step as _},
    host,
    load::{Options, create, frozen, missing},
    object::{CGROUP_PROGRAMS, PROGRAMS, Pins},
    programs,
};

/// How many instructions the verifier walked through, which it tells since Linux 5.16, or why it refuses a program.
pub type Verified = Result<Option<u32>, Error>;

/// Loads the programs one by one, tells of each, and takes everything away again: `bpffs` must be a directory of
/// the caller's own.
///
/// # Errors
/// No bpffs at the directory, missing rights, or a map that this kernel does not have.
pub fn verify_each(
    options: &Options,
    mut tell: impl FnMut(&'static str, Verified),
) -> Result<(), Error> {
    host::prepare_bpffs(&options.bpffs)?;
    let pins = Pins::below(&options.bpffs, tidegate_abi::ABI_VERSION);
    for directory in [&pins.maps, &pins.links] {
        std::fs::create_dir_all(directory)
            .step(format_args!("cannot create {}", directory.display()))?;
    }
    let created = create(options, &pins, &frozen(host::netns_cookie()));
    let mut ebpf = created.map_err(|error| Error::because("cannot load the eBPF object", error))?;
    for name in PROGRAMS.into_iter().chain(CGROUP_PROGRAMS) {
        tell(name, verify(&mut ebpf, name));
    }
    detach_all(&options.bpffs).map(|_removed| ())
}

fn verify(ebpf: &mut Ebpf, name: &str) -> Verified {
    let program = ebpf.program_mut(name).ok_or_else(|| missing(name))?;
    programs::load_one(name, program)?;
    let info = program
        .info()
        .step(format_args!("cannot look at program {name}"))?;
    Ok(info.verified_instruction_count())
}

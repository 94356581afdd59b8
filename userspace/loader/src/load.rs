//! Maps and programs into the kernel.

use std::{
    collections::HashMap,
    fs::File,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    path::PathBuf,
};

use aya::{
    Ebpf, EbpfLoader, VerifierLogLevel,
    maps::{Map, MapData, MapError, ProgramArray},
    programs::{SchedClassifier, TcAttachType},
};
use nix::fcntl::Flock;
use tidegate_abi::{maps as names, settings::Frozen};

use crate::{
    attach::Role,
    clock,
    error::{Error, Step as _},
    fault,
    host::{self, bpf},
    links::Held,
    object::{ASIDES, ASIDES_MAP, CGROUP_PROGRAMS, OBJECT, PINNED, PROGRAMS, Pins},
    pinned, programs, restore,
    unseen::Shared,
    version::{self, Abi},
};

/// How to load.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory on a mounted bpffs; the pins live in `<bpffs>/v<ABI_VERSION>`.
    pub bpffs: PathBuf,
    /// Flow records of each family.
    pub flows: u32,
    /// Service ports, and backends of each family, whose traffic is counted: those with the lowest ids.
    pub traffic: u32,
    /// tcx where the kernel has it (Linux 6.6); without it, filters on clsact qdiscs.
    pub tcx: bool,
}

/// The loaded programs and their maps. Dropping it detaches nothing: links and maps are pinned.
pub struct DataPath {
    pub(crate) ebpf: Ebpf,
    /// Held open: the kernel empties a program array that neither a pin nor a process holds.
    pub(crate) asides: Map,
    /// The pinned maps, held so that their pins can be made again.
    pub(crate) maps: Vec<(&'static str, OwnedFd)>,
    pub(crate) bpffs: PathBuf,
    /// On that directory, if it had to be made again.
    pub(crate) lock: Option<Flock<File>>,
    pub(crate) pins: Pins,
    /// What other versions have pinned.
    pub(crate) others: Vec<Pins>,
    pub(crate) devices: HashMap<String, (u32, Role)>,
    /// By their pins.
    pub(crate) links: HashMap<PathBuf, Held>,
    pub(crate) has_tcx: bool,
    /// Without tcx: which program hangs where, by its id.
    pub(crate) filters: HashMap<(u32, TcAttachType), u32>,
    /// Where the socket hooks hang.
    pub(crate) cgroup: Option<PathBuf>,
    /// `None` until the agent has said it: an earlier run may have left links of either kind.
    pub(crate) host_backends: Option<bool>,
    /// What `explain` has counted.
    pub(crate) unseen: Shared,
    adopted: bool,
    has_netns_cookie: bool,
    replaced: Vec<String>,
}

impl DataPath {
    /// Loads the programs, adopting pinned maps that fit.
    ///
    /// # Errors
    /// No bpffs at the directory, missing rights, or a program that this kernel's verifier refuses:
    /// the text carries what the verifier said last.
    pub fn load(options: &Options) -> Result<Self, Error> {
        Self::load_as(options, &Abi::default())
    }

    /// The same, as another version of the agent would do it. For tests.
    pub fn load_as(options: &Options, abi: &Abi) -> Result<Self, Error> {
        require_rights()?;
        host::prepare_bpffs(&options.bpffs)?;
        let pins = Pins::below(&options.bpffs, abi.version);
        let others = version::others(&options.bpffs, abi);
        let was_here = pins.root.exists();
        let loaded = Self::load_beside(options, pins.clone(), others, abi);
        if loaded.is_err() && !was_here {
            // Nothing of an earlier run was there, so nothing may stay behind.
            let _best_effort = crate::detach::remove_all(&pins);
            let _others_use_it = std::fs::remove_dir(&options.bpffs);
        }
        loaded
    }

    fn load_beside(
        options: &Options,
        pins: Pins,
        others: Vec<Pins>,
        abi: &Abi,
    ) -> Result<Self, Error> {
        restore::make_directories(&pins)?;
        let mut replaced = version::share(&pins, &others, abi)?;
        restore::find_maps(&pins)?;
        let adopted = pins.maps.join(names::FLOWS[0]).exists();
        let cookie = host::netns_cookie();
        let frozen = frozen(cookie);
        let mut ebpf = loop {
            match create(options, &pins, &frozen) {
                Ok(ebpf) => break ebpf,
                // A pin of another shape (another --flows) cannot be used: it makes way for a new one.
                Err(aya::EbpfError::MapError(MapError::IncompatiblePinnedMap {
                    name,
                    property,
                    ..
                })) => {
                    std::fs::remove_file(pins.maps.join(&name))
                        .step(format_args!("cannot remove the pinned map {name}"))?;
                    fault::point();
                    replaced.push(format!("{name} ({property} changed)"));
                }
                Err(error) => return Err(Error::because("cannot load the eBPF object", error)),
            }
        };
        #[cfg(feature = "debug-log")]
        print_log(&mut ebpf)?;
        programs::load(&mut ebpf)?;
        let maps = hold(&pins)?;
        let mut asides = ebpf
            .take_map(ASIDES_MAP)
            .ok_or_else(|| missing(ASIDES_MAP))?;
        let _laid = lay_asides(&mut asides, &ebpf)?;
        let mut loaded = Self {
            ebpf,
            asides,
            maps,
            bpffs: options.bpffs.clone(),
            lock: None,
            pins,
            others,
            devices: HashMap::new(),
            links: HashMap::new(),
            has_tcx: options.tcx && host::kernel_at_least(6, 6),
            filters: HashMap::new(),
            cgroup: None,
            host_backends: None,
            unseen: Shared::default(),
            adopted,
            has_netns_cookie: cookie.is_some(),
            replaced,
        };
        loaded.outlive_generations(abi)?;
        Ok(loaded)
    }

    /// Whether maps of an earlier run were adopted.
    pub fn adopted(&self) -> bool {
        self.adopted
    }

    /// Maps of an earlier run that could not be adopted, and why; their content is lost.
    pub fn replaced_maps(&self) -> &[String] {
        &self.replaced
    }

    /// Whether socket hooks can tell this host's processes from its pods'.
    pub fn can_hook_sockets(&self) -> bool {
        self.has_netns_cookie
    }

    /// The kernel's id of a loaded program, for whoever calls it from another one.
    pub fn program_id(&self, name: &str) -> Result<u32, Error> {
        let program = self.ebpf.program(name).ok_or_else(|| missing(name))?;
        let info = program
            .info()
            .step(format_args!("cannot look at program {name}"))?;
        Ok(info.id())
    }

    /// Instructions that the verifier walked through for each program.
    pub fn verified_instructions(&self) -> Result<Vec<(String, u32)>, Error> {
        let mut counts = Vec::new();
        for name in PROGRAMS.into_iter().chain(CGROUP_PROGRAMS) {
            let program = self.ebpf.program(name).ok_or_else(|| missing(name))?;
            let info = program
                .info()
                .step(format_args!("cannot look at program {name}"))?;
            counts.push((
                name.to_owned(),
                info.verified_instruction_count().unwrap_or(0),
            ));
        }
        Ok(counts)
    }
}

/// What the programs are told of this kernel before they are loaded.
pub(crate) fn frozen(netns_cookie: Option<u64>) -> Frozen {
    let jiffies = clock::jiffies();
    Frozen {
        netns_cookie: netns_cookie.unwrap_or(0),
        jiffies_at_zero: jiffies.at_zero,
        jiffy_ns: jiffies.ns,
        has_set_retval: u32::from(host::kernel_at_least(5, 18)),
    }
}

pub(crate) fn create(
    options: &Options,
    pins: &Pins,
    frozen: &Frozen,
) -> Result<Ebpf, aya::EbpfError> {
    let mut loader = EbpfLoader::new();
    let _loader = loader.override_global("FROZEN", bytemuck::bytes_of(frozen), true);
    for (settled, opening) in names::FLOWS.into_iter().zip(names::OPENING) {
        let _loader = loader.map_max_entries(settled, options.flows);
        let _loader = loader.map_max_entries(opening, names::opening(options.flows));
    }
    let [v4, v6] = names::BACKEND_TRAFFIC;
    for name in [names::SERVICE_TRAFFIC, v4, v6] {
        let _loader = loader.map_max_entries(name, options.traffic);
    }
    for name in PINNED {
        let _loader = loader.map_pin_path(name, pins.maps.join(name));
    }
    // The log would be asked for at every load; it is fetched again when a load fails.
    loader
        .verifier_log_level(VerifierLogLevel::DISABLE | VerifierLogLevel::STATS)
        .load(OBJECT)
}

/// The maps that outlive us, as they are pinned now.
fn hold(pins: &Pins) -> Result<Vec<(&'static str, OwnedFd)>, Error> {
    let open = |name: &'static str| {
        fault::point();
        let map = pinned::open(&pins.maps.join(name));
        let map = map.ok_or_else(|| Error::new(format!("map {name} has lost its pin at once")));
        Ok((name, map?))
    };
    PINNED.into_iter().map(open).collect()
}

/// Puts the programs for rare packets where the others find them; `true`: they were not there.
pub(crate) fn lay_asides(map: &mut Map, ebpf: &Ebpf) -> Result<bool, Error> {
    let Map::ProgramArray(data) = &*map else {
        return Err(missing(ASIDES_MAP));
    };
    let array = data.fd().as_fd().as_raw_fd();
    let mut were_missing = false;
    for (index, name) in (0..).zip(ASIDES) {
        let program: &SchedClassifier = ebpf
            .program(name)
            .ok_or_else(|| missing(name))?
            .try_into()
            .step(format_args!("cannot use program {name}"))?;
        let fd = program
            .fd()
            .step(format_args!("cannot use program {name}"))?;
        let ours: Option<u32> = pinned::told(fd.as_fd(), "prog_id:");
        if ours.is_some() && ours == laid(array, index) {
            continue;
        }
        were_missing = true;
        let mut places: ProgramArray<&mut MapData> =
            (&mut *map).try_into().step("cannot use map asides")?;
        places.set(index, fd, 0).step(format_args!(
            "cannot put program {name} into map {ASIDES_MAP}"
        ))?;
        fault::point();
    }
    Ok(were_missing)
}

/// Id of the program in a place of a program array.
fn laid(array: libc::c_int, index: u32) -> Option<u32> {
    const LOOKUP: libc::c_int = 1;
    let mut id = 0u32;
    let mut attributes = [
        u64::from(array.cast_unsigned()),
        (&raw const index).expose_provenance() as u64,
        (&raw mut id).expose_provenance() as u64,
        0,
    ];
    let _zero = bpf(LOOKUP, &mut attributes).ok()?;
    Some(id)
}

/// Hands what the programs log to the `log` crate, from a thread that lives as long as the process.
#[cfg(feature = "debug-log")]
fn print_log(ebpf: &mut Ebpf) -> Result<(), Error> {
    let mut logger = aya_log::EbpfLogger::init(ebpf).step("cannot read the programs' log")?;
    let _lives_on = std::thread::spawn(move || {
        loop {
            logger.flush();
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    });
    Ok(())
}

pub(crate) fn missing(name: &str) -> Error {
    Error::new(format!(
        "the embedded object has no {name}: rebuild tidegate"
    ))
}

/// CAP_BPF and CAP_NET_ADMIN, or root.
fn require_rights() -> Result<(), Error> {
    const NET_ADMIN: u32 = 12;
    const SYS_ADMIN: u32 = 21;
    const BPF: u32 = 39;
    let status =
        std::fs::read_to_string("/proc/self/status").step("cannot read /proc/self/status")?;
    let held = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    let has = |bit: u32| held & (1 << bit) != 0;
    if has(NET_ADMIN) && (has(BPF) || has(SYS_ADMIN)) {
        return Ok(());
    }
    Err(Error::new(
        "missing rights: tidegate needs CAP_BPF and CAP_NET_ADMIN; run it as root",
    ))
}

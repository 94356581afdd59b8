//! The control path in this process: store, compiler, planner and loader, on real maps under pins of their own.
//!
//! It is what the agent's loop does between hearing of a change and waiting for the next one, but for those whom the
//! agent tells about it (names for metrics, the API's view, health checks); the agent's own times are in
//! [`crate::agent`].

use std::{
    collections::BTreeSet,
    mem::discriminant,
    time::{Duration, Instant},
};

use anyhow::Result;
use serde_json::Value;
use tidegate_abi::{Address, Ip4, Ip6};
use tidegate_control::{
    Compiler, Image, Limits, NodeFacts, Plan, Planner, Store, Write, compile, manifest,
    plan::FamilyImage,
};
use tidegate_loader::{DataPath, Options as Load};
use tidegate_rig::Pins;

use crate::{
    Options, Row, cluster,
    measure::{Times, cpu_of_thread, maps_of, memory_of, millis},
};

/// Measures one size.
pub fn run(options: &Options, services: u32) -> Result<Row> {
    // Nothing is attached to a device, so any namespace will do.
    let pins = Pins::new()?;
    let load = Load {
        bpffs: pins.to_path_buf(),
        flows: 1 << 10,
        traffic: tidegate_abi::maps::TRAFFIC_MAX,
        tcx: true,
    };
    let kernel = DataPath::load(&load)?;
    let before = memory_of("self")?.0;
    let mut row = Row {
        bench: if options.is_whole {
            "inside, whole"
        } else {
            "inside"
        }
        .to_owned(),
        services,
        endpoints: services * cluster::ENDPOINTS,
        ..Row::default()
    };
    let mut path = Path::new(kernel, options.is_whole)?;
    let mut stored = Duration::ZERO;
    for object in (0..services).flat_map(|it| [cluster::service(it), cluster::slice(it, 0)]) {
        let begun = Instant::now();
        path.put(object);
        stored += begun.elapsed();
    }
    row.store_ms = millis(stored);
    let begun = Instant::now();
    path.cold(&mut row)?;
    row.cold_ms = millis(stored + begun.elapsed());
    (row.resident_bytes, row.resident_most_bytes) = memory_of("self")?;
    row.bytes_per_service = row.resident_bytes.saturating_sub(before) / u64::from(services);
    changes(options, services, &mut path, &mut row)?;
    row.maps_bytes = maps_of("self")?;
    let Path {
        kernel,
        store,
        compiler,
        ..
    } = path;
    drop((kernel, store, compiler));
    let begun = Instant::now();
    let kernel = DataPath::load(&load)?;
    let loaded = begun.elapsed();
    let begun = Instant::now();
    let image = image(&kernel)?;
    let read = begun.elapsed();
    eprintln!(
        "{services}: programs loaded in {:.0} ms; {} entries read back in {:.1} ms",
        millis(loaded),
        image.v4.frontends.len() + image.v4.backends.len() + image.slots.len(),
        millis(read)
    );
    row.adopt_ms = millis(read);
    Ok(row)
}

/// Single changes, spread over all Services.
fn changes(options: &Options, services: u32, path: &mut Path, row: &mut Row) -> Result<()> {
    let (mut times, mut cpu) = (Vec::new(), Vec::new());
    for turn in 0..options.changes {
        let number = turn.wrapping_mul(7919) % services;
        let object = cluster::slice(number, 1 + turn);
        let (begun, computed) = (Instant::now(), cpu_of_thread());
        path.put(object);
        let writes = path.turn()?;
        times.push(begun.elapsed());
        cpu.push(cpu_of_thread() - computed);
        anyhow::ensure!(
            writes >= 4,
            "a change of an endpoint wrote {writes} entries"
        );
    }
    (row.change, row.change_cpu) = (Times::of(times), Times::of(cpu));
    let mut times = Vec::new();
    for turn in 0..options.changes / 4 {
        let number = services + turn;
        for is_there in [true, false] {
            let begun = Instant::now();
            for object in [cluster::service(number), cluster::slice(number, 0)] {
                if is_there {
                    path.put(object);
                } else {
                    path.take_away(&object);
                }
            }
            let writes = path.turn()?;
            times.push(begun.elapsed());
            anyhow::ensure!(
                writes > 4,
                "a Service that came or went wrote {writes} entries"
            );
        }
    }
    row.service = Times::of(times);
    Ok(())
}

/// All stages, from an object to the maps.
struct Path {
    kernel: DataPath,
    store: Store,
    node: NodeFacts,
    compiler: Compiler,
    planner: Planner,
    is_whole: bool,
}

impl Path {
    fn new(kernel: DataPath, is_whole: bool) -> Result<Self> {
        let node = NodeFacts {
            name: "node-1".to_owned(),
            zone: Some("zone-1".to_owned()),
            addresses: vec!["192.0.2.1".parse()?],
            ..NodeFacts::default()
        };
        let planner = Planner::adopt(image(&kernel)?, Limits::default());
        Ok(Self {
            kernel,
            store: Store::new(node.node_port_range.clone()),
            node,
            compiler: Compiler::default(),
            planner,
            is_whole,
        })
    }

    fn put(&mut self, object: Value) {
        let file = file(&object);
        let parsed = manifest::settled(&file, object);
        let _problems = self.store.replace_file(&file, parsed);
    }

    fn take_away(&mut self, object: &Value) {
        self.store.remove_file(&file(object));
    }

    /// The first sync.
    fn cold(&mut self, row: &mut Row) -> Result<()> {
        let begun = Instant::now();
        let changed = self.changed();
        self.compiler.update(&self.store, &changed, &self.node);
        let compiled = begun.elapsed();
        let plan = self.planner.plan(&self.compiler.desired());
        let planned = begun.elapsed();
        carry_out(&mut self.kernel, &plan)?;
        row.compile_ms = millis(compiled);
        row.plan_ms = millis(planned - compiled);
        row.write_ms = millis(begun.elapsed() - planned);
        row.writes = entries(&plan);
        Ok(())
    }

    /// A change; how many entries it wrote.
    fn turn(&mut self) -> Result<usize> {
        let changed = self.changed();
        let plan = if self.is_whole {
            let compiled = compile(&self.store, &self.node);
            self.planner.plan(&compiled.desired)
        } else {
            let update = self.compiler.update(&self.store, &changed, &self.node);
            self.planner.advance(&update.delta)
        };
        carry_out(&mut self.kernel, &plan)?;
        Ok(entries(&plan))
    }

    fn changed(&mut self) -> BTreeSet<tidegate_control::ObjectKey> {
        let _services = self.store.take_written();
        self.store.take_changed()
    }
}

/// As the agent's Kubernetes source names them.
fn file(object: &Value) -> String {
    let text = |path: &str| {
        object
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (kind, namespace) = (text("/kind"), text("/metadata/namespace"));
    format!("kubernetes: {kind} {namespace}/{}", text("/metadata/name"))
}

/// Entries of maps that a plan writes.
fn entries(plan: &Plan) -> usize {
    let each = plan.writes.iter().map(|write| match write {
        Write::Slots { ids, .. } => ids.len(),
        _ => 1,
    });
    each.sum()
}

/// As the agent does: neighbours that go to one map are one command.
fn carry_out(kernel: &mut DataPath, plan: &Plan) -> Result<()> {
    for id in &plan.new_services {
        kernel.clear_service_traffic(*id)?;
    }
    let is_alike = |one: &Write, other: &Write| discriminant(one) == discriminant(other);
    for run in plan.writes.chunk_by(is_alike) {
        let (mut backends, mut frontends, mut removed) = (Vec::new(), Vec::new(), Vec::new());
        let mut tables = Vec::new();
        for write in run {
            match write {
                Write::Backend4(id, backend) => backends.push((*id, *backend)),
                Write::Slots { start, ids } => tables.push((*start, &ids[..])),
                Write::Frontend4(key, frontend) => frontends.push((*key, *frontend)),
                Write::RemoveFrontend4(key) => removed.push(*key),
                other => anyhow::bail!("the bench has no Services with {other:?}"),
            }
        }
        kernel.set_backends(&backends)?;
        kernel.set_tables(&tables)?;
        kernel.set_frontends(&frontends)?;
        kernel.remove_frontends(&removed)?;
    }
    Ok(())
}

/// What the maps hold.
fn image(kernel: &DataPath) -> Result<Image> {
    fn half<A: Address>(
        frontends: Vec<(tidegate_abi::FrontendKey<A>, tidegate_abi::Frontend)>,
        backends: Vec<tidegate_abi::Backend<A>>,
    ) -> FamilyImage<A> {
        FamilyImage {
            frontends: frontends.into_iter().collect(),
            backends,
            ..FamilyImage::default()
        }
    }
    let v4: FamilyImage<Ip4> = half(kernel.frontends()?, kernel.backends()?);
    let v6: FamilyImage<Ip6> = half(kernel.frontends()?, kernel.backends()?);
    let ends = v4.frontends.values().chain(v6.frontends.values());
    let ends = ends.flat_map(|it| [it.cluster, it.local]);
    let end = ends.map(|it| it.start + it.len).max().unwrap_or(0);
    let slots = kernel.slots(end)?;
    Ok(Image { v4, v6, slots })
}

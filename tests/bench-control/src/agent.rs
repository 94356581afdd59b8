//! The real agent on a node of its own, following an API server: from its start until it is ready, and from an object
//! that is put there to the kernel's map.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use aya::maps::{HashMap, Map, MapData};
use serde_json::json;
use tempfile::TempDir;
use tidegate_abi::{Frontend, FrontendKey, Ip4, Port, Proto};
use tidegate_apiserver::{ApiServer, Authority};
use tidegate_rig::{AgentSpec, TwoNodes};

use crate::{
    Options, Row, cluster,
    measure::{Times, cpu_of, maps_of, memory_of, micros, millis},
};

/// How long a change may take before something is wrong.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at the map. To look all the time would take a CPU from those who work.
const LOOK: Duration = Duration::from_micros(20);
/// Between two changes.
const PAUSE: Duration = Duration::from_millis(5);

/// Measures one size.
pub fn run(options: &Options, services: u32) -> Result<Row> {
    let scene = TwoNodes::builder().pods(1, 0).build()?;
    let directory = TempDir::new()?;
    let server = server(&scene, &directory)?;
    for object in (0..services).flat_map(|it| [cluster::service(it), cluster::slice(it, 0)]) {
        server.put(object);
    }
    let kubeconfig = directory.path().join("kubeconfig");
    let spec =
        AgentSpec::new(&scene, &scene.a)?.args(["--kubeconfig".as_ref(), kubeconfig.as_os_str()]);
    let begun = Instant::now();
    let agent = spec.start()?;
    let cold = begun.elapsed();
    let process = agent.id().to_string();
    let status = spec.status()?;
    let sync = status["lastSyncMilliseconds"].as_f64().unwrap_or_default();
    let (resident, most) = memory_of(&process)?;
    let mut row = Row {
        bench: "agent".to_owned(),
        services,
        endpoints: services * cluster::ENDPOINTS,
        cold_ms: millis(cold),
        write_ms: sync,
        resident_bytes: resident,
        resident_most_bytes: most,
        bytes_per_service: resident / u64::from(services),
        maps_bytes: maps_of(&process)?,
        ..Row::default()
    };
    let maps = fs::read_dir(&*spec.pins)?
        .next()
        .context("no pins")??
        .path();
    let pin = MapData::from_pin(maps.join("maps").join("frontends4"))?;
    let map: HashMap<MapData, [u8; KEY], [u8; VALUE]> = Map::HashMap(pin).try_into()?;
    changes(options, services, &server, agent.id(), &map, &mut row)?;
    agent.stop()?;
    let begun = Instant::now();
    let agent = spec.start()?;
    row.adopt_ms = millis(begun.elapsed());
    agent.stop()?;
    Ok(row)
}

const KEY: usize = size_of::<FrontendKey<Ip4>>();
const VALUE: usize = size_of::<Frontend>();
type Frontends = HashMap<MapData, [u8; KEY], [u8; VALUE]>;

fn changes(
    options: &Options,
    services: u32,
    server: &ApiServer,
    process: u32,
    map: &Frontends,
    row: &mut Row,
) -> Result<()> {
    let mut times = Vec::new();
    let computed = cpu_of(process)?;
    for turn in 0..options.changes {
        let number = turn.wrapping_mul(7919) % services;
        let key = key(cluster::cluster_ip(number));
        let before = map.get(&key, 0)?;
        let object = cluster::slice(number, 1 + turn);
        let begun = Instant::now();
        server.put(object);
        // The frontend moves to a new table in one write, the last but one of the change.
        while map.get(&key, 0)? == before {
            if begun.elapsed() > PATIENCE {
                bail!("{} is not in the map", cluster::name(number));
            }
            std::thread::sleep(LOOK);
        }
        times.push(begun.elapsed());
        std::thread::sleep(PAUSE);
    }
    let computed = cpu_of(process)?.saturating_sub(computed);
    let each = micros(computed) / f64::from(options.changes);
    row.change = Times::of(times);
    row.change_cpu = Times {
        p50_us: each,
        ..Times::default()
    };
    Ok(())
}

fn key(ip: Ipv4Addr) -> [u8; KEY] {
    let key = FrontendKey::new(Ip4::new(ip.octets()), Port::new(80), Proto::TCP);
    bytemuck::cast(key)
}

/// A server on the agent's node, and a kubeconfig for it.
fn server(scene: &TwoNodes, directory: &TempDir) -> Result<ApiServer> {
    let authority = Authority::new()?;
    let [address, _] = scene.a.addresses();
    let v4 = match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(_) => scene.a.addresses()[1],
    };
    let listener = scene
        .a
        .ns
        .run(|| TcpListener::bind(SocketAddr::new(v4, 0)))?;
    let server = ApiServer::start_secure(listener, &authority)?;
    server.tokens([]);
    let identity = authority.client("system:tidegate")?;
    let file = |name: &str, text: &str| fs::write(directory.path().join(name), text);
    file("ca.crt", &authority.certificate())?;
    file("client.crt", &identity.certificate)?;
    file("client.key", &identity.key)?;
    let url = server.url();
    let config = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: bench\n\
         contexts:\n- name: bench\n  context: {{cluster: bench, user: bench}}\n\
         users:\n- name: bench\n  user: {{client-certificate: client.crt, client-key: client.key}}\n\
         clusters:\n- name: bench\n  cluster: {{server: {url}, certificate-authority: ca.crt}}\n"
    );
    file("kubeconfig", &config)?;
    server.put(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": scene.a.name}}));
    Ok(server)
}

//! Writes `docs/captures/*.txt`: what commands print on terminals of 80 and 200 columns, in a scene with
//! something to see. `cargo run -p tidegate-e2e --example captures`, as root.

use std::{
    fs,
    io::Write as _,
    net::{TcpStream, UdpSocket},
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tidegate_e2e::{Ep, Proto, Svc, World, ask_many, on_terminal, plain, soon};

const COMMANDS: [(&str, &[&str]); 11] = [
    ("describe-service", &["describe", "service", "default/web"]),
    ("status", &["status"]),
    ("get-services", &["get", "services"]),
    ("get-endpoints", &["get", "endpoints"]),
    ("get-frontends", &["get", "frontends", "web"]),
    ("get-flows", &["get", "flows", "--limit", "8"]),
    ("get-devices", &["get", "devices"]),
    ("check", &["check", "--uplink", "eth0"]),
    (
        "explain",
        &[
            "explain",
            "--from",
            "192.168.1.10:45000",
            "--to",
            "192.168.1.2:30010/tcp",
        ],
    ),
    ("monitor", &["monitor", "--count", "8"]),
    ("top", &["top", "--once"]),
];

fn main() -> Result<()> {
    let world = World::builder().build()?;
    let web = scene(&world)?;
    traffic(&world, &web)?;
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/captures");
    fs::create_dir_all(&docs)?;
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients = scope.spawn(|| go_on(&world, &web, &done));
        let written = write_all(&world, &docs);
        done.store(true, Ordering::Relaxed);
        let clients = clients.join();
        ensure!(matches!(clients, Ok(Ok(()))), "the clients: {clients:?}");
        written
    })
}

fn write_all(world: &World, docs: &Path) -> Result<()> {
    for (name, args) in COMMANDS {
        for columns in [80, 200] {
            let text = on_terminal(world.spec.cli(args.iter().copied()), columns)
                .with_context(|| name.to_owned())?;
            let text = format!("$ tidegate {}\n{}", args.join(" "), plain(&text));
            fs::write(docs.join(format!("{name}-{columns}.txt")), text)?;
        }
    }
    Ok(())
}

/// Clients that keep `monitor` and `top` busy: served, refused and dropped, a few a second.
fn go_on(world: &World, web: &Svc, done: &AtomicBool) -> Result<()> {
    let at = world.node_address(false);
    let nobody = Svc::new("nobody-home", 30).node_port(at);
    while !done.load(Ordering::Relaxed) {
        world.scene.client.run(|| {
            let _answers = ask_many(Proto::Tcp, web.node_port(at), 3)?;
            let _refused = TcpStream::connect(nobody);
            // From outside the cluster it is nobody's to dial.
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            let _dropped = socket.send_to(b"?", web.cluster(false));
            anyhow::Ok(())
        })?;
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn scene(world: &World) -> Result<Svc> {
    let web = Svc::new("web", 10)
        .with_vip()
        .with_external_ip()
        .affinity(10_800)
        .external_policy("Local")
        .spec(
            "loadBalancerSourceRanges",
            json!(["192.168.1.0/24", "fd00:1::/64"]),
        );
    let endpoints = [
        Ep::of(world.a(1)),
        Ep::of(world.a(2)).unready(),
        Ep::of(world.b(1)),
        Ep::of(world.b(2)).terminating(),
    ];
    let worker = Svc::internal("payments-reconciliation-worker", 20);
    let mut objects = web.objects(&endpoints);
    objects.extend(worker.objects(&[Ep::of(world.a(3))]));
    objects.extend(Svc::new("nobody-home", 30).objects(&[]));
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
    let mut apply = world.spec.cli(["apply", "-f", "-"]);
    let mut child = apply.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let mut stdin = child.stdin.take().context("no stdin")?;
    stdin.write_all(list.to_string().as_bytes())?;
    drop(stdin);
    ensure!(child.wait()?.success(), "cannot apply");
    Ok(web)
}

/// Some that is served, and some that is refused.
fn traffic(world: &World, web: &Svc) -> Result<()> {
    let client = &world.scene.client;
    for v6 in [false, true] {
        let to = web.node_port(world.node_address(v6));
        for proto in [Proto::Tcp, Proto::Udp] {
            let _answers = client.run(|| ask_many(proto, to, 20))?;
        }
        let nobody = Svc::new("nobody-home", 30).node_port(world.node_address(v6));
        let _refused = client.run(|| std::net::TcpStream::connect(nobody));
    }
    // Living flows are counted every ten seconds.
    soon(|| {
        let output = world
            .spec
            .cli(["describe", "service", "web", "-o", "json"])
            .output()?;
        let described: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        ensure!(described["ports"][0]["active"].is_u64(), "{described}");
        Ok(())
    })
}

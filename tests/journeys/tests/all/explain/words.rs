//! The words of an explanation, pinned: what people read, case by case.
//!
//! `TIDEGATE_BLESS=1 cargo test ... words` writes the files anew: read the difference before you keep it.

use std::net::SocketAddr;
use std::path::Path;
use std::{env, fs};

use tidegate_abi::{
    Address as _, Ip4, Port, Proto,
    frontend::flags::{
        ADDRESS_ONLY, INTERNAL, LOAD_BALANCER, LOCAL_ONLY, NODE_PORT, PING, SOURCE_RANGES,
    },
};
use tidegate_api::explain::{ExplainedDevice, ExplainedService, Explanation};
use tidegate_datapath::{Entry, Role, Stage};
use tidegate_explain::{
    Call,
    confirm::confirm,
    described::{Described, Transport},
    dial, walk,
    words::{self, Names, Place},
};
use tidegate_journeys::{
    Scene,
    machine::{Machine as _, Program},
    on_host::HostMachine,
    textbook::{self, POD, Places, UPLINK},
};

const SYN: Transport = Transport::Tcp(0x02);

/// Names as an agent knows them.
struct Known;

impl Names for Known {
    fn service(&self, id: u32) -> Option<ExplainedService> {
        Some(ExplainedService {
            id,
            namespace: "default".to_owned(),
            name: "web".to_owned(),
            port_name: "http".to_owned(),
            kind: String::new(),
        })
    }

    fn device(&self, index: u32) -> Option<String> {
        Some(textbook::network().link(index)?.name.to_owned())
    }

    fn place_of(&self, _service: u32, endpoint: SocketAddr) -> Option<Place> {
        let is_here = endpoint == Places::v4().roles.backend;
        Some(Place {
            node_name: Some(if is_here { "node-a" } else { "node-b" }.to_owned()),
            is_here,
        })
    }
}

/// A node with one Service, whose endpoints are these.
fn node(at: SocketAddr, flags: u32, endpoints: &[SocketAddr]) -> Scene {
    let mut scene = textbook::scene();
    let backends: Vec<_> = endpoints.iter().map(|at| scene.backend(*at)).collect();
    for proto in [Proto::TCP, Proto::UDP] {
        scene.frontend(at, proto, flags, &backends);
    }
    scene
}

fn started(scene: &Scene) -> HostMachine {
    let mut host = HostMachine::new();
    host.start(scene);
    host
}

fn device(index: u32) -> ExplainedDevice {
    let role = if index == UPLINK { "uplink" } else { "pod" };
    ExplainedDevice {
        name: Known.device(index).unwrap_or_default(),
        index,
        role: role.to_owned(),
        hooks: "tcx".to_owned(),
    }
}

fn entries(index: u32, stages: &[Stage]) -> Vec<Entry> {
    let role = if index == UPLINK {
        Role::Uplink
    } else {
        Role::Pod
    };
    let entry = |stage: &Stage| Entry {
        role,
        stage: *stage,
        device: index,
    };
    stages.iter().map(entry).collect()
}

fn told(host: &HostMachine, described: Described, index: u32, stages: &[Stage]) -> Explanation {
    let frame = described.frame().expect("one family");
    let paper = walk(&host.0, &frame, &entries(index, stages)).expect("maps in memory");
    let confirmed = confirm(&host.0, &paper);
    words::packet(&paper, device(index), &confirmed, &Known)
}

fn packet(from: SocketAddr, to: SocketAddr, transport: Transport) -> Described {
    Described {
        from,
        to,
        transport,
        length: 0,
    }
}

/// The text must be that of the file.
fn reads(name: &str, told: &Explanation) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/all/explain/words")
        .join(format!("{name}.txt"));
    let text = words::text(told);
    if env::var_os("TIDEGATE_BLESS").is_some() {
        fs::write(&path, &text).expect("a file of this repository");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{}", path.display());
}

#[test]
fn a_pod_dials_a_cluster_ip() {
    let roles = Places::v4().roles;
    let host = started(&node(roles.service, INTERNAL, &[roles.remote_backend]));
    let told = told(
        &host,
        packet(roles.backend, roles.service, SYN),
        POD,
        &[Stage::Tc],
    );
    reads("pod_to_cluster_ip", &told);
    assert_eq!(told.verdict.reason, "new_flow");
    assert_eq!(told.backend.as_ref().unwrap().address, roles.remote_backend);
    assert_eq!(told.service.as_ref().unwrap().kind, "ClusterIP");
    assert_eq!(told.confirmation.outcome, "notTried");
    assert!(!told.masqueraded);
}

#[test]
fn a_client_outside_dials_a_node_port_with_a_backend_elsewhere() {
    let roles = Places::v4().roles;
    let host = started(&node(roles.node_port, NODE_PORT, &[roles.remote_backend]));
    let told = told(
        &host,
        packet(roles.client, roles.node_port, SYN),
        UPLINK,
        &[Stage::Tc],
    );
    reads("node_port_masqueraded", &told);
    assert!(told.masqueraded);
    let after = told.after.unwrap();
    assert_eq!(
        (after.from.ip(), after.to),
        (Places::v4().masquerade, roles.remote_backend)
    );
}

#[test]
fn the_same_with_xdp_before_tc() {
    let roles = Places::v4().roles;
    let endpoints = [roles.backend];
    let host = started(&node(roles.node_port, NODE_PORT, &endpoints));
    let stages = [Stage::Xdp, Stage::Tc];
    let told = told(
        &host,
        packet(roles.client, roles.node_port, SYN),
        UPLINK,
        &stages,
    );
    reads("xdp_then_tc", &told);
    assert_eq!(told.verdict.reason, "known_flow");
}

#[test]
fn a_known_flow_and_its_reply_are_confirmed() {
    let roles = Places::v4().roles;
    let mut host = started(&node(roles.node_port, NODE_PORT, &[roles.backend]));
    let first = packet(roles.client, roles.node_port, SYN).frame().unwrap();
    let _opened = host.run(Program::TcUplink, &first, UPLINK);
    let later = packet(roles.client, roles.node_port, Transport::Tcp(0x10));
    let forward = told(&host, later, UPLINK, &[Stage::Tc]);
    reads("known_flow", &forward);
    assert_eq!(forward.confirmation.outcome, "confirmed");
    let answer = packet(roles.backend, roles.client, Transport::Tcp(0x10));
    let _opens = host.run(
        Program::TcPod,
        &packet(roles.backend, roles.client, Transport::Tcp(0x12))
            .frame()
            .unwrap(),
        POD,
    );
    let reply = told(&host, answer, POD, &[Stage::Tc]);
    reads("known_reply", &reply);
    assert_eq!(reply.confirmation.outcome, "confirmed");
    assert_eq!(reply.after.unwrap().from, roles.node_port);
}

#[test]
fn nobody_serves() {
    let roles = Places::v4().roles;
    let host = started(&node(roles.service, INTERNAL, &[]));
    let tcp = told(
        &host,
        packet(roles.backend, roles.service, SYN),
        POD,
        &[Stage::Tc],
    );
    reads("no_endpoints_tcp", &tcp);
    assert_eq!(
        (tcp.verdict.verdict.as_str(), tcp.door.kind.as_str()),
        ("reject", "back")
    );
    assert_eq!(tcp.confirmation.outcome, "confirmed");
    let udp = told(
        &host,
        packet(roles.backend, roles.service, Transport::Udp),
        POD,
        &[Stage::Tc],
    );
    reads("no_endpoints_udp", &udp);
}

#[test]
fn policy_local_and_nobody_here() {
    let roles = Places::v4().roles;
    let flags = NODE_PORT | LOCAL_ONLY;
    let host = started(&node(roles.node_port, flags, &[roles.remote_backend]));
    let told = told(
        &host,
        packet(roles.client, roles.node_port, SYN),
        UPLINK,
        &[Stage::Tc],
    );
    reads("no_local_endpoint", &told);
    assert_eq!(told.verdict.reason, "no_local_endpoint");
}

#[test]
fn a_guarded_and_sticky_load_balancer() {
    let (places, roles) = (Places::v4(), Places::v4().roles);
    let flags = LOAD_BALANCER | SOURCE_RANGES;
    let mut scene = node(
        places.elsewhere,
        flags,
        &[roles.backend, roles.remote_backend],
    );
    let frontend = scene.frontend_mut(places.elsewhere, Proto::TCP);
    frontend.affinity_seconds = 10_800;
    let service = frontend.service;
    scene.source_ranges.push((service, roles.client.ip(), 32));
    let mut host = started(&scene);
    let first = packet(roles.client, places.elsewhere, SYN);
    reads("guarded_first", &told(&host, first, UPLINK, &[Stage::Tc]));
    let _opened = host.run(Program::TcUplink, &first.frame().unwrap(), UPLINK);
    let again = SocketAddr::new(roles.client.ip(), 50_001);
    let second = packet(again, places.elsewhere, SYN);
    reads("guarded_again", &told(&host, second, UPLINK, &[Stage::Tc]));
    let stranger = packet(places.neighbour, places.elsewhere, SYN);
    reads(
        "guarded_stranger",
        &told(&host, stranger, UPLINK, &[Stage::Tc]),
    );
}

#[test]
fn nobodys_port_address_or_business() {
    let (places, roles) = (Places::v4(), Places::v4().roles);
    let host = started(&node(roles.service, INTERNAL, &[roles.backend]));
    let unknown = SocketAddr::new(roles.service.ip(), 81);
    reads(
        "unknown_port",
        &told(
            &host,
            packet(roles.backend, unknown, SYN),
            POD,
            &[Stage::Tc],
        ),
    );
    reads(
        "not_owned",
        &told(
            &host,
            packet(roles.backend, places.unowned, SYN),
            POD,
            &[Stage::Tc],
        ),
    );
    reads(
        "not_service",
        &told(
            &host,
            packet(roles.backend, places.elsewhere, SYN),
            POD,
            &[Stage::Tc],
        ),
    );
    reads(
        "external_cluster_ip",
        &told(
            &host,
            packet(roles.client, roles.service, SYN),
            UPLINK,
            &[Stage::Tc],
        ),
    );
    let ack = Transport::Tcp(0x10);
    reads(
        "mid_stream",
        &told(
            &host,
            packet(roles.backend, roles.service, ack),
            POD,
            &[Stage::Tc],
        ),
    );
}

#[test]
fn a_pod_that_is_its_own_backend() {
    let roles = Places::v4().roles;
    let host = started(&node(roles.service, INTERNAL, &[roles.backend]));
    let from = SocketAddr::new(roles.backend.ip(), 40_000);
    reads(
        "hairpin",
        &told(&host, packet(from, roles.service, SYN), POD, &[Stage::Tc]),
    );
}

#[test]
fn a_service_address_is_pinged() {
    let roles = Places::v4().roles;
    let mut scene = node(roles.service, INTERNAL, &[roles.backend]);
    let address = SocketAddr::new(roles.service.ip(), 0);
    scene.frontend(address, Proto(0), INTERNAL | ADDRESS_ONLY | PING, &[]);
    let host = started(&scene);
    let echo = packet(roles.backend, roles.service, Transport::Echo);
    let answered = told(&host, echo, POD, &[Stage::Tc]);
    reads("ping", &answered);
    assert_eq!(answered.verdict.reason, "ping_answered");
}

#[test]
fn ipv6_and_sctp_read_alike() {
    let roles = Places::v6().roles;
    let host = started(&node(roles.service, INTERNAL, &[roles.remote_backend]));
    reads(
        "ipv6_udp",
        &told(
            &host,
            packet(roles.backend, roles.service, Transport::Udp),
            POD,
            &[Stage::Tc],
        ),
    );
    reads(
        "sctp_nobody",
        &told(
            &host,
            packet(roles.backend, roles.service, Transport::Sctp),
            POD,
            &[Stage::Tc],
        ),
    );
}

#[test]
fn a_process_of_the_host_dials() {
    let roles = Places::v4().roles;
    let mut scene = node(
        roles.service,
        INTERNAL,
        &[roles.backend, roles.remote_backend],
    );
    scene.frontend(
        SocketAddr::new(roles.service.ip(), 443),
        Proto::TCP,
        INTERNAL,
        &[],
    );
    let host = started(&scene);
    let call = |port| Call {
        addr: Ip4::from_ip(roles.service.ip()).unwrap(),
        port: Port::new(port),
        proto: Proto::TCP,
        cookie: 0,
        now_ns: 0,
    };
    for (port, name) in [
        (80, "host_dials"),
        (443, "host_refused"),
        (81, "host_unknown_port"),
    ] {
        let call = call(port);
        reads(
            name,
            &words::socket(&dial(&host.0, &call).unwrap(), &call, &Known),
        );
    }
}

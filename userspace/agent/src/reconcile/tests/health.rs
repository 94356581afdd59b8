//! What the outside hears of the loop (rules 3.9 and 3.10): with a data path that can fail, and a clock
//! that waits for nobody. The addresses are loopback ones that no other test uses.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use clap::Parser as _;

use super::{fake::Fake, *};
use crate::health::{FakeClock, ProxyPort};

const HEALTH_PORT: u16 = 30_100;

/// Keeps to local endpoints; one of them, which is here.
const LOCAL: &str = "
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  healthCheckNodePort: 30100
  clusterIP: 10.96.0.10
  ports: [{port: 80, nodePort: 30008}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [10.244.0.7], nodeName: a}]
";

/// An agent on a node with one address, and what the test holds of it.
struct Stage {
    agent: Reconciler<Fake>,
    kernel: Fake,
    clock: FakeClock,
    ip: IpAddr,
    _proxy: ProxyPort,
    proxy: SocketAddr,
}

impl Stage {
    /// The node's address is 127.30.11.`host`; NodePorts, and with them health-check ports, are on it.
    fn new(host: u8) -> Self {
        let ip = IpAddr::from([127, 30, 11, host]);
        let block = format!("{ip}/32");
        let flags = ["run", "--node-name", "a", "--nodeport-addresses", &block];
        let config = Arc::new(Config::load(Flags::parse_from(flags).options).unwrap());
        let seen = Snapshot {
            addresses: vec![DeviceAddress {
                device: 2,
                ip,
                prefix: 32,
            }],
            ..Snapshot::default()
        };
        let kernel = Fake::default();
        let mut agent = Reconciler::new(
            config,
            kernel.clone(),
            "off".to_owned(),
            &seen,
            Arc::default(),
        )
        .unwrap();
        let (clock, health) = FakeClock::with_health();
        agent.health = Arc::clone(&health);
        agent.health_ports = ServicePorts::new(Arc::clone(&health));
        let free = TcpListener::bind((ip, 0)).unwrap().local_addr();
        let proxy = free.unwrap();
        Self {
            agent,
            kernel,
            clock,
            ip,
            _proxy: ProxyPort::open(proxy, health, Arc::default()),
            proxy,
        }
    }

    /// News, and a turn of the loop.
    fn apply(&mut self, text: &str) {
        self.agent.take_batch(batch(text));
        self.turn();
    }

    fn turn(&mut self) {
        if let Err(error) = self.agent.converge() {
            self.agent.start_over(&error);
        }
        self.agent.report();
    }

    /// The answers at the Service's port, `/healthz` and `/livez`.
    fn status(&self) -> [u16; 3] {
        let service = SocketAddr::new(self.ip, HEALTH_PORT);
        [
            (service, "/"),
            (self.proxy, "/healthz"),
            (self.proxy, "/livez"),
        ]
        .map(|(to, path)| get(to, path).unwrap())
    }
}

fn get(to: SocketAddr, path: &str) -> io::Result<u16> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    let _bytes = stream.read_to_string(&mut text)?;
    let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
    status.ok_or_else(|| io::Error::other(text))
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_9_2_and_3_10_3_a_sync_that_fails_for_a_minute_shows_at_all_three() {
    let mut stage = Stage::new(1);
    stage.apply(LOCAL);
    assert_eq!(stage.status(), [200, 200, 200]);
    // Now every write fails, and there is something to write.
    stage.kernel.state().failures = u32::MAX;
    stage.apply(&LOCAL.replace("30008", "30009"));
    stage.clock.pass(59);
    stage.turn();
    assert_eq!(stage.status(), [200, 200, 200]);
    stage.clock.pass(1);
    stage.turn();
    assert_eq!(stage.status(), [503, 503, 503]);
    stage.kernel.state().failures = 0;
    stage.turn();
    assert_eq!(stage.status(), [200, 200, 200]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_10_5_before_the_first_sync_the_proxy_says_200() {
    let stage = Stage::new(2);
    stage.clock.pass(1000);
    assert_eq!(get(stage.proxy, "/healthz").unwrap(), 200);
    assert_eq!(get(stage.proxy, "/livez").unwrap(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_10_4_the_node_object_decides_healthz_alone_also_when_nothing_can_be_written() {
    let mut stage = Stage::new(3);
    let node = "---\napiVersion: v1\nkind: Node\nmetadata: {name: a}\n";
    stage.apply(&format!("{LOCAL}{node}"));
    assert_eq!(stage.status(), [200, 200, 200]);
    stage.kernel.state().failures = u32::MAX;
    let taint = "spec: {taints: [{key: ToBeDeletedByClusterAutoscaler, effect: NoSchedule}]}\n";
    let web = LOCAL.replace("30008", "30009");
    stage.apply(&format!("{web}{node}{taint}"));
    assert_eq!(stage.status(), [200, 503, 200]);
    stage.apply(&format!("{web}{node}"));
    assert_eq!(stage.status(), [200, 200, 200]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_9_6_the_port_follows_within_the_sync_that_changes_the_service() {
    let mut stage = Stage::new(4);
    let at = |port| SocketAddr::new(stage.ip, port);
    let (first, second) = (at(HEALTH_PORT), at(30_101));
    let is_refused = |to| get(to, "/").is_err_and(|it| it.kind() == ErrorKind::ConnectionRefused);
    assert!(is_refused(first));
    stage.apply(LOCAL);
    assert_eq!(get(first, "/").unwrap(), 200);
    stage.apply(&LOCAL.replace("30100", "30101"));
    assert!(is_refused(first));
    assert_eq!(get(second, "/").unwrap(), 200);
    for other in [
        LOCAL.replace("Policy: Local", "Policy: Cluster"),
        LOCAL.replace("type: LoadBalancer", "type: NodePort"),
        String::new(),
    ] {
        stage.apply(LOCAL);
        assert_eq!(get(first, "/").unwrap(), 200);
        stage.apply(&other);
        assert!(is_refused(first), "{other}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_9_7_a_port_that_is_taken_is_a_problem_and_tried_again_without_news() {
    let mut stage = Stage::new(5);
    let taken = TcpListener::bind((stage.ip, HEALTH_PORT)).unwrap();
    stage.apply(LOCAL);
    assert!(stage.agent.is_synced());
    let problems = stage.agent.problems.all();
    assert!(
        problems
            .iter()
            .any(|it| it.contains("Service default/web: spec.healthCheckNodePort: cannot")),
        "{problems:?}"
    );
    drop(taken);
    stage.turn();
    assert_eq!(stage.agent.problems.of(&Place::Health), [""; 0]);
    assert_eq!(stage.status(), [200, 200, 200]);
}

mod declared;
mod counting;
mod crashes;
mod fake;
mod health;

use clap::Parser;
use tidegate_abi::{FrontendKey, Ip4, Mac, Port, Proto};
use tidegate_control::manifest;
use tidegate_loader::Role;

use super::*;
use crate::{
    asking::{Answer, Question},
    netlink::{DeviceAddress, Link, Route},
};
use fake::Fake;

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    options: crate::config::Options,
}

const WEB: &str = "
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, clusterIP: 10.96.0.10, ports: [{port: 80, nodePort: 30008}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [10.244.0.7]}, {addresses: [10.244.1.7]}]
";

fn link(name: &str) -> Link {
    Link {
        name: name.into(),
        mac: Mac([2; 6]),
        ..Link::default()
    }
}

fn node() -> Snapshot {
    Snapshot {
        links: [(2, link("eth0")), (7, link("veth7"))].into(),
        addresses: vec![DeviceAddress {
            device: 2,
            ip: "192.168.1.2".parse().unwrap(),
            prefix: 24,
        }],
        routes: vec![
            Route {
                host: None,
                devices: vec![2],
            },
            Route {
                host: Some("10.244.0.7".parse().unwrap()),
                devices: vec![7],
            },
        ],
        ..Snapshot::default()
    }
}

fn agent(kernel: &Fake) -> Reconciler<Fake> {
    let options = Flags::parse_from(["run", "--node-name", "a"]).options;
    let config = Arc::new(Config::load(options).unwrap());
    Reconciler::new(
        config,
        kernel.clone(),
        "off".to_owned(),
        &node(),
        Arc::default(),
    )
    .unwrap()
}

fn batch(text: &str) -> Batch {
    let parsed = manifest::parse("web.yaml", text);
    Batch {
        changes: vec![Change::Parsed {
            file: "web.yaml".into(),
            parsed,
        }],
        ..Batch::default()
    }
}

fn frontend(addr: [u8; 4], port: u16) -> FrontendKey<Ip4> {
    FrontendKey::new(Ip4::new(addr), Port::new(port), Proto::TCP)
}

#[test]
fn manifests_become_frontends_backends_and_slots() {
    let kernel = Fake::default();
    let mut agent = agent(&kernel);
    agent.take_batch(batch(WEB));
    agent.converge().unwrap();
    assert!(agent.is_synced());
    let state = kernel.state();
    let cluster = state.v4.frontends[&frontend([10, 96, 0, 10], 80)];
    assert!(cluster.cluster.len > 0);
    assert!(
        state
            .v4
            .frontends
            .contains_key(&frontend([192, 168, 1, 2], 30008))
    );
    assert_eq!(state.settings.unwrap().node4, Ip4::new([192, 168, 1, 2]));
}

#[test]
fn rule_5_1_9_and_1_2_3_nothing_is_removed_before_all_manifests_were_read() {
    let kernel = Fake::default();
    let mut first = agent(&kernel);
    first.take_batch(batch(WEB));
    first.converge().unwrap();
    let before = kernel.state().v4.frontends.clone();
    let mut second = agent(&kernel);
    second.converge().unwrap();
    assert!(!second.is_synced());
    assert_eq!(kernel.state().v4.frontends, before);
    second.take_batch(Batch::default());
    second.converge().unwrap();
    assert!(kernel.state().v4.frontends.is_empty());
}

#[test]
fn rule_5_1_9_a_source_that_has_not_told_everything_is_waited_for() {
    let kernel = Fake::default();
    let mut first = agent(&kernel);
    first.take_batch(batch(WEB));
    first.converge().unwrap();
    let before = kernel.state().v4.frontends.clone();
    let mut second = agent(&kernel).with_sources([Source::Manifests, Source::Kubernetes]);
    let told = |is_partial| Batch {
        source: Source::Kubernetes,
        unreadable: vec!["the server is away".to_owned()],
        is_partial,
        ..Batch::default()
    };
    second.take_batch(Batch::default());
    second.take_batch(told(true));
    second.converge().unwrap();
    assert!(!second.is_synced());
    assert_eq!(kernel.state().v4.frontends, before);
    second.take_batch(told(false));
    second.converge().unwrap();
    assert!(kernel.state().v4.frontends.is_empty());
}

#[test]
fn rule_1_6_11_service_ranges_follow_what_a_source_knows() {
    let kernel = Fake::default();
    let mut agent = agent(&kernel);
    let range = || kernel.state().settings.unwrap().service4[0].base;
    for (blocks, expected) in [
        (vec!["10.43.0.0/16".to_owned()], [10, 43, 0, 0]),
        (vec![], [10, 96, 0, 0]),
    ] {
        agent.take_batch(Batch {
            service_cidrs: Some(blocks),
            ..Batch::default()
        });
        agent.converge().unwrap();
        assert_eq!(range(), Ip4::new(expected));
    }
}

#[test]
fn a_failed_write_is_told_and_repaired_by_the_next_try() {
    let kernel = Fake::default();
    let mut agent = agent(&kernel);
    agent.take_batch(batch(WEB));
    kernel.state().failures = 1;
    let error = agent.converge().unwrap_err();
    agent.start_over(&error);
    agent.report();
    assert!(!agent.is_synced());
    assert!(
        agent
            .problems
            .all()
            .iter()
            .any(|line| line.contains("/no/map"))
    );
    agent.converge().unwrap();
    agent.report();
    assert!(agent.is_synced());
    assert!(
        agent.problems.all().is_empty(),
        "{:?}",
        agent.problems.all()
    );
    assert!(
        kernel
            .state()
            .v4
            .frontends
            .contains_key(&frontend([10, 96, 0, 10], 80))
    );
}

#[test]
fn after_a_failed_write_nothing_is_planned_before_the_maps_were_read() {
    let kernel = Fake::default();
    let mut agent = agent(&kernel);
    agent.take_batch(batch(WEB));
    (kernel.state().failures, kernel.state().unreadable) = (1, 2);
    let error = agent.converge().unwrap_err();
    agent.start_over(&error);
    let error = agent.converge().unwrap_err();
    assert!(error.to_string().contains("/no/list"), "{error}");
    assert!(!agent.is_synced());
    agent.start_over(&error);
    agent.converge().unwrap();
    assert!(agent.is_synced());
    let key = frontend([10, 96, 0, 10], 80);
    assert!(kernel.state().v4.frontends.contains_key(&key));
}

#[test]
fn services_do_not_wait_for_room_for_a_pod() {
    let kernel = Fake::default();
    kernel.state().no_more_pods = true;
    let mut agent = agent(&kernel);
    agent.take_batch(batch(WEB));
    agent.converge().unwrap();
    assert!(agent.is_synced());
    let problems = agent.problems.all();
    assert!(problems[0].starts_with("pod 10.244.0.7: "), "{problems:?}");
    kernel.state().no_more_pods = false;
    agent.converge().unwrap();
    assert!(agent.problems.all().is_empty());
    assert!(!kernel.state().v4.pods.is_empty());
}

#[test]
fn rule_5_1_1_replies_of_the_host_are_met_also_when_it_is_no_backend_any_more() {
    let kernel = Fake::default();
    let mut agent = agent(&kernel);
    agent.take_batch(batch(WEB));
    agent.converge().unwrap();
    assert!(!kernel.state().host_backends);
    agent.take_batch(batch(&WEB.replace("10.244.0.7", "192.168.1.2")));
    agent.converge().unwrap();
    assert!(kernel.state().host_backends);
    agent.take_batch(batch(WEB));
    agent.converge().unwrap();
    assert!(kernel.state().host_backends, "its connections live");
}

#[test]
fn an_invalid_object_is_a_problem_and_the_others_work() {
    let kernel = Fake::default();
    let mut agent = agent(&kernel);
    let bad = "---\napiVersion: v1\nkind: Service\nmetadata: {name: bad}\nspec: {clusterIP: 10.96.0.11, ports: [{port: 0}]}\n";
    agent.take_batch(batch(&format!("{WEB}{bad}")));
    agent.converge().unwrap();
    let problems = agent.problems.all();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].starts_with("web.yaml: document 3: Service default/bad"),
        "{problems:?}"
    );
    assert!(
        kernel
            .state()
            .v4
            .frontends
            .contains_key(&frontend([10, 96, 0, 10], 80))
    );
}

#[test]
fn rule_3_6_1_source_ranges_are_written_adopted_and_removed() {
    let kernel = Fake::default();
    let mut first = agent(&kernel);
    let ranged = WEB.replace(
        "{type: NodePort,",
        "{type: LoadBalancer, loadBalancerSourceRanges: [203.0.113.0/24],",
    );
    let ranged = ranged.replacen(
        "---",
        "status: {loadBalancer: {ingress: [{ip: 192.0.2.5}]}}\n---",
        1,
    );
    first.take_batch(batch(&ranged));
    first.converge().unwrap();
    let guarded = kernel.state().v4.frontends[&frontend([192, 0, 2, 5], 80)];
    let held = kernel.state().v4.source_ranges.clone();
    let key = tidegate_abi::SourceRangeKey {
        prefix_len: 32 + 24,
        service: guarded.service,
        addr: Ip4::new([203, 0, 113, 0]),
    };
    assert_eq!(held, [key].into());
    // Left by somebody else: the next agent reads and removes it.
    let stray = tidegate_abi::SourceRangeKey {
        service: 999,
        ..key
    };
    kernel.state().v4.source_ranges.insert(stray);
    let mut second = agent(&kernel);
    second.take_batch(batch(&ranged));
    second.converge().unwrap();
    assert_eq!(kernel.state().v4.source_ranges, held);
    second.take_batch(batch(WEB));
    second.converge().unwrap();
    assert!(kernel.state().v4.source_ranges.is_empty());
}

#[test]
fn a_device_that_appears_is_attached_and_one_that_goes_is_forgotten() {
    let kernel = Fake::default();
    let mut agent = agent(&kernel);
    let mut seen = node();
    seen.links.insert(8, link("veth8"));
    agent.take_snapshot(&seen);
    assert_eq!(kernel.state().attached["veth8"], Role::Pod);
    seen.links.remove(&8);
    agent.take_snapshot(&seen);
    assert!(!kernel.state().attached.contains_key("veth8"));
    assert!(!kernel.state().devices.contains_key(&8));
}

#[test]
fn other_routes_are_told_to_the_data_path_before_anything_else_is_known() {
    let kernel = Fake::default();
    let mut agent = agent(&kernel);
    for route_epoch in [1, 2, 0, 7] {
        agent.take_snapshot(&Snapshot {
            route_epoch,
            ..node()
        });
        agent.converge().unwrap();
        assert_eq!(kernel.state().route_epoch, route_epoch);
    }
    assert!(!agent.is_synced());
}

#[test]
fn rule_5_2_12_the_data_path_is_told_when_udp_addresses_were_taken_away() {
    for (protocol, told) in [("UDP", 1), ("TCP", 0)] {
        let kernel = Fake::default();
        let mut agent = agent(&kernel);
        agent.take_batch(batch(
            &WEB.replace("{port:", &format!("{{protocol: {protocol}, port:")),
        ));
        agent.converge().unwrap();
        assert!(!kernel.state().v4.frontends.is_empty());
        assert_eq!(kernel.state().moved, 0, "{protocol}");
        agent.take_batch(batch(""));
        agent.converge().unwrap();
        assert!(kernel.state().v4.frontends.is_empty());
        assert_eq!(kernel.state().moved, told, "{protocol}");
    }
}

#[test]
fn a_renamed_device_is_attached_under_its_new_name() {
    let kernel = Fake::default();
    let mut agent = agent(&kernel);
    let mut seen = node();
    seen.links.insert(7, link("lxc7"));
    agent.take_snapshot(&seen);
    let names: Vec<String> = kernel.state().attached.keys().cloned().collect();
    assert_eq!(names, ["eth0", "lxc7"]);
}

#[test]
fn a_device_that_cannot_be_attached_is_told_and_tried_again() {
    let kernel = Fake::default();
    kernel.state().stubborn.push("veth7".to_owned());
    let mut agent = agent(&kernel);
    agent.report();
    let problems = agent.problems.all();
    assert!(
        problems[0].starts_with("device veth7: ") && problems.len() == 1,
        "{problems:?}"
    );
    assert!(kernel.state().attached.contains_key("eth0"));
    kernel.state().stubborn.clear();
    agent.take_snapshot(&node());
    agent.report();
    assert!(agent.problems.all().is_empty());
    assert!(kernel.state().attached.contains_key("veth7"));
}

#[test]
fn a_pod_that_leaves_its_device_gets_a_new_backend_generation() {
    let kernel = Fake::default();
    let mut agent = agent(&kernel);
    agent.take_batch(batch(WEB));
    agent.converge().unwrap();
    let address = Ip4::new([10, 244, 0, 7]);
    let generation = || {
        let state = kernel.state();
        state
            .v4
            .backends
            .iter()
            .find(|backend| backend.addr == address)
            .unwrap()
            .generation
    };
    let (before, mut seen) = (generation(), node());
    seen.links.insert(8, link("veth8"));
    seen.routes[1].devices = vec![8];
    agent.take_snapshot(&seen);
    agent.converge().unwrap();
    assert_eq!(kernel.state().v4.pods[&address].device, 8);
    assert!(generation() > before);
}

#[test]
fn devices_of_an_earlier_run_that_are_not_ours_any_more_are_forgotten() {
    let kernel = Fake::default();
    kernel
        .state()
        .devices
        .insert(99, tidegate_abi::Device::default());
    agent(&kernel);
    let known: Vec<u32> = kernel.state().devices.keys().copied().collect();
    assert_eq!(known, [2, 7]);
}

#[test]
fn a_device_is_attached_again_when_its_frames_outgrow_xdp_or_fit_again() {
    let kernel = Fake::default();
    let mut agent = agent(&kernel);
    let before = kernel.state().attaches;
    let mut attaches = |mtu| {
        let mut seen = node();
        seen.links.insert(
            2,
            Link {
                mtu,
                ..link("eth0")
            },
        );
        agent.take_snapshot(&seen);
        kernel.state().attaches - before
    };
    assert_eq!(
        [1_500, 9_000, 8_000, 1_500, 1_400].map(&mut attaches),
        [0, 1, 1, 2, 2]
    );
}

#[test]
fn rule_3_2_1_addresses_of_a_bridge_follow_it_as_it_comes_and_goes() {
    let kernel = Fake::default();
    let bridged = |ip: &str| {
        let mut seen = node();
        seen.links.insert(9, link("cni0"));
        let port = Link {
            master: Some(9),
            ..link("veth7")
        };
        seen.links.insert(7, port);
        let ip = ip.parse().unwrap();
        seen.addresses.push(DeviceAddress {
            device: 9,
            ip,
            prefix: 24,
        });
        seen
    };
    let options = Flags::parse_from(["run", "--node-name", "a"]).options;
    let config = Arc::new(Config::load(options).unwrap());
    let seen = bridged("10.244.0.1");
    let state = Reconciler::new(
        config,
        kernel.clone(),
        "off".to_owned(),
        &seen,
        Arc::default(),
    );
    let mut agent = state.unwrap();
    let known = || kernel.state().devices.get(&9).copied();
    assert_eq!(known().unwrap().masquerade4, Ip4::new([10, 244, 0, 1]));
    agent.take_snapshot(&bridged("10.244.0.2"));
    assert_eq!(known().unwrap().masquerade4, Ip4::new([10, 244, 0, 2]));
    let names: Vec<String> = kernel.state().attached.keys().cloned().collect();
    assert_eq!(names, ["eth0", "veth7"]);
    let Ok(Answer::Devices(rows)) = agent.answer(Question::Devices) else {
        panic!()
    };
    assert_eq!(rows.items.len(), 2, "only what we are attached to is shown");
    agent.take_snapshot(&node());
    assert_eq!(known(), None);
}

#[test]
fn questions_are_answered_from_sources_and_maps() {
    let kernel = Fake::default();
    let mut agent = agent(&kernel);
    agent.take_batch(batch(WEB));
    agent.converge().unwrap();
    let Ok(Answer::Services(services)) = agent.answer(Question::Services) else {
        panic!()
    };
    assert_eq!(
        (services.items.len(), services.items[0].endpoints_total),
        (1, 2)
    );
    let Ok(Answer::Endpoints(endpoints)) = agent.answer(Question::Endpoints) else {
        panic!()
    };
    let local: Vec<bool> = endpoints
        .items
        .iter()
        .map(|endpoint| endpoint.local)
        .collect();
    assert_eq!(
        local,
        [true, false],
        "the pod behind veth7 is here, by its address"
    );
    let Ok(Answer::Frontends(frontends)) = agent.answer(Question::Frontends) else {
        panic!()
    };
    let node_port = frontends
        .items
        .iter()
        .find(|it| it.kind == "NodePort")
        .unwrap();
    assert_eq!((node_port.port, node_port.service.as_str()), (30008, "web"));
    let Ok(Answer::Backends(backends)) = agent.answer(Question::Backends) else {
        panic!()
    };
    assert_eq!(backends.items.len(), 2);
    assert!(backends.items.iter().all(|it| !it.service.is_empty()));
    let Ok(Answer::Status(status)) = agent.answer(Question::Status) else {
        panic!()
    };
    assert!(status.synced);
    assert_eq!((status.backends, status.local_pods), (2, 1));
    assert_eq!(status.counters[0].reason, "not_ip");
}

use clap::Parser;

use super::*;

/// Only the flags; the environment's turn is tested from outside, in `tests/cli.rs`.
#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    options: Options,
}

fn flags(args: &[&str]) -> Options {
    let args = std::iter::once(&"run").chain(args);
    Flags::try_parse_from(args)
        .unwrap_or_else(|error| panic!("{error}"))
        .options
}

fn resolve(args: &[&str], file: &str) -> Config {
    let file = file::parse(file).unwrap();
    Config::with_defaults(flags(args).or(file)).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
    let file = "node-name = 'from-file'\nflows = 4096\nuplink = ['eth1']\n";
    let config = resolve(&["--node-name", "from-flag", "--uplink", "eth9"], file);
    assert_eq!(config.node_name, "from-flag");
    assert_eq!(config.uplink, ["eth9".parse().unwrap()]);
    assert_eq!(config.flows, 4096);
    assert_eq!(
        config.masquerade_ports,
        PortRange {
            first: 20_000,
            last: 29_999
        }
    );
}

#[test]
fn lists_may_be_comma_separated_and_flags_repeated() {
    let config = resolve(&["--uplink", "eth0,eth1", "--uplink", "bond*"], "");
    let names: Vec<String> = config.uplink.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["eth0", "eth1", "bond*"]);
}

#[test]
fn the_file_takes_lists_as_arrays_and_as_comma_separated_text() {
    let array = resolve(&[], "service-cidr = ['10.0.0.0/16', 'fd00::/112']");
    let text = resolve(&[], "service-cidr = '10.0.0.0/16, fd00::/112'");
    assert_eq!(array.service_cidr, text.service_cidr);
    assert_eq!(array.service_cidr.len(), 2);
}

#[test]
fn a_switch_can_be_turned_off_again_by_a_flag() {
    let on = "external-clusterip = true\ndetach-on-exit = true";
    assert!(resolve(&[], on).external_clusterip);
    assert!(!resolve(&["--external-clusterip=false"], on).external_clusterip);
    assert!(resolve(&["--detach-on-exit"], "").detach_on_exit);
    let on = "masquerade-all = true";
    assert!(resolve(&[], on).masquerade_all);
    assert!(!resolve(&["--masquerade-all=false"], on).masquerade_all);
    assert!(resolve(&[], "").tcx && !resolve(&[], "tcx = false").tcx);
    assert!(resolve(&["--tcx"], "tcx = false").tcx);
}

#[test]
fn an_unknown_name_or_a_bad_value_in_the_file_is_told_with_its_line() {
    let unknown = file::parse("flows = 4096\nuplnk = 'eth0'\n").unwrap_err();
    assert!(unknown.starts_with("line 2: "), "{unknown}");
    assert!(unknown.contains("uplnk"), "{unknown}");
    let bad = file::parse("\n\nmasquerade-ports = 'high'").unwrap_err();
    assert!(bad.starts_with("line 3: "), "{bad}");
    assert!(bad.contains("not a range of ports"), "{bad}");
}

#[test]
fn masquerade_ports_may_not_reach_into_the_node_ports() {
    let config = resolve(&["--masquerade-ports", "29000-30000"], "");
    let error = config.check().unwrap_err().to_string();
    assert!(
        error.contains("overlaps --nodeport-range 30000-32767"),
        "{error}"
    );
}

#[test]
fn a_fifth_service_range_of_one_family_is_refused() {
    let four = "10.0.0.0/16,10.1.0.0/16,10.2.0.0/16,10.3.0.0/16,fd00::/112";
    assert!(resolve(&["--service-cidr", four], "").check().is_ok());
    let five = format!("{four},10.4.0.0/16");
    let error = resolve(&["--service-cidr", &five], "").check().unwrap_err();
    assert!(error.to_string().contains("5 IPv4 blocks"), "{error}");
}

#[test]
fn only_devices_named_without_wildcards_must_exist() {
    let config = resolve(&["--uplink", "eth0,en*"], "");
    assert_eq!(
        config.named_devices,
        [("--uplink", "eth0".parse().unwrap())]
    );
}

#[test]
fn rule_1_6_1_the_default_ranges_are_those_of_kubernetes() {
    let config = resolve(&[], "");
    assert_eq!(config.ranges().node_ports, 30_000..=32_767);
    assert_eq!(config.ranges().service_blocks.len(), 1);
    assert!(config.ranges().pools.is_empty());
}

#[test]
fn rule_5_7_9_the_flow_table_is_no_smaller_than_kube_proxys_smallest() {
    // Two records a flow, and a table for each family.
    assert!(resolve(&[], "").flows / 2 >= 131_072);
}

#[test]
fn rule_1_6_4_an_ipv6_service_range_shorter_than_64_bits_is_refused() {
    assert!(
        resolve(&["--service-cidr", "fd00::/64"], "")
            .check()
            .is_ok()
    );
    let error = resolve(&["--service-cidr", "fd00::/63"], "")
        .check()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "--service-cidr fd00::/63 is too large: an IPv6 block of Services has /64 or more"
    );
}

#[test]
fn rule_7_3_1_pools_are_taken_in_their_order_and_may_not_reach_into_the_service_ranges() {
    let pools = "192.0.2.0/28,198.51.100.9-198.51.100.20,2001:db8::/112";
    let config = resolve(&["--lb-pool", pools], "");
    assert!(config.check().is_ok());
    let shown: Vec<String> = config
        .ranges()
        .pools
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        shown,
        [
            "192.0.2.0-192.0.2.15",
            "198.51.100.9-198.51.100.20",
            "2001:db8::-2001:db8::ffff"
        ]
    );
    assert_eq!(
        resolve(&[], &format!("lb-pool = '{pools}'")).lb_pool,
        config.lb_pool
    );
    let error = resolve(&["--lb-pool", "10.95.0.0-10.96.0.4"], "")
        .check()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "--lb-pool 10.95.0.0-10.96.0.4 overlaps --service-cidr 10.96.0.0/12: choose addresses \
         outside it"
    );
}

#[test]
fn the_health_address_has_kube_proxys_default_and_may_be_off_or_without_a_port() {
    let at = |text: &str| HealthAddress::At(text.parse().unwrap());
    assert_eq!(resolve(&[], "").health_address, at("0.0.0.0:10256"));
    for (said, expected) in [
        ("127.0.0.1:9999", at("127.0.0.1:9999")),
        ("[::1]:9999", at("[::1]:9999")),
        ("192.0.2.1", at("192.0.2.1:10256")),
        ("::", at("[::]:10256")),
        ("off", HealthAddress::Off),
    ] {
        assert_eq!(
            resolve(&["--health-address", said], "").health_address,
            expected
        );
        let file = format!("health-address = '{said}'");
        assert_eq!(resolve(&[], &file).health_address, expected);
    }
    let error = file::parse("health-address = '10256'").unwrap_err();
    assert!(error.contains("neither `off` nor an address"), "{error}");
}

#[test]
fn an_api_server_is_named_once_and_with_credentials() {
    assert_eq!(resolve(&[], "").kubernetes, None);
    let by_flag = resolve(
        &[
            "--kubeconfig",
            "/etc/k",
            "--kube-api-server",
            "https://a:6443",
        ],
        "",
    );
    let file = "kubeconfig = '/etc/k'\nkube-api-server = 'https://a:6443'";
    assert_eq!(by_flag.kubernetes, resolve(&[], file).kubernetes);
    assert!(by_flag.kubernetes.is_some());
    assert!(resolve(&["--in-cluster"], "").kubernetes.is_some());
    assert_eq!(resolve(&["--in-cluster=false"], "").kubernetes, None);
    for args in [
        &["--kubeconfig", "/etc/k", "--in-cluster"][..],
        &["--kube-api-server", "https://a:6443"],
    ] {
        let refused = Config::load(flags(args)).unwrap_err();
        assert!(matches!(refused, Failure::Usage(_)), "{args:?}: {refused}");
    }
}

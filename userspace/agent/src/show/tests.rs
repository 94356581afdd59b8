use super::*;
use crate::view::CounterRow;

fn web() -> ServiceRow {
    ServiceRow {
        namespace: "default".into(),
        name: "web".into(),
        port_name: "http".into(),
        port: 80,
        proto: "TCP".into(),
        family: "IPv4".into(),
        cluster_ip: Some("10.96.0.10".parse().unwrap()),
        load_balancer_ips: vec!["192.0.2.1".parse().unwrap()],
        endpoints_ready: 1,
        endpoints_total: 2,
        source: "web.yaml: document 1".into(),
        ..ServiceRow::default()
    }
}

#[test]
fn a_table_has_headings_in_capitals_no_borders_and_no_trailing_blanks() {
    let text = tables::render(&[web()], false);
    assert_eq!(
        text,
        "NAMESPACE  NAME  PORT     PROTO  CLUSTER-IP  NODE-PORT  ENDPOINTS  EXTERNAL-IP\n\
         default    web   80/http  TCP    10.96.0.10  <none>     1/2        192.0.2.1\n"
    );
}

#[test]
fn a_wide_table_has_more_columns() {
    let text = tables::render(&[web()], true);
    assert!(text.lines().next().unwrap().ends_with("SOURCE"), "{text}");
    assert!(text.contains("Cluster"), "{text}");
}

#[test]
fn an_empty_table_says_so() {
    assert_eq!(tables::render::<ServiceRow>(&[], false), "nothing found\n");
}

#[test]
fn a_device_that_could_not_be_attached_shows_why() {
    let row = DeviceRow {
        name: "veth7".into(),
        index: 7,
        role: "pod".into(),
        why: "the kernel is out of memory".into(),
        ..DeviceRow::default()
    };
    let text = tables::render(&[row], false);
    assert!(
        text.contains("veth7  pod   <none>  the kernel is out of memory"),
        "{text}"
    );
}

#[test]
fn status_shows_rejects_and_drops_but_not_what_went_well() {
    let counter = |reason: &str, verdict: &str| CounterRow {
        reason: reason.into(),
        verdict: verdict.into(),
        packets: 7,
        bytes: 700,
        sentence: "What it means.".into(),
    };
    let status = Status {
        counters: vec![counter("new_flow", "forward"), counter("no_route", "drop")],
        problems: vec!["a.yaml: document 1: bad".into()],
        ..Status::default()
    };
    let text = status::text(&status);
    assert!(text.contains("no_route"), "{text}");
    assert!(!text.contains("new_flow"), "{text}");
    assert!(
        text.contains("\nProblems\n  - a.yaml: document 1: bad\n"),
        "{text}"
    );
}

#[test]
fn json_and_yaml_carry_the_same_camel_case_fields() {
    let list = List { items: vec![web()] };
    assert!(
        json(&list)
            .unwrap()
            .contains("\"clusterIp\": \"10.96.0.10\"")
    );
    let text = yaml(&list).unwrap();
    assert!(
        text.contains("clusterIp: \"10.96.0.10\"") && text.starts_with("items:"),
        "{text}"
    );
}

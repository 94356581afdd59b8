mod parse;
pub(crate) mod scene;

use prometheus_client::{encoding::text::encode, registry::Registry};
use scene::{Scene, service};

use super::Vitals;

/// Names, types, units, labels and help of everything that is ever shown.
const GOLDEN: &str = include_str!("golden.txt");

/// A sample of what the agent's parts tell, by its name with all its labels.
pub(crate) fn sample(vitals: &Vitals, name: &str) -> f64 {
    let mut registry = Registry::default();
    vitals.register(&mut registry);
    let mut page = String::new();
    encode(&mut page, &registry).unwrap();
    let samples = page.lines().filter_map(|line| line.rsplit_once(' '));
    let found = samples
        .filter(|(it, _)| *it == name)
        .map(|(_, value)| value.parse().unwrap());
    let found: Vec<f64> = found.collect();
    assert_eq!(found.len(), 1, "{name} in\n{page}");
    found[0]
}

/// Two backends of one Service, and one of another.
fn two() -> Scene {
    let mut scene = Scene::new(10_000);
    let web = service("web", 10, &["10.244.0.7", "10.244.1.7"]);
    scene.turn(&(web + "---" + &service("api", 11, &["10.244.0.8"])));
    scene
}

#[test]
fn rule_3_10_8_names_types_units_labels_and_help_stay_as_they_are() {
    let scene = two();
    scene.tell_everything();
    let page = scene.parsed();
    let outline = parse::outline(&page);
    assert!(outline == GOLDEN, "golden.txt should be:\n{outline}");
    for name in [
        "sync_proxy_rules_duration_seconds",
        "network_programming_duration_seconds",
        "sync_proxy_rules_endpoint_changes_total",
        "sync_proxy_rules_endpoint_changes_pending",
        "sync_proxy_rules_service_changes_total",
        "sync_proxy_rules_service_changes_pending",
        "sync_proxy_rules_last_timestamp_seconds",
        "sync_proxy_rules_last_queued_timestamp_seconds",
        "sync_proxy_rules_no_local_endpoints_total",
        "proxy_healthz_total",
        "proxy_livez_total",
    ] {
        let plain = scene.plain();
        let kind = format!("# TYPE kubeproxy_{name} ");
        assert!(plain.contains(&kind), "{kind}");
    }
}

#[test]
fn counters_carry_the_names_of_their_service_and_backend() {
    let scene = two();
    let (web, api) = (scene.service_id("web"), scene.service_id("api"));
    let (here, there) = (
        scene.backend_id("10.244.0.7"),
        scene.backend_id("10.244.1.7"),
    );
    scene.count(web, here, [5, 500, 4, 400], 2);
    scene.count(web, there, [1, 60, 1, 70], 1);
    scene.refuse(api, 3);
    let of_web = "namespace=\"default\",service=\"web\",port=\"80\",protocol=\"TCP\"";
    for (metric, last, value) in [
        (
            "tidegate_service_packets_total",
            "family=\"IPv4\",direction=\"forward\"",
            6,
        ),
        (
            "tidegate_service_bytes_total",
            "family=\"IPv4\",direction=\"forward\"",
            560,
        ),
        (
            "tidegate_service_packets_total",
            "family=\"IPv4\",direction=\"reply\"",
            5,
        ),
        (
            "tidegate_service_bytes_total",
            "family=\"IPv4\",direction=\"reply\"",
            470,
        ),
        ("tidegate_service_flows_opened_total", "family=\"IPv4\"", 3),
        ("tidegate_service_refused_total", "family=\"IPv4\"", 0),
        (
            "tidegate_backend_packets_total",
            "address=\"10.244.0.7:8080\",direction=\"forward\"",
            5,
        ),
        (
            "tidegate_backend_bytes_total",
            "address=\"10.244.1.7:8080\",direction=\"reply\"",
            70,
        ),
        (
            "tidegate_backend_flows_opened_total",
            "address=\"10.244.1.7:8080\"",
            1,
        ),
    ] {
        scene.shows(&format!("{metric}{{{of_web},{last}}} {value}"));
    }
    let of_api = of_web.replace("web", "api");
    scene.shows(&format!(
        "tidegate_service_refused_total{{{of_api},family=\"IPv4\"}} 3"
    ));
    scene.shows("tidegate_packets_total{reason=\"no_endpoints\",verdict=\"reject\"} 9");
    scene.shows("tidegate_bytes_total{reason=\"new_flow\",verdict=\"forward\"} 800");
}

#[test]
fn living_flows_come_from_the_census() {
    let mut scene = two();
    let web = scene.service_id("web");
    scene.census(web, "10.244.0.7", 4);
    let of_web = "namespace=\"default\",service=\"web\",port=\"80\",protocol=\"TCP\"";
    scene.shows(&format!(
        "tidegate_service_flows_active{{{of_web},family=\"IPv4\"}} 4"
    ));
    scene.shows(&format!(
        "tidegate_backend_flows_active{{{of_web},address=\"10.244.0.7:8080\"}} 4"
    ));
    scene.shows(&format!(
        "tidegate_backend_flows_active{{{of_web},address=\"10.244.1.7:8080\"}} 0"
    ));
    scene.shows("tidegate_flows_active{family=\"IPv4\"} 4");
    scene.shows("tidegate_map_entries{map=\"flows4\"} 8");
    scene.shows("tidegate_map_capacity{map=\"flows4\"} 1024");
    scene.vitals().set_planned([("slots", 3, 9)]);
    scene.shows("tidegate_map_entries{map=\"slots\"} 3");
    scene.shows("tidegate_map_capacity{map=\"slots\"} 9");
}

#[test]
fn beyond_the_limit_backends_are_left_out_whole_services_at_a_time_and_counted() {
    // Two backends have twelve series.
    for (most, shown, capped) in [
        (18, ["web", "api"].as_slice(), 0),
        (17, &["web"], 1),
        (11, &["api"], 2),
        (5, &[], 3),
        (0, &[], 3),
    ] {
        let mut scene = two();
        scene.series_max = most;
        let page = scene.parsed();
        let backends = scene::metric(&page, "tidegate_backend_flows_active");
        let mut services: Vec<&str> = backends
            .samples
            .iter()
            .map(|it| &*it.labels["service"])
            .collect();
        services.dedup();
        assert_eq!(services, shown, "{most}");
        let left_out =
            format!("tidegate_left_out{{kind=\"backend\",flag=\"metrics-series-max\"}} {capped}");
        scene.shows(&left_out);
        let services = scene::metric(&page, "tidegate_service_flows_active");
        assert_eq!(services.samples.len(), 2, "Services are shown in any case");
    }
}

#[test]
fn a_new_service_does_not_take_the_series_of_an_old_one() {
    let mut scene = Scene::new(12);
    let old = service("zz", 10, &["10.244.0.7", "10.244.1.7"]);
    scene.turn(&old);
    scene.turn(&(service("aa", 11, &["10.244.0.8"]) + "---" + &old));
    let page = scene.parsed();
    let backends = scene::metric(&page, "tidegate_backend_flows_active");
    let services: Vec<&str> = backends
        .samples
        .iter()
        .map(|it| &*it.labels["service"])
        .collect();
    assert_eq!(services, ["zz", "zz"]);
}

#[test]
fn ids_that_the_kernel_does_not_count_have_no_series_and_are_told() {
    let mut scene = two();
    let highest = scene.backend_id("10.244.0.8").max(scene.service_id("api"));
    scene.capacity = highest;
    scene.shows("tidegate_left_out{kind=\"service\",flag=\"traffic-counters\"} 0");
    scene.shows("tidegate_left_out{kind=\"backend\",flag=\"traffic-counters\"} 1");
    scene.capacity = 0;
    scene.shows("tidegate_left_out{kind=\"service\",flag=\"traffic-counters\"} 2");
    scene.shows("tidegate_left_out{kind=\"backend\",flag=\"traffic-counters\"} 3");
    let page = scene.parsed();
    assert!(
        scene::metric(&page, "tidegate_service_packets")
            .samples
            .is_empty()
    );
}

#[test]
fn counters_that_cannot_be_read_cost_the_traffic_only_and_are_counted() {
    let mut scene = two();
    scene.fails = true;
    let page = scene.parsed();
    assert!(
        page.iter()
            .all(|(name, _)| !name.starts_with("tidegate_service_packets"))
    );
    scene.shows("tidegate_service_ports 2");
    let page = scene.plain();
    assert!(
        page.contains("tidegate_scrape_failures_total 1\n"),
        "{page}"
    );
}

#[test]
fn an_awkward_name_does_not_break_the_page() {
    let scene = two();
    scene.vitals().api_answered("BREW\n\"x\"", 418);
    scene.vitals().set_devices(vec![tidegate_api::DeviceRow {
        role: "up\"link\\".into(),
        hooks: "a\nb".into(),
        ..tidegate_api::DeviceRow::default()
    }]);
    scene.shows("tidegate_api_requests_total{method=\"other\",code=\"418\"} 1");
    scene.shows("tidegate_devices{role=\"up\\\"link\\\\\",hook=\"a\\nb\",attached=\"true\"} 1");
}

#[test]
fn every_metric_of_the_dashboard_and_of_the_document_exists_and_every_metric_is_documented() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/");
    let read = |name: &str| std::fs::read_to_string(format!("{root}{name}")).unwrap();
    let plain = two();
    plain.tell_everything();
    let plain = plain.plain();
    let known: Vec<String> = plain
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .flat_map(|(name, kind)| match kind {
            "histogram" => ["", "_bucket", "_sum", "_count"]
                .map(|it| format!("{name}{it}"))
                .to_vec(),
            _ => vec![name.to_owned()],
        })
        .collect();
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("grafana/tidegate.json")).unwrap();
    let mut queries = Vec::new();
    expressions(&dashboard, &mut queries);
    assert!(queries.len() > 10, "{queries:?}");
    for query in &queries {
        for name in names(query) {
            assert!(known.contains(&name), "{name} in {query}");
        }
    }
    // Behind the heading are those that kube-proxy has and tidegate has not.
    let document = read("metrics.md");
    let (has, _has_not) = document.split_once("\n## What is not there").unwrap();
    for name in names(has) {
        let is_prefix = name.ends_with('_');
        assert!(
            is_prefix || known.contains(&name),
            "{name} is documented and does not exist"
        );
    }
    for name in known
        .iter()
        .filter(|name| !name.ends_with("_bucket") && !name.ends_with("_sum"))
    {
        let is_part = name
            .strip_suffix("_count")
            .is_some_and(|it| known.iter().any(|name| name == it));
        assert!(
            is_part || has.contains(&format!("`{name}")),
            "{name} is not documented"
        );
    }
}

/// All `expr` and `query` texts in a dashboard.
fn expressions(value: &serde_json::Value, into: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str() {
                    Some(text) if key == "expr" || key == "query" || key == "definition" => {
                        into.push(text.to_owned())
                    }
                    _ => expressions(value, into),
                }
            }
        }
        serde_json::Value::Array(values) => values.iter().for_each(|it| expressions(it, into)),
        _ => {}
    }
}

/// Words that look like names of our metrics.
fn names(text: &str) -> Vec<String> {
    let words = text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
    let ours = ["tidegate_", "kubeproxy_", "process_"];
    words
        .filter(|word| ours.iter().any(|it| word.starts_with(it)))
        .map(str::to_owned)
        .collect()
}

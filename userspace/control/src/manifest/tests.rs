use super::*;
use crate::object::Kind;

const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n\
    spec: {clusterIP: None, sessionAffinity: None, ports: [{port: 80}]}\n";

fn lines(parsed: &Parsed) -> Vec<String> {
    parsed.problems.iter().map(Problem::to_string).collect()
}

fn names(parsed: &Parsed) -> Vec<String> {
    parsed
        .objects
        .iter()
        .map(|it| format!("{}@{}", it.key, it.origin.document))
        .collect()
}

#[test]
fn documents_are_counted_from_one_and_a_leading_marker_counts_nothing() {
    let second = SERVICE.replace("web", "shop");
    for text in [
        format!("{SERVICE}---\n{second}"),
        format!("---\n{SERVICE}--- # two\n{second}---\n"),
        format!("\u{feff}# head\n%YAML 1.2\n---\r\n{SERVICE}---\n{second}"),
    ] {
        let parsed = parse("a.yaml", &text);
        assert_eq!(lines(&parsed), Vec::<String>::new(), "{text}");
        assert_eq!(
            names(&parsed),
            ["Service default/web@1", "Service default/shop@2"],
            "{text}"
        );
    }
    let with_empty = parse("a.yaml", &format!("{SERVICE}---\n# nothing\n---\n{second}"));
    assert_eq!(
        names(&with_empty),
        ["Service default/web@1", "Service default/shop@3"]
    );
}

#[test]
fn none_is_a_word_in_yaml_and_not_null() {
    let parsed = parse("a.yaml", SERVICE);
    let spec = parsed.objects[0].service().unwrap().spec.as_ref().unwrap();
    assert_eq!(spec.cluster_ip.as_deref(), Some("None"));
    assert_eq!(spec.session_affinity.as_deref(), Some("None"));
}

#[test]
fn a_broken_document_does_not_hurt_its_neighbours_and_its_line_is_the_files() {
    let parsed = parse("a.yaml", &format!("{SERVICE}---\nkind: [\n---\n{SERVICE}"));
    assert_eq!(names(&parsed).len(), 2);
    assert!(parsed.incomplete);
    let [line] = &lines(&parsed)[..] else {
        panic!("{:?}", parsed.problems)
    };
    assert!(
        line.starts_with("a.yaml: document 2: cannot be read as YAML or JSON: "),
        "{line}"
    );
    assert!(line.contains("line 6") || line.contains("line 7"), "{line}");
    assert!(!line.contains('\n'));
}

#[test]
fn a_field_of_the_wrong_type_is_named_by_its_path_and_the_object_is_refused() {
    let text = SERVICE.replace("port: 80", "port: many");
    let parsed = parse("a.yaml", &text);
    assert_eq!(
        lines(&parsed),
        [
            "a.yaml: document 1: Service default/web: spec.ports[0].port: \
          invalid type: string \"many\", expected i32"
        ]
    );
    assert!(!parsed.incomplete);
    assert_eq!(parsed.refused[0].to_string(), "Service default/web");
}

#[test]
fn other_kinds_are_noted_and_skipped() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n---\n\
        apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: web}\n";
    let parsed = parse("a.yaml", text);
    assert!(parsed.objects.is_empty() && !parsed.incomplete);
    assert_eq!(
        lines(&parsed),
        [
            "a.yaml: document 1: apps/v1 Deployment is not understood and was skipped",
            "a.yaml: document 2: serving.knative.dev/v1 Service is not understood and was skipped",
        ]
    );
    assert!(
        parsed
            .problems
            .iter()
            .all(|problem| problem.severity == Severity::Note)
    );
}

#[test]
fn lists_in_json_and_yaml_are_flattened_and_items_take_the_lists_kind() {
    let item = r#"{"metadata":{"name":"web","namespace":"prod"},"spec":{"ports":[{"port":80}]}}"#;
    let list = format!(r#"{{"apiVersion":"v1","kind":"ServiceList","items":[{item}]}}"#);
    assert_eq!(names(&parse("a.json", &list)), ["Service prod/web@1"]);
    let twice = format!("{list}\n{list}");
    assert_eq!(
        names(&parse("a.json", &twice)),
        ["Service prod/web@1", "Service prod/web@2"]
    );

    let slice = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: discovery.k8s.io/v1\n  \
        kind: EndpointSlice\n  metadata: {name: web-1}\n  addressType: IPv4\n- kind: Service\n";
    let parsed = parse("a.yaml", slice);
    assert_eq!(names(&parsed), ["EndpointSlice default/web-1@1"]);
    assert_eq!(parsed.objects[0].key.kind, Kind::EndpointSlice);
    assert_eq!(
        lines(&parsed),
        ["a.yaml: document 1: items[1].apiVersion: is missing"]
    );
}

#[test]
fn an_object_without_a_usable_name_or_kind_is_one_line() {
    for (text, line) in [
        (
            "apiVersion: v1\nkind: Service\n",
            "metadata.name: is missing",
        ),
        ("apiVersion: v1\nmetadata: {name: a}\n", "kind: is missing"),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: 7}\n",
            "metadata.name: 7 is not a name (lower case letters, digits and '-')",
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: B/c}\n",
            "metadata.namespace: \"B/c\" is not a name (lower case letters, digits and '-')",
        ),
        ("just words", "is not an object with apiVersion and kind"),
        ("[1]", "is not an object with apiVersion and kind"),
        (
            "apiVersion: v1\nkind: List\nitems: 3\n",
            "items: must be a list of objects",
        ),
    ] {
        let parsed = parse("a.yaml", text);
        assert_eq!(
            lines(&parsed),
            [format!("a.yaml: document 1: {line}")],
            "{text}"
        );
        assert!(parsed.incomplete && parsed.objects.is_empty());
    }
}

#[test]
fn creation_time_is_read() {
    let text = SERVICE.replace(
        "name: web",
        "name: web, creationTimestamp: 2024-05-01T10:00:00Z",
    );
    let parsed = parse("a.yaml", &text);
    assert_eq!(
        parsed.objects[0].created.unwrap().to_string(),
        "2024-05-01T10:00:00Z"
    );
    let null = SERVICE.replace("name: web", "name: web, creationTimestamp: null");
    assert_eq!(parse("a.yaml", &null).objects[0].created, None);
}

#[test]
fn a_bomb_of_aliases_is_refused_in_one_line() {
    let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..12 {
        let before = format!("*a{},", level - 1).repeat(10);
        text += &format!("a{level}: &a{level} [{before}]\n");
    }
    let parsed = parse("a.yaml", &text);
    assert!(parsed.objects.is_empty());
    assert_eq!(parsed.problems.len(), 1);
}

#[test]
fn no_cut_of_a_file_panics() {
    let text = format!("{SERVICE}---\n{{\"kind\": \"List\", \"items\": [1, null, {{}}]}}\n");
    for end in 0..text.len() {
        let _parsed = parse("a.yaml", &text[..end]);
        let _parsed = parse("a.yaml", &text[end..]);
    }
}

#[test]
fn pods_and_nodes_are_read_with_lists_and_a_node_has_no_namespace() {
    let text = "apiVersion: v1\nkind: PodList\nitems: [{metadata: {name: a, namespace: prod}}]\n---\n\
        apiVersion: v1\nkind: NodeList\nitems: [{metadata: {name: n.example, namespace: x}}]\n---\n\
        apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Pod, metadata: {name: b}}]\n";
    let parsed = parse("a.yaml", text);
    assert_eq!(lines(&parsed), Vec::<String>::new());
    assert_eq!(
        names(&parsed),
        ["Pod prod/a@1", "Node n.example@2", "Pod default/b@3"]
    );
}

#[test]
fn what_a_pod_or_node_says_beyond_our_needs_is_dropped_whatever_its_type() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {app: web}, \
        deletionTimestamp: '2026-01-01T00:00:00Z', annotations: {a: 1}}\n\
        spec: {nodeName: n, overhead: {cpu: 1}, containers: [{name: c, image: i, env: [{name: E}], \
        resources: {limits: {cpu: 0.5}}, ports: [{name: http, containerPort: 80}]}]}\n\
        status: {podIP: 10.0.0.1, conditions: [{type: Ready, status: 'True', lastProbeTime: bad}]}\n\
        ---\napiVersion: v1\nkind: Node\nmetadata: {name: n}\n\
        status: {allocatable: {cpu: 4, memory: 1Gi}, images: 7}\n";
    let parsed = parse("a.yaml", text);
    assert_eq!(lines(&parsed), Vec::<String>::new());
    let pod = parsed.objects[0].pod().unwrap();
    assert_eq!(parsed.objects[0].label("app"), Some("web"));
    assert!(pod.metadata.deletion_timestamp.is_some());
    let container = &pod.spec.as_ref().unwrap().containers[0];
    assert_eq!(container.ports.as_ref().unwrap()[0].container_port, 80);
    assert_eq!((&container.image, &container.env), (&None, &None));
    let node = parsed.objects[1].node().unwrap();
    let allocatable = node.status.as_ref().unwrap().allocatable.as_ref().unwrap();
    assert_eq!(allocatable["cpu"].0, "4");
}

#[test]
fn a_pod_whose_needed_fields_have_the_wrong_type_is_refused_by_name() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nstatus: {podIP: 7}\n";
    let parsed = parse("a.yaml", text);
    assert_eq!(
        lines(&parsed),
        [
            "a.yaml: document 1: Pod default/a: status.podIP: invalid type: integer `7`, \
          expected a string"
        ]
    );
    assert_eq!(parsed.refused[0].to_string(), "Pod default/a");
    // A field that should be an object is left for the typing to judge.
    for text in [
        "spec: 7",
        "status: []",
        "metadata: 7",
        "spec: {containers: 7}",
    ] {
        let text = format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\n{text}\n");
        assert_eq!(parse("a.yaml", &text).problems.len(), 1, "{text}");
    }
}

#[test]
fn a_field_that_the_kind_does_not_have_is_told_with_its_path() {
    let text = SERVICE.replace(
        "ports: [{port: 80}]",
        "externalTraficPolicy: Local, ports: [{port: 80, nodePorts: 30000}]",
    );
    let parsed = parse("a.yaml", &text);
    assert_eq!(parsed.objects.len(), 1);
    let told = "is not a field of this kind, and is ignored: is it misspelt?";
    assert_eq!(
        lines(&parsed),
        [
            format!("a.yaml: document 1: Service default/web: spec.externalTraficPolicy: {told}"),
            format!("a.yaml: document 1: Service default/web: spec.ports[0].nodePorts: {told}"),
        ]
    );
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, creationTimestamp: null}\n\
               spec: {containers: [{name: a, image: a, port: 80}], volumes: []}\n";
    let lines = lines(&parse("a.yaml", pod));
    assert_eq!(
        lines,
        [format!(
            "a.yaml: document 1: Pod default/a: spec.containers[0].port: {told}"
        )]
    );
}

#[test]
fn what_an_api_server_knows_and_we_do_not_is_no_news() {
    let parsed = parse("a.yaml", SERVICE);
    let mut value = serde_json::to_value(parsed.objects[0].service().unwrap()).unwrap();
    value["spec"]["ofTheFuture"] = true.into();
    assert!(settled("kubernetes", value.clone()).problems.is_empty());
    assert_eq!(from_value("api", value).problems.len(), 1);
}

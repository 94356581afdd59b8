use super::*;

const WEB: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}\n";

fn files(dir: &Path) -> Files {
    Files {
        filename: vec![dir.to_owned()],
        ..Files::default()
    }
}

fn names(input: &Input) -> Vec<String> {
    input
        .items
        .iter()
        .map(|item| item.key.to_string())
        .collect()
}

#[test]
fn a_directory_is_read_in_the_order_of_names_and_other_endings_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("b.yml"), WEB.replace("web", "b")).unwrap();
    fs::write(dir.path().join("a.yaml"), WEB.replace("web", "a")).unwrap();
    fs::write(dir.path().join("c.txt"), "nothing of ours").unwrap();
    fs::create_dir(dir.path().join("more")).unwrap();
    fs::write(dir.path().join("more/c.json"), "{}").unwrap();
    let mut files = files(dir.path());
    let input = files.read().unwrap();
    assert_eq!(names(&input), ["Service default/a", "Service default/b"]);
    files.recursive = true;
    let input = files.read().unwrap();
    assert_eq!(input.errors.len(), 1, "{:?}", input.errors);
    assert!(
        input.errors[0].contains("more/c.json: document 1: kind: is missing"),
        "{:?}",
        input.errors
    );
}

#[test]
fn an_error_names_file_document_and_field() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    fs::write(
        &path,
        format!("{WEB}---\n{}", WEB.replace("web", "b").replace("80", "0")),
    )
    .unwrap();
    let input = files(&path).read().unwrap();
    let expected = format!(
        "{}: document 2: Service default/b: spec.ports[0].port: 0 is not a port (1-65535)",
        path.display()
    );
    assert_eq!(input.errors, [expected]);
    assert!(
        input
            .told()
            .unwrap_err()
            .to_string()
            .ends_with("; nothing was changed")
    );
}

#[test]
fn the_same_object_twice_is_an_error_in_one_file_and_in_two() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.yaml"), format!("{WEB}---\n{WEB}")).unwrap();
    let error = files(dir.path()).read().unwrap().errors.remove(0);
    assert!(
        error.ends_with("is already in document 1 of this file"),
        "{error}"
    );
    fs::write(dir.path().join("a.yaml"), WEB).unwrap();
    fs::write(dir.path().join("b.yaml"), WEB).unwrap();
    let error = files(dir.path()).read().unwrap().errors.remove(0);
    assert!(error.contains("is already defined in"), "{error}");
    assert!(!error.contains("ignored"), "{error}");
}

#[test]
fn other_kinds_are_refused_unless_they_are_to_be_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let other = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n";
    fs::write(dir.path().join("a.yaml"), format!("{other}---\n{WEB}")).unwrap();
    let mut files = files(dir.path());
    let input = files.read().unwrap();
    assert!(
        input.errors[0]
            .contains("Deployment is not understood: leave it out, or say --skip-unknown"),
        "{:?}",
        input.errors
    );
    files.skip_unknown = true;
    let input = files.read().unwrap();
    assert_eq!(
        (input.errors.len(), names(&input)),
        (0, vec!["Service default/web".to_owned()])
    );
}

#[test]
fn a_list_of_one_kind_gives_its_kind_to_its_items() {
    let dir = tempfile::tempdir().unwrap();
    let list = "apiVersion: v1\nkind: ServiceList\nitems:\n- metadata: {name: web, namespace: shop}\n  spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}\n";
    fs::write(dir.path().join("a.yaml"), list).unwrap();
    let input = files(dir.path()).read().unwrap();
    assert_eq!(input.errors, Vec::<String>::new());
    assert_eq!(input.items[0].key.namespace, "shop");
    assert_eq!(input.items[0].value["kind"], "Service");
}

#[test]
fn nothing_to_read_is_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let failure = files(dir.path()).read().unwrap_err().to_string();
    assert!(failure.starts_with("no objects in "), "{failure}");
    let failure = files(&dir.path().join("none.yaml"))
        .read()
        .unwrap_err()
        .to_string();
    assert!(
        failure.contains("cannot read") && failure.contains("No such file"),
        "{failure}"
    );
}

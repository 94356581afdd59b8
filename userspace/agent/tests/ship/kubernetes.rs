//! The manifests in `docs/kubernetes`.

use std::{collections::BTreeMap, fs};

use k8s_openapi::{
    Resource,
    api::{
        apps::v1::DaemonSet,
        core::v1::{ConfigMap, Container, Pod, PodSpec, ServiceAccount},
        rbac::v1::{ClusterRole, ClusterRoleBinding},
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{repository, text, understood, unit};

fn documents(name: &str) -> Vec<Value> {
    let text = text(&format!("docs/kubernetes/{name}"));
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The object, if the type knows every field of it: what it does not know would be lost on the way back.
fn read<T: Serialize + DeserializeOwned + Resource>(object: &Value) -> T {
    assert_eq!(
        (&object["apiVersion"], &object["kind"]),
        (&T::API_VERSION.into(), &T::KIND.into())
    );
    let read: T = serde_json::from_value(object.clone()).expect("an object of its kind");
    assert_eq!(
        serde_json::to_value(&read).expect("JSON"),
        *object,
        "a field was lost"
    );
    read
}

fn daemon_set() -> (DaemonSet, PodSpec, Container) {
    let documents = documents("daemonset.yaml");
    let set: DaemonSet = read(&documents[0]);
    let pod = set.spec.template.spec.clone().expect("a pod");
    let container = pod.containers[0].clone();
    (set, pod, container)
}

/// The configurations to choose from.
fn configurations() -> Vec<(String, ConfigMap)> {
    let files = fs::read_dir(repository().join("docs/kubernetes")).expect("a directory");
    let names = files.map(|file| file.expect("a file").file_name().display().to_string());
    let names = names.filter(|name| name.starts_with("config"));
    names
        .map(|name| (name.clone(), read(&documents(&name)[0])))
        .collect()
}

#[test]
fn every_field_of_the_manifests_is_one_of_kubernetes() {
    let (set, ..) = daemon_set();
    assert_eq!(set.metadata.namespace.as_deref(), Some("kube-system"));
    let rbac = documents("rbac.yaml");
    let account: ServiceAccount = read(&rbac[0]);
    let role: ClusterRole = read(&rbac[1]);
    let binding: ClusterRoleBinding = read(&rbac[2]);
    assert_eq!(binding.role_ref.name, role.metadata.name.expect("a name"));
    let subject = &binding.subjects.expect("subjects")[0];
    assert_eq!(Some(&subject.name), account.metadata.name.as_ref());
    assert_eq!(subject.namespace, account.metadata.namespace);
    assert_eq!(configurations().len(), 3);
}

#[test]
fn the_patch_for_the_cni_plugin_fits_the_daemon_set_and_installs_the_same_binary() {
    let mut object = documents("daemonset.yaml").remove(0);
    let patch = documents("cni.yaml").remove(0);
    assert_eq!(patch["metadata"]["name"], object["metadata"]["name"]);
    let (from, to) = (
        &patch["spec"]["template"]["spec"],
        &mut object["spec"]["template"]["spec"],
    );
    to["initContainers"] = from["initContainers"].clone();
    let volumes = from["volumes"].as_array().expect("volumes").clone();
    to["volumes"]
        .as_array_mut()
        .expect("volumes")
        .extend(volumes);
    let set: DaemonSet = read(&object);
    let pod = set.spec.template.spec.expect("a pod");
    let init = &pod.init_containers.expect("an init container")[0];
    assert_eq!(init.image, pod.containers[0].image);
    let mounted = &init.volume_mounts.as_ref().expect("mounts")[0].mount_path;
    let args = init.args.as_ref().expect("arguments");
    assert_eq!(args[..2], ["cni", "--install"]);
    assert_eq!(args[2], *mounted);
    let dir = tempfile::tempdir().expect("a directory");
    let there = dir.path().to_str().expect("a path in UTF-8");
    let output = crate::tidegate(&["cni", "--install", there], &BTreeMap::new());
    assert_eq!(output.status.code(), Some(0));
    let installed = fs::metadata(dir.path().join("tidegate")).expect("a file");
    let built = fs::metadata(env!("CARGO_BIN_EXE_tidegate")).expect("a file");
    assert_eq!(installed.len(), built.len());
}

#[test]
fn the_pod_that_detaches_has_the_image_and_at_most_the_rights_of_the_daemon_set() {
    let pod: Pod = read(&documents("detach.yaml")[0]);
    let detaching = pod.spec.expect("a spec").containers[0].clone();
    let (_, _, agent) = daemon_set();
    assert_eq!(detaching.image, agent.image);
    let capabilities = |container: &Container| {
        let context = container.security_context.clone();
        context
            .and_then(|it| it.capabilities?.add)
            .expect("capabilities")
    };
    let may = capabilities(&agent);
    assert!(
        capabilities(&detaching)
            .iter()
            .all(|name| may.contains(name))
    );
    let dir = tempfile::tempdir().expect("a directory");
    let nothing = dir.path().join("nothing");
    let nothing = BTreeMap::from([("TIDEGATE_BPFFS".into(), nothing.display().to_string())]);
    let args = detaching.args.expect("arguments");
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    assert_eq!(crate::tidegate(&args, &nothing).status.code(), Some(0));
}

#[test]
fn the_agent_understands_its_arguments_and_its_environment_in_the_daemon_set() {
    let (_, _, container) = daemon_set();
    let mut args = container.args.expect("arguments");
    assert_eq!(container.command, None, "the image's own entry point");
    for (name, config) in configurations() {
        let dir = tempfile::tempdir().expect("a directory");
        let toml = &config.data.expect("data")["tidegate.toml"];
        let file = dir.path().join("tidegate.toml");
        fs::write(&file, toml).expect("write");
        let mut environment = BTreeMap::new();
        for variable in container.env.clone().expect("environment") {
            environment.insert(variable.name, variable.value.unwrap_or("node-a".to_owned()));
        }
        let mounted = environment.insert("TIDEGATE_CONFIG".into(), file.display().to_string());
        assert_eq!(
            mounted.as_deref(),
            Some("/etc/tidegate/tidegate.toml"),
            "{name}"
        );
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        understood(&args, &environment);
    }
    // And it would not understand everything.
    args.push("--in-clutser".to_owned());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    assert_eq!(
        crate::tidegate(&args, &BTreeMap::new()).status.code(),
        Some(2)
    );
}

#[test]
fn every_variable_of_the_daemon_set_is_one_of_the_agents() {
    let (_, _, container) = daemon_set();
    let flags = crate::flags();
    for variable in container.env.expect("environment") {
        let flag = variable.name.strip_prefix("TIDEGATE_").expect("ours");
        let flag = flag.to_lowercase().replace('_', "-");
        assert!(flags.contains_key(&flag), "{}: no --{flag}", variable.name);
    }
}

#[test]
fn the_container_has_the_rights_of_the_unit_and_no_others() {
    let (_, pod, container) = daemon_set();
    let context = container.security_context.expect("a security context");
    let capabilities = context.capabilities.expect("capabilities");
    assert_eq!(capabilities.drop, Some(vec!["ALL".to_owned()]));
    let added = capabilities.add.expect("some").into_iter();
    let added: Vec<String> = added.map(|name| format!("CAP_{name}")).collect();
    assert_eq!(added, unit::setting("CapabilityBoundingSet"));
    assert_eq!(context.privileged, None);
    assert_eq!(
        (pod.host_network, pod.host_pid, pod.host_ipc),
        (Some(true), None, None)
    );
}

#[test]
fn every_mount_has_its_volume_and_the_agents_directories_are_the_nodes() {
    let (_, pod, container) = daemon_set();
    let volumes = pod.volumes.expect("volumes");
    let mounts = container.volume_mounts.expect("mounts");
    let host_path = |name: &str| {
        let volume = volumes.iter().find(|volume| volume.name == name);
        volume
            .unwrap_or_else(|| panic!("no volume {name}"))
            .host_path
            .clone()
    };
    for mount in &mounts {
        if let Some(volume) = host_path(&mount.name) {
            let inside = mount.mount_path.trim_start_matches("/host");
            assert_eq!(inside, volume.path, "{}", mount.name);
        }
    }
    let is_mounted = |path: &str| {
        mounts
            .iter()
            .any(|mount| path.starts_with(&mount.mount_path))
    };
    for flag in ["api", "state-dir", "bpffs"] {
        let default = crate::flags().remove(flag).flatten().expect("a default");
        assert!(
            is_mounted(&default),
            "--{flag} {default} is not on the node"
        );
    }
}

#[test]
fn the_role_of_the_daemon_set_is_the_one_that_is_bound() {
    let (set, pod, _) = daemon_set();
    let rbac = documents("rbac.yaml");
    let account: ServiceAccount = read(&rbac[0]);
    assert_eq!(pod.service_account_name, account.metadata.name);
    assert_eq!(set.metadata.namespace, account.metadata.namespace);
    let volumes = pod.volumes.expect("volumes");
    let asked = volumes.iter().find_map(|volume| volume.config_map.as_ref());
    for (name, config) in configurations() {
        assert_eq!(config.metadata.namespace, set.metadata.namespace, "{name}");
        assert_eq!(
            config.metadata.name,
            asked.map(|it| it.name.clone()),
            "{name}"
        );
    }
}

//! Who we are to the server: certificates, tokens that rotate, plugins, service accounts.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use serde_json::json;
use tempfile::TempDir;
use tidegate_apiserver::{ApiServer, Authority, Cut};
use tidegate_kubernetes::{Access, Server};

use crate::stage::{Told, kubeconfig, listener, node, service, slice, timing, with_authority};

struct Secure {
    server: ApiServer,
    authority: Authority,
    directory: TempDir,
}

impl Secure {
    /// A server that answers nobody yet who has no certificate.
    fn new() -> Self {
        let authority = Authority::new().unwrap();
        let server = ApiServer::start_secure(listener(), &authority).unwrap();
        server.tokens([]);
        server.put(node(&json!({})));
        server.put(service("web"));
        server.put(slice("web", &["10.244.0.1"]));
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("ca.crt"), authority.certificate()).unwrap();
        Self {
            server,
            authority,
            directory,
        }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    fn told(&self, user: &str) -> Told {
        let path = with_authority(self.path(), &self.server.url(), user, Some("ca.crt"));
        Told::by(Server::new(Access::Kubeconfig(path), None), timing())
    }
}

#[tokio::test]
async fn a_client_certificate_opens_the_door() {
    let secure = Secure::new();
    let identity = secure.authority.client("tidegate").unwrap();
    secure.write("client.crt", &identity.certificate);
    secure.write("client.key", &identity.key);
    let mut told = secure.told("{client-certificate: client.crt, client-key: client.key}");
    told.until_equal(&secure.server).await;
}

#[tokio::test]
async fn a_certificate_of_another_authority_does_not() {
    let secure = Secure::new();
    let identity = Authority::new().unwrap().client("tidegate").unwrap();
    secure.write("client.crt", &identity.certificate);
    secure.write("client.key", &identity.key);
    let mut told = secure.told("{client-certificate: client.crt, client-key: client.key}");
    told.until("it is told", |it| !it.problems.is_empty()).await;
    assert!(!told.is_complete);
    // Whoever renews the files need not restart anything.
    let identity = secure.authority.client("tidegate").unwrap();
    secure.write("client.crt", &identity.certificate);
    secure.write("client.key", &identity.key);
    told.until_equal(&secure.server).await;
}

#[tokio::test]
async fn a_server_of_another_authority_is_not_believed() {
    let secure = Secure::new();
    secure.server.tokens(["secret"]);
    secure.write("ca.crt", &Authority::new().unwrap().certificate());
    let mut told = secure.told("{token: secret}");
    told.until("it is told", |it| !it.problems.is_empty()).await;
    assert!(
        told.problems[0].contains("certificate"),
        "{:?}",
        told.problems
    );
    assert!(
        secure.server.asked().is_empty(),
        "the token was shown to it"
    );
}

#[tokio::test]
async fn a_token_that_rotates_is_read_again_when_it_is_refused() {
    let secure = Secure::new();
    secure.server.tokens(["first"]);
    secure.write("token", "first");
    let mut told = secure.told("{tokenFile: token}");
    told.until_equal(&secure.server).await;
    secure.server.tokens(["second"]);
    secure.server.cut(Cut::Abrupt);
    secure.server.put(service("new"));
    told.until("it is told", |it| !it.problems.is_empty()).await;
    assert!(
        told.problems[0].contains("Unauthorized (401)"),
        "{:?}",
        told.problems
    );
    secure.write("token", "second");
    told.until_equal(&secure.server).await;
    told.until("all is well", |it| it.problems.is_empty()).await;
}

#[tokio::test]
async fn a_pod_s_service_account_is_enough() {
    let secure = Secure::new();
    secure.server.tokens(["first"]);
    secure.write("token", "first");
    let access = Access::InCluster(secure.path().to_owned());
    let server = Server::new(access, Some(secure.server.url()));
    server.check().await.unwrap();
    let mut told = Told::by(server, timing());
    told.until_equal(&secure.server).await;
    secure.write("token", "second");
    secure.server.tokens(["second"]);
    secure.server.cut(Cut::Clean);
    secure.server.put(service("new"));
    told.until_equal(&secure.server).await;
}

#[tokio::test]
async fn a_plugin_is_asked_for_the_token() {
    let secure = Secure::new();
    secure.server.tokens(["of-the-plugin"]);
    let plugin = secure.path().join("plugin.sh");
    let answer = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
                        "status": {"token": "of-the-plugin"}});
    fs::write(&plugin, format!("#!/bin/sh\necho '{answer}'\n")).unwrap();
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o755)).unwrap();
    let user = format!(
        "{{exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: {}}}}}",
        plugin.display()
    );
    let mut told = secure.told(&user);
    told.until_equal(&secure.server).await;
}

#[tokio::test]
async fn the_address_can_be_another_than_the_file_s() {
    let secure = Secure::new();
    secure.server.tokens(["secret"]);
    let path = with_authority(
        secure.path(),
        "https://10.96.0.1",
        "{token: secret}",
        Some("ca.crt"),
    );
    let server = Server::new(Access::Kubeconfig(path), Some(secure.server.url()));
    assert_eq!(
        server.check().await.unwrap(),
        format!("{}/", secure.server.url())
    );
    Told::by(server, timing()).until_equal(&secure.server).await;
}

#[tokio::test]
async fn files_that_are_wrong_are_told_at_start_in_one_line() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("kubeconfig");
    let check = || async {
        let server = Server::new(Access::Kubeconfig(path.clone()), None);
        let error = server.check().await.unwrap_err();
        format!("{error:#}")
    };
    let missing = check().await;
    assert!(
        missing.starts_with(&format!("cannot read {}", path.display())),
        "{missing}"
    );
    let texts = [
        "",
        "not: [yaml",
        "{}",
        "just words",
        "apiVersion: v1\nkind: Config\ncurrent-context: no\n",
    ];
    for text in texts {
        fs::write(&path, text).unwrap();
        let line = check().await;
        assert!(
            line.starts_with(&path.display().to_string()),
            "{text}: {line}"
        );
    }
    for url in ["no url", "10.0.0.1", "http://"] {
        kubeconfig(directory.path(), url, "{}");
        let line = check().await;
        assert!(
            line.starts_with(&path.display().to_string()),
            "{url}: {line}"
        );
    }
    with_authority(
        directory.path(),
        "https://192.0.2.1",
        "{}",
        Some("missing.crt"),
    );
    assert!(check().await.contains("missing.crt"));
    let empty = Server::new(Access::InCluster(directory.path().join("none")), None);
    let line = format!("{:#}", empty.check().await.unwrap_err());
    assert!(
        line.contains("--in-cluster needs a pod with a service account"),
        "{line}"
    );
}

#[tokio::test]
async fn a_token_file_that_is_missing_is_a_problem_until_it_is_there() {
    let secure = Secure::new();
    secure.server.tokens(["secret"]);
    let mut told = secure.told("{tokenFile: token}");
    told.until("it is told", |it| !it.problems.is_empty()).await;
    assert!(told.problems[0].contains("token"), "{:?}", told.problems);
    secure.write("token", "secret");
    told.until_equal(&secure.server).await;
    let _settled = told.next(Duration::from_millis(1)).await;
}

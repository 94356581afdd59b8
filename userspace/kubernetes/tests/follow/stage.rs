//! A server, a follower, and what the follower has told so far.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_apiserver::{ApiServer, Asked, Kind, On};
use tidegate_control::manifest::Parsed;
use tidegate_kubernetes::{Access, Change, News, Options, Server, Timing, follow};
use tokio::{sync::mpsc::Receiver, time::timeout};

/// Longer than anything takes, on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const NODE: &str = "node-a";

/// Waits of a real cluster would make the tests last.
pub(crate) fn timing() -> Timing {
    Timing {
        first: Duration::from_millis(20),
        most: Duration::from_millis(400),
        watch: Duration::from_secs(240),
        steady: Duration::from_millis(200),
        answer: Duration::from_secs(10),
        absent: Duration::from_millis(200),
        gather: Duration::from_millis(5),
    }
}

pub(crate) fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// What was told.
pub(crate) struct Told {
    news: Receiver<News>,
    pub(crate) held: BTreeMap<String, Parsed>,
    pub(crate) problems: Vec<String>,
    pub(crate) cidrs: Vec<String>,
    pub(crate) is_complete: bool,
    /// How often each object was told, gone or not.
    pub(crate) times: BTreeMap<String, u32>,
}

impl Told {
    pub(crate) fn by(server: Server, timing: Timing) -> Self {
        let options = Options {
            server,
            node_name: NODE.to_owned(),
            timing,
        };
        Self {
            news: follow(options),
            held: BTreeMap::new(),
            problems: Vec::new(),
            cidrs: Vec::new(),
            is_complete: false,
            times: BTreeMap::new(),
        }
    }

    /// Takes in the next news, if there are any in this time.
    pub(crate) async fn next(&mut self, time: Duration) -> bool {
        let Ok(news) = timeout(time, self.news.recv()).await else {
            return false;
        };
        let news = news.expect("the follower has ended");
        assert!(
            news.is_complete || news.changes.is_empty(),
            "told too early"
        );
        self.is_complete = news.is_complete;
        self.problems = news.problems;
        self.cidrs = news.service_cidrs;
        for change in news.changes {
            match change {
                Change::Put { file, parsed } => {
                    *self.times.entry(file.clone()).or_default() += 1;
                    self.held.insert(file, parsed);
                }
                Change::Gone { file } => {
                    *self.times.entry(file.clone()).or_default() += 1;
                    assert!(self.held.remove(&file).is_some(), "{file} was never there");
                }
            }
        }
        true
    }

    /// Takes in news until this is true.
    pub(crate) async fn until(&mut self, what: &str, is_true: impl Fn(&Self) -> bool) {
        while !is_true(self) {
            let came = self.next(PATIENCE).await;
            assert!(
                came,
                "{what}: not so: {:?} {:?}",
                self.files(),
                self.problems
            );
        }
    }

    pub(crate) fn files(&self) -> Vec<&str> {
        self.held.keys().map(String::as_str).collect()
    }

    pub(crate) fn has(&self, file: &str) -> bool {
        self.held.contains_key(file)
    }

    /// The version of an object as it was told.
    pub(crate) fn version(&self, file: &str) -> Option<String> {
        let object = self.held.get(file)?.objects.first()?;
        object.body.metadata().resource_version.clone()
    }

    /// Waits until all that the server has was told, and nothing else.
    pub(crate) async fn until_equal(&mut self, server: &ApiServer) {
        let expected = || {
            let kinds = [Kind::Service, Kind::EndpointSlice];
            let objects = kinds.into_iter().flat_map(|kind| server.objects(kind));
            let version = |it: &Value| {
                it["metadata"]["resourceVersion"]
                    .as_str()
                    .map(str::to_owned)
            };
            let pairs = objects.map(|it| (file(&it), version(&it)));
            pairs.collect::<BTreeMap<_, _>>()
        };
        self.until("as the server has it", |told| {
            let files = told.held.keys().filter(|it| !it.contains(": Node "));
            let versions = files.map(|file| (file.clone(), told.version(file)));
            told.is_complete && versions.collect::<BTreeMap<_, _>>() == expected()
        })
        .await;
    }
}

fn file(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &object["metadata"];
    format!(
        "kubernetes: {} {}/{}",
        text(&object["kind"]),
        text(&metadata["namespace"]),
        text(&metadata["name"])
    )
}

/// A server without encryption, and a follower that reads it.
pub(crate) struct Stage {
    pub(crate) server: ApiServer,
    directory: TempDir,
}

impl Stage {
    /// A server with a node, two Services and their slices.
    pub(crate) fn new() -> Self {
        let server = ApiServer::start(listener()).unwrap();
        server.put(node(&json!({})));
        for name in ["web", "db"] {
            server.put(service(name));
            server.put(slice(name, &["10.244.0.1"]));
        }
        Self {
            server,
            directory: TempDir::new().unwrap(),
        }
    }

    pub(crate) fn follow(&self) -> Told {
        self.follow_with(timing())
    }

    pub(crate) fn follow_with(&self, timing: Timing) -> Told {
        let path = kubeconfig(self.directory.path(), &self.server.url(), "{}");
        Told::by(Server::new(Access::Kubeconfig(path), None), timing)
    }

    /// A follower that has told everything, and whose watches are open.
    pub(crate) async fn settled(&self) -> Told {
        self.settled_with(timing()).await
    }

    pub(crate) async fn settled_with(&self, timing: Timing) -> Told {
        let mut told = self.follow_with(timing);
        told.until_equal(&self.server).await;
        self.until_watched(4).await;
        told
    }

    pub(crate) async fn until_watched(&self, watches: usize) {
        self.until("watches are open", |server| server.watches() == watches)
            .await;
    }

    pub(crate) async fn until(&self, what: &str, is_true: impl Fn(&ApiServer) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !is_true(&self.server) {
            assert!(tokio::time::Instant::now() < deadline, "{what}: not so");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Requests of a sort.
    pub(crate) fn asked(&self, on: On) -> Vec<Asked> {
        let asked = self.server.asked();
        asked.into_iter().filter(|it| it.on == on).collect()
    }

    pub(crate) fn lists(&self) -> usize {
        self.asked(On::List(Kind::Service)).len()
    }
}

/// Writes a kubeconfig; the user is YAML.
pub(crate) fn kubeconfig(directory: &Path, url: &str, user: &str) -> PathBuf {
    with_authority(directory, url, user, None)
}

pub(crate) fn with_authority(
    directory: &Path,
    url: &str,
    user: &str,
    authority: Option<&str>,
) -> PathBuf {
    let path = directory.join("kubeconfig");
    let authority = authority.map(|file| format!("certificate-authority: {file}"));
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\ncontexts:\n- name: test\n  context: {{cluster: test, user: test}}\n\
         users:\n- name: test\n  user: {user}\nclusters:\n- name: test\n  cluster:\n    server: {url}\n    {}\n",
        authority.unwrap_or_default()
    );
    fs::write(&path, text).unwrap();
    path
}

pub(crate) fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10"],
                 "ports": [{"port": 80, "protocol": "TCP"}]},
    })
}

pub(crate) fn slice(service: &str, addresses: &[&str]) -> Value {
    let endpoints: Vec<Value> = addresses
        .iter()
        .map(|it| json!({"addresses": [it], "conditions": {"ready": true}}))
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": format!("{service}-1"), "namespace": "default",
                     "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4", "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
        "endpoints": endpoints,
    })
}

pub(crate) fn node(labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": labels}})
}

pub(crate) fn labelled(mut object: Value, label: &str) -> Value {
    object["metadata"]["labels"][label] = json!("");
    object
}

pub(crate) const WEB: &str = "kubernetes: Service default/web";
pub(crate) const WEB_SLICE: &str = "kubernetes: EndpointSlice default/web-1";
pub(crate) const OWN_NODE: &str = "kubernetes: Node node-a";

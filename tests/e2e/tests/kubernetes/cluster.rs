//! Two nodes, and an API server on node A that the agent there reads with a client certificate.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_apiserver::{ApiServer, Authority, Kind};
use tidegate_e2e::{Ep, Svc, World};

/// Longer than a busy machine takes for 2,000 Services.
const PATIENCE: Duration = Duration::from_secs(180);

/// Dropping it removes everything.
pub(crate) struct Cluster {
    pub(crate) server: ApiServer,
    pub(crate) world: World,
    pub(crate) directory: TempDir,
}

impl Cluster {
    /// With an agent that has a client certificate.
    pub(crate) fn new() -> Result<Self> {
        let mut cluster = Self::without_agent(&[])?;
        cluster.world.replace_agent()?;
        Ok(cluster)
    }

    /// The agent is not started yet.
    pub(crate) fn without_agent(args: &[&str]) -> Result<Self> {
        let user = "{client-certificate: client.crt, client-key: client.key}";
        Self::with_user(user, args)
    }

    /// The agent is this user, which is YAML, and is not started yet.
    pub(crate) fn with_user(user: &str, args: &[&str]) -> Result<Self> {
        let directory = TempDir::new()?;
        let path = directory.path().join("kubeconfig");
        let kubeconfig = path.to_str().context("a path of text")?;
        let world = World::builder()
            .no_agent()
            .args(&["--kubeconfig", kubeconfig])
            .args(args)
            .build()?;
        let authority = Authority::new()?;
        let address = SocketAddr::new(world.node_address(false), 0);
        let listener = world.scene.a.ns.run(|| TcpListener::bind(address))?;
        let server = ApiServer::start_secure(listener, &authority)?;
        server.tokens([]);
        let identity = authority.client("system:tidegate")?;
        let file = |name: &str, text: &str| fs::write(directory.path().join(name), text);
        file("ca.crt", &authority.certificate())?;
        file("client.crt", &identity.certificate)?;
        file("client.key", &identity.key)?;
        file("kubeconfig", &config(&server.url(), user))?;
        let name = world.scene.a.name;
        server.put(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}));
        Ok(Self {
            server,
            world,
            directory,
        })
    }

    /// The server has this Service and its slices from now on.
    pub(crate) fn put(&self, svc: &Svc, endpoints: &[Ep]) {
        for object in svc.objects(endpoints) {
            self.server.put(object);
        }
    }

    /// And from now on it does not.
    pub(crate) fn delete(&self, svc: &Svc) {
        self.server.delete(Kind::Service, "default", &svc.name);
        for slice in svc.slices("all", &[]) {
            let name = slice["metadata"]["name"].as_str().unwrap_or_default();
            self.server.delete(Kind::EndpointSlice, "default", name);
        }
    }

    /// What the agent says is wrong.
    pub(crate) fn problems(&self) -> Result<Vec<String>> {
        let status = self.world.spec.status()?;
        let lines = status["problems"].as_array().context("no problems")?;
        Ok(lines
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect())
    }

    /// Waits until all four watches are open.
    pub(crate) fn until_watched(&self) -> Result<()> {
        eventually(|| {
            let open = self.server.watches();
            ensure!(open == 4, "{open} watches are open");
            Ok(())
        })
    }
}

fn config(url: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         contexts:\n- name: test\n  context: {{cluster: test, user: test}}\n\
         users:\n- name: test\n  user: {user}\n\
         clusters:\n- name: test\n  cluster: {{server: {url}, certificate-authority: ca.crt}}\n"
    )
}

/// Tries until it succeeds, and fails with the last failure.
pub(crate) fn eventually<T>(mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(50)),
            result => return result,
        }
    }
}

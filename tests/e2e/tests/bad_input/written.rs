//! Services as a user writes them, right or wrong, and what becomes of them.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Answer, Proto, Setup, ask};

/// A Service with one port, as a user writes it. Number N: 10.96.0.N and nodePort 30000 + N.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    pub(crate) name: &'static str,
    pub(crate) cluster_ip: &'static str,
    pub(crate) port: &'static str,
    pub(crate) protocol: &'static str,
    pub(crate) node_port: u16,
    pub(crate) backend: &'static str,
}

/// Served by pod A1, if nothing is wrong.
pub(crate) const GOOD: Written = Written {
    name: "good",
    cluster_ip: "10.96.0.41",
    port: "80",
    protocol: "TCP",
    node_port: 30_041,
    backend: "10.244.0.2",
};

impl Written {
    /// The Service's document, with its marker.
    pub(crate) fn service(&self) -> String {
        let Self {
            name,
            cluster_ip,
            port,
            protocol,
            node_port,
            ..
        } = self;
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\nspec:\n  type: NodePort\n  \
             clusterIP: {cluster_ip}\n  ports:\n  - port: {port}\n    protocol: {protocol}\n    \
             nodePort: {node_port}\n"
        )
    }

    /// The document of its slice.
    pub(crate) fn slice(&self) -> String {
        let Self { name, backend, .. } = self;
        format!(
            "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: {name}-1\n  \
             labels:\n    kubernetes.io/service-name: {name}\naddressType: IPv4\nports:\n- port: 8080\n\
             endpoints:\n- addresses: [\"{backend}\"]\n  conditions: {{ready: true}}\n"
        )
    }

    /// Both.
    pub(crate) fn text(&self) -> String {
        self.service() + &self.slice()
    }

    pub(crate) fn at_cluster_ip(&self) -> Result<SocketAddr> {
        Ok(format!("{}:80", self.cluster_ip).parse()?)
    }

    pub(crate) fn at_node(&self, setup: &Setup) -> SocketAddr {
        SocketAddr::new(setup.scene.a.v4.into(), self.node_port)
    }
}

pub(crate) fn soon<T>(mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match attempt() {
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
            result => return result,
        }
    }
}

/// The problems of `status`, as they are now.
pub(crate) fn problems(setup: &Setup) -> Result<Vec<String>> {
    let status = setup.spec.status()?;
    let problems = status["problems"].as_array().context("no problems")?;
    let lines = problems.iter().map(|line| line.as_str().map(str::to_owned));
    lines
        .collect::<Option<_>>()
        .context("a problem that is no line")
}

/// Waits until these are the problems: what each line says of the file, after its directory.
pub(crate) fn problems_are(setup: &Setup, expected: &[&str]) -> Result<()> {
    let directory = format!("{}/", setup.spec.manifests.path().display());
    soon(|| {
        let found = problems(setup)?;
        ensure!(found.len() == expected.len(), "problems: {found:#?}");
        for expected in expected {
            let says = |line: &&String| {
                line.strip_prefix(&directory)
                    .is_some_and(|rest| rest.starts_with(expected))
            };
            let line = found.iter().find(says);
            let line = line.with_context(|| format!("no {expected:?} among {found:#?}"))?;
            ensure!(line.lines().count() == 1, "{line:?}");
        }
        Ok(())
    })
}

/// Asks from the off-node client, which is the same for every caller here.
fn ask_node(setup: &Setup, service: &Written) -> Result<Answer> {
    let to = service.at_node(setup);
    setup.scene.client.run(|| ask(Proto::Tcp, to))
}

pub(crate) fn served_by(setup: &Setup, service: &Written, pod: &str) -> Result<()> {
    soon(|| {
        let answer = ask_node(setup, service)?;
        ensure!(answer.backend == pod, "{service:?}: {answer:?}");
        Ok(())
    })
}

/// Whether a NodePort is nobody's: then the node itself refuses.
pub(crate) fn refused(setup: &Setup, service: &Written) -> Result<()> {
    let to = service.at_node(setup);
    let dial = || TcpStream::connect_timeout(&to, Duration::from_secs(3));
    soon(|| {
        let error = setup.scene.client.run(dial).err().map(|it| it.kind());
        ensure!(
            error == Some(ErrorKind::ConnectionRefused),
            "{to}: {error:?}"
        );
        Ok(())
    })
}

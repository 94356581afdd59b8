//! How the API server is reached, and as whom: a kubeconfig file, or what a pod is given.
//!
//! Everything is read anew for each client, and a client is made anew after each failure. So whatever
//! rotates (tokens, client certificates, the certificate authority) is taken up without a restart.

use std::{
    env, fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use http::{HeaderValue, Uri, header::USER_AGENT};
use hyper_util::{
    client::legacy::{Client as HttpClient, connect::HttpConnector},
    rt::TokioExecutor,
};
use kube::{
    Client, Config,
    client::{Body, ConfigExt as _},
    config::{AuthInfo, KubeConfigOptions, Kubeconfig},
};
use tower::{BoxError, ServiceBuilder};

/// Where a pod finds its token and the certificate authority.
pub const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

const CONNECT: Duration = Duration::from_secs(10);
/// A watch may be silent for long: a connection that is dead must be found by the kernel's probes.
const PROBE_AFTER: Duration = Duration::from_secs(30);
const PROBE_EVERY: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;

/// Where address and credentials come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Access {
    /// A kubeconfig file, and its current context.
    Kubeconfig(PathBuf),
    /// The directory with `token` and `ca.crt`; the address is in the environment.
    InCluster(PathBuf),
}

/// The API server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Server {
    access: Access,
    /// In place of the address that comes with the credentials.
    url: Option<String>,
}

impl Server {
    /// The server that the credentials are for, or the one at the URL.
    pub fn new(access: Access, url: Option<String>) -> Self {
        Self { access, url }
    }

    /// Whether everything can be read and understood, without asking anybody. Returns the URL.
    pub async fn check(&self) -> Result<String> {
        let config = self.config().await?;
        let shown = config.cluster_url.to_string();
        // Keys and certificates that cannot be read are told at start, not when it is too late.
        config
            .rustls_https_connector_with_connector(HttpConnector::new())
            .map_err(|error| anyhow!("{self}: {error}"))?;
        Ok(shown)
    }

    /// A new client, by what is in the files now.
    pub(crate) async fn client(&self) -> Result<Client> {
        let config = self.config().await?;
        // An exec plugin may take its time.
        tokio::task::spawn_blocking(move || client(config))
            .await
            .context("cannot make a client")?
    }

    async fn config(&self) -> Result<Config> {
        install_provider();
        let mut config = match &self.access {
            Access::Kubeconfig(path) => self.kubeconfig(path).await?,
            Access::InCluster(directory) => in_cluster(directory, self.url.as_deref())?,
        };
        let url = match &self.url {
            Some(url) => address(url)?,
            None => address(&config.cluster_url.to_string()).with_context(|| self.to_string())?,
        };
        config.cluster_url = url;
        // Proxies of the environment are not for the way from a node to its API server.
        config.proxy_url = None;
        let agent = concat!("tidegate/", env!("CARGO_PKG_VERSION"));
        config
            .headers
            .push((USER_AGENT, HeaderValue::from_static(agent)));
        Ok(config)
    }

    async fn kubeconfig(&self, path: &Path) -> Result<Config> {
        let shown = path.display();
        // Its own errors name a file too, but not always this one.
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
        if text.trim().is_empty() {
            bail!("{shown} is empty: it must hold a kubeconfig");
        }
        let file = Kubeconfig::read_from(path).map_err(|error| anyhow!("{shown}: {error}"))?;
        if file.clusters.iter().any(has_proxy) {
            tracing::warn!("{shown}: proxy-url is not used: the API server is asked directly");
        }
        let options = KubeConfigOptions::default();
        Config::from_custom_kubeconfig(file, &options)
            .await
            .map_err(|error| anyhow!("{shown}: {error}"))
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.access {
            Access::Kubeconfig(path) => write!(f, "{}", path.display()),
            Access::InCluster(directory) => write!(f, "{}", directory.display()),
        }
    }
}

fn has_proxy(cluster: &kube::config::NamedCluster) -> bool {
    let cluster = cluster.cluster.as_ref();
    cluster.is_some_and(|it| it.proxy_url.as_ref().is_some_and(|url| !url.is_empty()))
}

/// What kube's own does, but for the directory, the way to override the address, and the error texts.
fn in_cluster(directory: &Path, url: Option<&str>) -> Result<Config> {
    let authority = directory.join("ca.crt");
    let token = directory.join("token");
    for path in [&authority, &token] {
        std::fs::metadata(path).with_context(|| {
            let shown = path.display();
            format!("cannot read {shown}: --in-cluster needs a pod with a service account")
        })?;
    }
    let url = match url {
        Some(url) => url.to_owned(),
        None => environment(|name| env::var(name).ok())?,
    };
    let mut config = Config::new(address(&url)?);
    let pem = std::fs::read(&authority)
        .with_context(|| format!("cannot read {}", authority.display()))?;
    if !pem.windows(5).any(|it| it == b"-----") {
        bail!("{}: holds no certificate", authority.display());
    }
    config.root_cert_file = Some(authority);
    config.auth_info = AuthInfo {
        token_file: Some(token.display().to_string()),
        ..AuthInfo::default()
    };
    Ok(config)
}

/// The address that the kubelet tells each pod.
fn environment(get: impl Fn(&str) -> Option<String>) -> Result<String> {
    let need = |name: &str| {
        get(name).filter(|it| !it.is_empty()).with_context(|| {
            format!("{name} is not set: --in-cluster works in pods only; say --kube-api-server")
        })
    };
    let (host, port) = (
        need("KUBERNETES_SERVICE_HOST")?,
        need("KUBERNETES_SERVICE_PORT")?,
    );
    Ok(match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => format!("https://[{ip}]:{port}"),
        _ => format!("https://{host}:{port}"),
    })
}

fn address(url: &str) -> Result<Uri> {
    let parsed: Uri = url
        .parse()
        .with_context(|| format!("{url:?} is not a URL such as https://192.0.2.1:6443"))?;
    match parsed.scheme_str() {
        Some("https" | "http") if parsed.host().is_some() => Ok(parsed),
        _ => bail!("{url:?} is not a URL such as https://192.0.2.1:6443"),
    }
}

/// kube's default client, with probes, and without its own retries: [`crate::follow`] knows better.
fn client(config: Config) -> Result<Client> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT));
    http.set_keepalive(Some(PROBE_AFTER));
    http.set_keepalive_interval(Some(PROBE_EVERY));
    http.set_keepalive_retries(Some(PROBES));
    http.set_tcp_user_timeout(Some(PROBE_AFTER + PROBE_EVERY * PROBES));
    let https = config.rustls_https_connector_with_connector(http)?;
    let sender: HttpClient<_, Body> = HttpClient::builder(TokioExecutor::new()).build(https);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(sender);
    Ok(Client::new(service, config.default_namespace))
}

/// Which library does the cryptography is said once; a process that has said it already is right.
fn install_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _raced = rustls::crypto::ring::default_provider().install_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_of_a_pod_names_the_server() {
        let of = |host: &'static str| {
            environment(move |name| match name {
                "KUBERNETES_SERVICE_HOST" => Some(host.to_owned()),
                _ => Some("6443".to_owned()),
            })
        };
        assert_eq!(of("10.96.0.1").unwrap(), "https://10.96.0.1:6443");
        assert_eq!(of("fd00::1").unwrap(), "https://[fd00::1]:6443");
        let error = of("").unwrap_err().to_string();
        assert!(
            error.starts_with("KUBERNETES_SERVICE_HOST is not set"),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_url_is_told() {
        for url in ["", "192.0.2.1:6443", "ftp://a", "https://", "not a url"] {
            let error = address(url).unwrap_err().to_string();
            assert!(error.contains("is not a URL"), "{url}: {error}");
        }
        assert!(address("http://127.0.0.1:8001").is_ok());
    }
}

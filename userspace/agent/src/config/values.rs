//! Values of flags that are words: each parses from the text that a user writes.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

use tidegate_loader::Attach;

use crate::cidr::Cidr;

/// The port at which a proxy's health is asked for (rule 3.10.1).
pub(super) const HEALTH_PORT: u16 = 10_256;
/// The port at which a proxy's metrics are asked for (rule 3.10.7).
pub(super) const METRICS_PORT: u16 = 10_249;

/// `--attach`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct AttachMode(pub(crate) Attach);

/// `--cgroup`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum CgroupChoice {
    /// No socket hooks.
    Off,
    /// This directory.
    Path(PathBuf),
}

/// One element of `--nodeport-addresses`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NodePortAddresses {
    /// The first address of each family.
    Primary,
    /// Every address of this node, loopback and link-local excepted.
    All,
    /// This node's addresses in a block.
    Within(Cidr),
}

/// `--health-address`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum HealthAddress {
    /// Nobody can ask.
    Off,
    /// An unspecified address means those of both families.
    At(SocketAddr),
}

/// `--metrics-address`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum MetricsAddress {
    /// Nobody can ask.
    Off,
    /// An unspecified address means those of both families.
    At(SocketAddr),
}

/// `--log-format`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl AttachMode {
    /// The word that parses to this value.
    pub(crate) fn word(self) -> &'static str {
        match self.0 {
            Attach::Auto => "auto",
            Attach::Xdp => "xdp",
            Attach::XdpGeneric => "xdp-generic",
            Attach::Tc => "tc",
        }
    }
}

impl FromStr for AttachMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(match text {
            "auto" => Attach::Auto,
            "xdp" => Attach::Xdp,
            "xdp-generic" => Attach::XdpGeneric,
            "tc" => Attach::Tc,
            _ => return Err(format!("`{text}` is none of auto, xdp, xdp-generic, tc")),
        }))
    }
}

impl FromStr for CgroupChoice {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == "off" {
            Self::Off
        } else {
            Self::Path(text.into())
        })
    }
}

impl FromStr for NodePortAddresses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "primary" => Ok(Self::Primary),
            "all" => Ok(Self::All),
            block => block.parse().map(Self::Within).map_err(|_not_a_block| {
                format!("`{text}` is neither `primary` nor `all` nor an address block")
            }),
        }
    }
}

impl FromStr for HealthAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(listening(text, HEALTH_PORT)?.map_or(Self::Off, Self::At))
    }
}

impl FromStr for MetricsAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(listening(text, METRICS_PORT)?.map_or(Self::Off, Self::At))
    }
}

/// An address to listen at; `None`: off. As with kube-proxy, an address alone gets the usual port.
fn listening(text: &str, port: u16) -> Result<Option<SocketAddr>, String> {
    let text = text.trim();
    if text == "off" {
        return Ok(None);
    }
    let alone = || {
        let ip: IpAddr = text.parse().ok()?;
        Some(SocketAddr::new(ip, port))
    };
    text.parse().ok().or_else(alone).map(Some).ok_or_else(|| {
        format!("`{text}` is neither `off` nor an address such as 0.0.0.0:{port} or [::1]:{port}")
    })
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("`{text}` is neither text nor json")),
        }
    }
}

//! The network configuration on standard input: our two keys, and what the plugins before us have made.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    failure::{Code, Failure},
    version,
};

/// How long ADD waits for the agent, if `timeout` says nothing.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A runtime gives up on its own long before.
const TIMEOUT_MOST: u64 = 300;
/// Keys of the specification, which any plugin may meet. `cni.dev/…` are the runtime's own.
const KNOWN: [&str; 13] = [
    "cniVersion",
    "name",
    "type",
    "prevResult",
    "runtimeConfig",
    "capabilities",
    "args",
    "ipMasq",
    "ipam",
    "dns",
    "disableCheck",
    "api",
    "timeout",
];

/// What to make of a key of ours that is wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Strictness {
    Strict,
    /// A remark, and the default is used.
    Lenient,
}

/// The configuration, as far as it concerns us.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) version: String,
    pub(crate) network: String,
    pub(crate) api: Option<PathBuf>,
    pub(crate) timeout: Duration,
    object: Map<String, Value>,
}

/// What the plugins before us have made, as far as it concerns us.
#[derive(Debug, Default, Deserialize)]
struct Previous {
    #[serde(default)]
    interfaces: Option<Vec<Interface>>,
    #[serde(default)]
    ips: Option<Vec<Address>>,
}

#[derive(Debug, Deserialize)]
struct Interface {
    name: String,
    #[serde(default)]
    sandbox: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Address {
    address: String,
    /// Index into the interfaces; `None`: the one that the command is about.
    #[serde(default)]
    interface: Option<usize>,
}

/// An attachment that the runtime still has.
#[derive(Debug, Deserialize)]
pub(crate) struct Attachment {
    #[serde(rename = "containerID")]
    pub(crate) container_id: String,
    pub(crate) ifname: String,
}

impl Config {
    pub(crate) fn read(
        input: &[u8],
        strictness: Strictness,
        remarks: &mut Vec<String>,
    ) -> Result<Self, Failure> {
        let object: Map<String, Value> = serde_json::from_slice(input).map_err(|error| {
            Failure::new(
                Code::Decoding,
                format!("the network configuration on standard input is no JSON object: {error}"),
            )
        })?;
        let version = match text(&object, "cniVersion")? {
            Some(version) => version.to_owned(),
            None => version::UNNAMED.to_owned(),
        };
        let network = match text(&object, "name")? {
            Some(name) if is_network_name(name) => name.to_owned(),
            Some(name) => return Err(invalid(format!("name: {name:?} is no name of a network"))),
            None => return Err(invalid("name: the network has none".to_owned())),
        };
        let mut config = Self {
            version,
            network,
            api: None,
            timeout: TIMEOUT,
            object,
        };
        match config.read_own() {
            Err(failure) if strictness == Strictness::Lenient => {
                remarks.push(format!("{failure}; it is not used"));
            }
            result => result?,
        }
        Ok(config)
    }

    fn read_own(&mut self) -> Result<(), Failure> {
        self.api = match text(&self.object, "api")? {
            Some(path) if path.starts_with('/') => Some(path.into()),
            Some(path) => {
                return Err(invalid(format!("api: {path:?} is no absolute path")));
            }
            None => None,
        };
        self.timeout = match self.object.get("timeout") {
            None | Some(Value::Null) => TIMEOUT,
            Some(value) => match value.as_u64() {
                Some(seconds @ 1..=TIMEOUT_MOST) => Duration::from_secs(seconds),
                _ => {
                    return Err(invalid(format!(
                        "timeout: {value} is no number of seconds from 1 to {TIMEOUT_MOST}"
                    )));
                }
            },
        };
        let is_known = |key: &str| KNOWN.contains(&key) || key.starts_with("cni.dev/");
        match self.object.iter().find(|(key, _)| !is_known(key)) {
            Some((key, value)) => Err(Failure::new(
                Code::UnsupportedField,
                format!("{key}: {value} is not supported: tidegate's own keys are api and timeout"),
            )),
            None => Ok(()),
        }
    }

    /// What the plugins before us have made, as it came.
    pub(crate) fn previous(&self) -> Result<&Value, Failure> {
        let previous = self.object.get("prevResult").filter(|it| !it.is_null());
        previous.ok_or_else(|| {
            invalid(
                "prevResult: there is none: tidegate makes no device itself, so it comes after \
                 bridge, ptp or another plugin in the list's `plugins`"
                    .to_owned(),
            )
        })
    }

    /// The pod's addresses on the device that is called `ifname` inside.
    pub(crate) fn addresses(&self, ifname: &str) -> Result<Vec<IpAddr>, Failure> {
        let previous: Previous = decode("prevResult", self.previous()?)?;
        let interfaces = previous.interfaces.unwrap_or_default();
        let mut addresses = Vec::new();
        for it in previous.ips.unwrap_or_default() {
            let is_ours = match it.interface {
                None => true,
                Some(index) => match interfaces.get(index) {
                    Some(of) => {
                        of.name == ifname && of.sandbox.as_ref().is_some_and(|it| !it.is_empty())
                    }
                    None => {
                        return Err(invalid(format!(
                            "prevResult: address {} is of interface {index}, which is not there",
                            it.address
                        )));
                    }
                },
            };
            if !is_ours {
                continue;
            }
            let (ip, _) = it.address.split_once('/').unwrap_or((&it.address, ""));
            let ip: IpAddr = ip
                .parse()
                .map_err(|_error| invalid(format!("prevResult: {:?} is no address", it.address)))?;
            if !addresses.contains(&ip) {
                addresses.push(ip);
            }
        }
        Ok(addresses)
    }

    /// What GC may not touch.
    pub(crate) fn valid_attachments(&self) -> Result<Vec<Attachment>, Failure> {
        // libcni 1.2 wrote the second name, which an early text of the specification has.
        let keys = ["cni.dev/valid-attachments", "cni.dev/attachments"];
        let said = keys
            .into_iter()
            .find_map(|key| Some((key, self.object.get(key)?)));
        match said {
            // A runtime in Go writes an empty list so.
            Some((_, Value::Null)) => Ok(Vec::new()),
            Some((key, list)) => decode(key, list),
            None => Err(invalid(format!(
                "{}: it is not there, and without it GC would forget every attachment",
                keys[0]
            ))),
        }
    }
}

fn decode<T: DeserializeOwned>(key: &str, value: &Value) -> Result<T, Failure> {
    T::deserialize(value)
        .map_err(|error| Failure::new(Code::Decoding, format!("{key} is not understood: {error}")))
}

/// The text at a key; an empty one counts as none.
fn text<'a>(object: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, Failure> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(value) => Err(Failure::new(
            Code::Decoding,
            format!("{key}: {value} is no text"),
        )),
    }
}

fn is_network_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn invalid(message: String) -> Failure {
    Failure::new(Code::InvalidConfig, message)
}

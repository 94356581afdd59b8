//! What the runtime says in `CNI_…` variables.

use std::path::PathBuf;

use tidegate_api::{DeviceOwner, device};

use crate::failure::{Code, Failure};

/// `CNI_COMMAND`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Command {
    Add,
    Check,
    Del,
    Gc,
    Status,
    Version,
}

impl Command {
    const ALL: [Self; 6] = [
        Self::Add,
        Self::Check,
        Self::Del,
        Self::Gc,
        Self::Status,
        Self::Version,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Check => "CHECK",
            Self::Del => "DEL",
            Self::Gc => "GC",
            Self::Status => "STATUS",
            Self::Version => "VERSION",
        }
    }

    /// Whether it is about one attachment.
    fn has_attachment(self) -> bool {
        matches!(self, Self::Add | Self::Check | Self::Del)
    }
}

/// The variables, read and found good for the command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Environment {
    pub(crate) command: Command,
    pub(crate) container_id: String,
    /// `None`: not said, as DEL may.
    pub(crate) netns: Option<PathBuf>,
    pub(crate) ifname: String,
    pod_namespace: Option<String>,
    pod_name: Option<String>,
}

impl Environment {
    pub(crate) fn read(variable: &impl Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let value = |name: &str| variable(name).filter(|value| !value.is_empty());
        let command = command(value("CNI_COMMAND"))?;
        let mut environment = Self {
            command,
            container_id: String::new(),
            netns: None,
            ifname: String::new(),
            pod_namespace: None,
            pod_name: None,
        };
        if !command.has_attachment() {
            return Ok(environment);
        }
        let required = |name: &str| value(name).ok_or_else(|| missing(command, name));
        environment.container_id = container_id(required("CNI_CONTAINERID")?)?;
        environment.ifname = ifname(required("CNI_IFNAME")?)?;
        environment.netns = match command {
            Command::Del => value("CNI_NETNS").map(PathBuf::from),
            _ => Some(required("CNI_NETNS")?.into()),
        };
        let args = value("CNI_ARGS").unwrap_or_default();
        for pair in args.split(';').filter(|pair| !pair.is_empty()) {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(invalid(format!(
                    "CNI_ARGS: {pair:?} is not of the form KEY=VALUE"
                )));
            };
            match key {
                "K8S_POD_NAMESPACE" => environment.pod_namespace = Some(value.to_owned()),
                "K8S_POD_NAME" => environment.pod_name = Some(value.to_owned()),
                // Meant for other plugins of the chain.
                _ => {}
            }
        }
        Ok(environment)
    }

    /// The attachment of a network that the command is about.
    pub(crate) fn owner(&self, network: &str) -> DeviceOwner {
        DeviceOwner {
            container_id: self.container_id.clone(),
            ifname: self.ifname.clone(),
            network: network.to_owned(),
            pod_namespace: self.pod_namespace.clone(),
            pod_name: self.pod_name.clone(),
        }
    }
}

fn command(said: Option<String>) -> Result<Command, Failure> {
    let all = Command::ALL.map(Command::name).join(", ");
    let Some(said) = said else {
        return Err(invalid(format!(
            "CNI_COMMAND is not set: a container runtime runs this plugin, with one of {all}"
        )));
    };
    let found = Command::ALL
        .into_iter()
        .find(|command| command.name() == said);
    found.ok_or_else(|| {
        invalid(format!(
            "CNI_COMMAND {said:?} is not known: it is one of {all}"
        ))
    })
}

fn container_id(id: String) -> Result<String, Failure> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let begins_well = id.starts_with(|first: char| first.is_ascii_alphanumeric());
    if begins_well && id.bytes().all(is_good) {
        return Ok(id);
    }
    Err(invalid(format!(
        "CNI_CONTAINERID {id:?} must begin with a letter or digit and go on with those, '_', '.' and '-'"
    )))
}

fn ifname(name: String) -> Result<String, Failure> {
    match device::name_fault(&name) {
        None => Ok(name),
        Some(fault) => Err(invalid(format!(
            "CNI_IFNAME {name:?} is no name of a device: {fault}"
        ))),
    }
}

fn missing(command: Command, name: &str) -> Failure {
    invalid(format!(
        "{name} is not set, and {} needs it",
        command.name()
    ))
}

fn invalid(message: String) -> Failure {
    Failure::new(Code::InvalidEnvironment, message)
}

//! Devices that somebody declares, as CNI plugins do.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The longest name of a network device, without the terminating zero.
pub const NAME_MAX: usize = 15;

/// What a declared device is to the data path.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeviceRole {
    /// The host end of a pod's link.
    #[default]
    Pod,
    /// The node's outside interface.
    Uplink,
    /// A tunnel between nodes.
    Overlay,
}

impl DeviceRole {
    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pod => "pod",
            Self::Uplink => "uplink",
            Self::Overlay => "overlay",
        }
    }
}

impl fmt::Display for DeviceRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The body of `PUT /v1/devices/NAME`: a device that need not match any glob.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Declaration {
    /// What it is; a pod's device unless said otherwise.
    #[serde(default)]
    pub role: DeviceRole,
    /// Addresses of the pod behind it, which gets the short way at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub addresses: Vec<IpAddr>,
    /// The pod's own Ethernet address, such as `02:00:00:00:00:01`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// The attachment that the device was made for. A device with an owner is forgotten when it vanishes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<DeviceOwner>,
    /// Path of the network namespace at the other end; only shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns: Option<String>,
}

/// An attachment in the sense of CNI, with the pod's name where the runtime tells it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceOwner {
    /// `CNI_CONTAINERID`.
    pub container_id: String,
    /// `CNI_IFNAME`: the device's name inside the container.
    pub ifname: String,
    /// The name of the network configuration.
    pub network: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_namespace: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_name: Option<String>,
}

impl DeviceOwner {
    /// Whether both are one attachment: what else is known of it does not matter.
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.network, &self.container_id, &self.ifname)
            == (&other.network, &other.container_id, &other.ifname)
    }
}

/// Why a name cannot be a device's; one phrase.
pub fn name_fault(name: &str) -> Option<&'static str> {
    let is_odd = |byte: u8| byte == b'/' || byte == b':' || !byte.is_ascii_graphic();
    if name.is_empty() {
        Some("it is empty")
    } else if name.len() > NAME_MAX {
        Some("it has more than 15 bytes")
    } else if name == "." || name == ".." {
        Some("it means a directory")
    } else if name.bytes().any(is_odd) {
        Some("it has a character that names of devices cannot have")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_kernel_would_refuse_are_refused() {
        for name in ["veth7", "eth0.100", "a", "lxc_health", "123456789012345"] {
            assert_eq!(name_fault(name), None, "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "a b",
            "eth0:1",
            "a\n",
            "1234567890123456",
            "ü",
        ] {
            assert!(name_fault(name).is_some(), "{name:?}");
        }
    }

    #[test]
    fn a_declaration_has_camel_case_fields_and_no_others() {
        let text = r#"{"role":"pod","addresses":["10.0.0.1","fd00::1"],"owner":{"containerId":"c","ifname":"eth0","network":"n","podName":"web-1"}}"#;
        let declaration: Declaration = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&declaration).unwrap(), text);
        assert_eq!(
            serde_json::from_str::<Declaration>("{}").unwrap(),
            Declaration::default()
        );
        for wrong in [
            r#"{"rôle":"pod"}"#,
            r#"{"role":"Pod"}"#,
            r#"{"addresses":["10.0.0.1/24"]}"#,
        ] {
            assert!(
                serde_json::from_str::<Declaration>(wrong).is_err(),
                "{wrong}"
            );
        }
    }
}

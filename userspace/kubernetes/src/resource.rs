//! What is asked for: four resources, with the selectors that the server itself can apply.

use serde_json::Value;

/// A resource that is followed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Resource {
    Services,
    EndpointSlices,
    Node,
    ServiceCidrs,
}

/// On a Service, with any value: another proxy serves it (rule 1.2.1).
const PROXY_NAME: &str = "service.kubernetes.io/service-proxy-name";
/// On a slice, with any value: no proxy looks at it (rule 1.2.2).
const HEADLESS: &str = "service.kubernetes.io/headless";
/// On a slice: the Service it belongs to.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

impl Resource {
    pub(crate) const ALL: [Self; 4] = [
        Self::Services,
        Self::EndpointSlices,
        Self::Node,
        Self::ServiceCidrs,
    ];

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Services => "/api/v1/services",
            Self::EndpointSlices => "/apis/discovery.k8s.io/v1/endpointslices",
            Self::Node => "/api/v1/nodes",
            Self::ServiceCidrs => "/apis/networking.k8s.io/v1/servicecidrs",
        }
    }

    pub(crate) fn labels(self) -> Option<String> {
        match self {
            Self::Services => Some(format!("!{PROXY_NAME}")),
            Self::EndpointSlices => Some(format!("!{HEADLESS}")),
            Self::Node | Self::ServiceCidrs => None,
        }
    }

    pub(crate) fn fields(self, node_name: &str) -> Option<String> {
        (self == Self::Node).then(|| format!("metadata.name={node_name}"))
    }

    /// In words, for problems.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::EndpointSlices => "endpointslices",
            Self::Node => "nodes",
            Self::ServiceCidrs => "servicecidrs",
        }
    }

    /// Without these nothing can be served; the others are asked for, and done without.
    pub(crate) fn is_needed(self) -> bool {
        matches!(self, Self::Services | Self::EndpointSlices)
    }

    fn kind(self) -> (&'static str, &'static str) {
        match self {
            Self::Services => ("v1", "Service"),
            Self::EndpointSlices => ("discovery.k8s.io/v1", "EndpointSlice"),
            Self::Node => ("v1", "Node"),
            Self::ServiceCidrs => ("networking.k8s.io/v1", "ServiceCIDR"),
        }
    }

    /// What an object is called; none: it has no name.
    pub(crate) fn file(self, object: &Value) -> Option<String> {
        let metadata = object.get("metadata")?;
        let name = metadata.get("name")?.as_str()?;
        let (_, kind) = self.kind();
        let namespace = metadata.get("namespace").and_then(Value::as_str);
        Some(match namespace {
            Some(namespace) => format!("kubernetes: {kind} {namespace}/{name}"),
            None => format!("kubernetes: {kind} {name}"),
        })
    }

    /// Whether the object is any of ours. The server was asked for no others, but it may be an old
    /// one, or one that ignores what it does not know.
    pub(crate) fn concerns(self, object: &Value, node_name: &str) -> bool {
        let metadata = &object["metadata"];
        let label = |name: &str| metadata["labels"].get(name);
        match self {
            Self::Services => label(PROXY_NAME).is_none(),
            Self::EndpointSlices => {
                let owner = label(SERVICE_NAME).and_then(Value::as_str);
                // Rule 1.3.2: a slice of nobody is nothing that anybody here could mend.
                label(HEADLESS).is_none() && owner.is_some_and(|it| !it.is_empty())
            }
            Self::Node => metadata["name"] == node_name,
            Self::ServiceCidrs => true,
        }
    }

    /// Lists leave out the kind of their items, and what is nobody's business here goes.
    pub(crate) fn complete(self, object: &mut Value) {
        let (version, kind) = self.kind();
        let Some(fields) = object.as_object_mut() else {
            return;
        };
        fields.insert("apiVersion".to_owned(), version.into());
        fields.insert("kind".to_owned(), kind.into());
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
    }
}

/// The version of an object, by which the server knows what is newer.
pub(crate) fn version(object: &Value) -> Option<&str> {
    let version = object.get("metadata")?.get("resourceVersion")?.as_str()?;
    (!version.is_empty()).then_some(version)
}

//! Objects as they were read, with the place they were read from.

use std::fmt;

use k8s_openapi::{
    api::{
        core::v1::{Node, Pod, Service},
        discovery::v1::EndpointSlice,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
    jiff::Timestamp,
};

use crate::problem::Origin;

/// The kinds that are understood.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// `v1` Service.
    Service,
    /// `discovery.k8s.io/v1` EndpointSlice.
    EndpointSlice,
    /// `v1` Pod.
    Pod,
    /// `v1` Node.
    Node,
}

/// What makes two objects the same object.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ObjectKey {
    /// The kind.
    pub kind: Kind,
    /// The namespace; "default" where the input names none, empty where the kind knows none.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// The typed object.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A Service.
    Service(Box<Service>),
    /// An EndpointSlice.
    EndpointSlice(Box<EndpointSlice>),
    /// A Pod, as far as it is used here.
    Pod(Box<Pod>),
    /// A Node, as far as it is used here.
    Node(Box<Node>),
}

/// An object and where it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Where it was read.
    pub origin: Origin,
    /// Its identity.
    pub key: ObjectKey,
    /// `metadata.creationTimestamp`.
    pub created: Option<Timestamp>,
    /// An API server has judged it and given it its numbers: nothing is filled in, and its style is
    /// nobody's business here.
    pub settled: bool,
    /// The object itself.
    pub body: Body,
}

impl Kind {
    /// The kind with this API version and name.
    pub fn of(api_version: &str, kind: &str) -> Option<Self> {
        match (api_version, kind) {
            ("v1", "Service") => Some(Self::Service),
            ("discovery.k8s.io/v1", "EndpointSlice") => Some(Self::EndpointSlice),
            ("v1", "Pod") => Some(Self::Pod),
            ("v1", "Node") => Some(Self::Node),
            _ => None,
        }
    }

    /// Whether objects of the kind live in a namespace.
    pub fn is_namespaced(self) -> bool {
        self != Self::Node
    }

    /// The kind's API version.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::Service | Self::Pod | Self::Node => "v1",
            Self::EndpointSlice => "discovery.k8s.io/v1",
        }
    }

    /// The kind's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::Pod => "Pod",
            Self::Node => "Node",
        }
    }
}

impl ObjectKey {
    /// The key of an object in a namespace.
    pub fn of(kind: Kind, namespace: &str, name: &str) -> Self {
        Self {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The key of a Node.
    pub fn of_node(name: &str) -> Self {
        Self {
            kind: Kind::Node,
            namespace: String::new(),
            name: name.to_owned(),
        }
    }
}

impl Body {
    /// Name, labels, times.
    pub fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::Service(service) => &service.metadata,
            Self::EndpointSlice(slice) => &slice.metadata,
            Self::Pod(pod) => &pod.metadata,
            Self::Node(node) => &node.metadata,
        }
    }
}

impl Object {
    /// The object, if it is a Service.
    pub fn service(&self) -> Option<&Service> {
        match &self.body {
            Body::Service(service) => Some(service),
            _ => None,
        }
    }

    /// The object, if it is an EndpointSlice.
    pub fn slice(&self) -> Option<&EndpointSlice> {
        match &self.body {
            Body::EndpointSlice(slice) => Some(slice),
            _ => None,
        }
    }

    /// The object, if it is a Pod.
    pub fn pod(&self) -> Option<&Pod> {
        match &self.body {
            Body::Pod(pod) => Some(pod),
            _ => None,
        }
    }

    /// The object, if it is a Node.
    pub fn node(&self) -> Option<&Node> {
        match &self.body {
            Body::Node(node) => Some(node),
            _ => None,
        }
    }

    /// The value of a label.
    pub fn label(&self, label: &str) -> Option<&str> {
        let labels = self.body.metadata().labels.as_ref()?;
        Some(labels.get(label)?.as_str())
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            namespace,
            name,
        } = self;
        let slash = if kind.is_namespaced() { "/" } else { "" };
        write!(f, "{} {namespace}{slash}{name}", kind.name())
    }
}

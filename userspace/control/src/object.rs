//! Objects as they were read, with the place they were read from.

use std::fmt;

use k8s_openapi::{
    api::{core::v1::Service, discovery::v1::EndpointSlice},
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
}

/// What makes two objects the same object.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ObjectKey {
    /// The kind.
    pub kind: Kind,
    /// The namespace; "default" where the input names none.
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
    /// The object itself.
    pub body: Body,
}

impl Kind {
    /// The kind with this API version and name.
    pub fn of(api_version: &str, kind: &str) -> Option<Self> {
        match (api_version, kind) {
            ("v1", "Service") => Some(Self::Service),
            ("discovery.k8s.io/v1", "EndpointSlice") => Some(Self::EndpointSlice),
            _ => None,
        }
    }

    /// The kind's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
        }
    }
}

impl Object {
    /// The object, if it is a Service.
    pub fn service(&self) -> Option<&Service> {
        match &self.body {
            Body::Service(service) => Some(service),
            Body::EndpointSlice(_) => None,
        }
    }

    /// The object, if it is an EndpointSlice.
    pub fn slice(&self) -> Option<&EndpointSlice> {
        match &self.body {
            Body::Service(_) => None,
            Body::EndpointSlice(slice) => Some(slice),
        }
    }

    /// The value of a label.
    pub fn label(&self, label: &str) -> Option<&str> {
        let metadata: &ObjectMeta = match &self.body {
            Body::Service(service) => &service.metadata,
            Body::EndpointSlice(slice) => &slice.metadata,
        };
        Some(metadata.labels.as_ref()?.get(label)?.as_str())
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind.name(), self.namespace, self.name)
    }
}

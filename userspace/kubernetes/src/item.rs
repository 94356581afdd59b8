//! One object as it came, made small where it came: the tree of its JSON takes several times as much memory as what is
//! kept of it, and a list has tens of thousands.

use serde_json::Value;
use tidegate_control::manifest::{self, Parsed};

use crate::{
    cord,
    resource::{Resource, version},
};

/// An object.
#[derive(Debug)]
pub(crate) struct Item {
    /// What it is called.
    pub(crate) file: String,
    /// The server's version of it; empty: unknown.
    pub(crate) version: String,
    pub(crate) content: Content,
}

/// What is to be known of it.
#[derive(Debug)]
pub(crate) enum Content {
    /// It is nobody's business here.
    Foreign,
    /// The blocks of a ServiceCIDR.
    Blocks(Vec<String>),
    /// The server's own Service, or a slice of it.
    Own(Value),
    Object(Parsed),
}

impl Item {
    /// None: it has no name.
    pub(crate) fn of(resource: Resource, mut object: Value, node_name: &str) -> Option<Self> {
        let file = resource.file(&object)?;
        let version = version(&object).unwrap_or_default().to_owned();
        let content = if !resource.concerns(&object, node_name) {
            Content::Foreign
        } else if resource == Resource::ServiceCidrs {
            Content::Blocks(blocks(&object))
        } else {
            resource.complete(&mut object);
            if cord::is_own(resource, &file, &object) {
                Content::Own(object)
            } else {
                Content::Object(manifest::settled(&file, object))
            }
        };
        Some(Self {
            file,
            version,
            content,
        })
    }
}

/// One that is not ready, or is going, still has addresses in use.
fn blocks(object: &Value) -> Vec<String> {
    let list = object["spec"]["cidrs"].as_array();
    let texts = list.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

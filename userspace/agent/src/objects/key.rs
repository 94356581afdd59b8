//! Keys as text: `Service/default/web` in the store, `api: Service default/web` among the loop's files.

use std::path::Path;

use anyhow::{Result, bail};
use tidegate_control::{Kind, ObjectKey};

const PREFIX: &str = "api: ";
const KINDS: [Kind; 4] = [Kind::Service, Kind::EndpointSlice, Kind::Pod, Kind::Node];

pub(super) fn text(key: &ObjectKey) -> String {
    format!("{}/{}/{}", key.kind.name(), key.namespace, key.name)
}

pub(super) fn parse(text: &str, store: &Path) -> Result<ObjectKey> {
    let mut parts = text.splitn(3, '/');
    let kind = parts.next().and_then(|name| {
        let mut kinds = KINDS.into_iter();
        kinds.find(|kind| kind.name() == name)
    });
    let (Some(kind), Some(namespace), Some(name)) = (kind, parts.next(), parts.next()) else {
        bail!(
            "{} holds an object {text:?} that this version does not know: run the version that wrote it",
            store.display()
        )
    };
    Ok(ObjectKey {
        kind,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })
}

/// The name under which the reconcile loop knows an object of this store.
pub(super) fn file(key: &ObjectKey) -> String {
    format!("{PREFIX}{key}")
}

/// Whether a file of the loop's is an object of this store.
pub(super) fn is_ours(file: &str) -> bool {
    file.starts_with(PREFIX)
}

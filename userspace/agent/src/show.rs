//! Prints what the agent answers: as a table for people, as JSON or YAML for scripts.

mod status;
mod tables;
#[cfg(test)]
mod tests;

use std::{
    io::{self, Write as _},
    path::Path,
};

use anyhow::Context;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    cli::{Output, What},
    client,
    failure::Failure,
    view::{BackendRow, DeviceRow, EndpointRow, FlowRow, FrontendRow, List, ServiceRow, Status},
};
use tables::Row;

/// What `get` was asked for.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) what: What,
    pub(crate) namespace: Option<String>,
    pub(crate) output: Output,
    pub(crate) limit: usize,
}

/// `tidegate get`.
pub(crate) async fn get(socket: &Path, request: &Request) -> Result<(), Failure> {
    match request.what {
        What::Services => list::<ServiceRow>(socket, "/v1/services", request).await,
        What::Endpoints => list::<EndpointRow>(socket, "/v1/endpoints", request).await,
        What::Frontends => list::<FrontendRow>(socket, "/v1/frontends", request).await,
        What::Backends => list::<BackendRow>(socket, "/v1/backends", request).await,
        What::Flows => {
            let path = format!("/v1/flows?limit={}", request.limit);
            list::<FlowRow>(socket, &path, request).await
        }
        What::Devices => list::<DeviceRow>(socket, "/v1/devices", request).await,
    }
}

/// `tidegate status`.
pub(crate) async fn status(socket: &Path, output: Output) -> Result<(), Failure> {
    let status: Status = client::get(socket, "/v1/status").await?;
    match output {
        Output::Table | Output::Wide => print(&status::text(&status)),
        Output::Json => print(&json(&status)?),
        Output::Yaml => print(&yaml(&status)?),
    }
}

async fn list<T>(socket: &Path, path: &str, request: &Request) -> Result<(), Failure>
where
    T: DeserializeOwned + Row + Serialize,
{
    let mut list: List<T> = client::get(socket, path).await?;
    if let Some(wanted) = &request.namespace {
        list.items
            .retain(|row| row.namespace().is_none_or(|namespace| namespace == wanted));
    }
    match request.output {
        Output::Table => print(&tables::render(&list.items, false)),
        Output::Wide => print(&tables::render(&list.items, true)),
        Output::Json => print(&json(&list)?),
        Output::Yaml => print(&yaml(&list)?),
    }
}

fn json<T: Serialize>(value: &T) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value).context("cannot write JSON")?;
    Ok(format!("{text}\n"))
}

fn yaml<T: Serialize>(value: &T) -> Result<String, Failure> {
    Ok(serde_saphyr::to_string(value).context("cannot write YAML")?)
}

/// Writes to stdout; a reader that has seen enough (`| head`) is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow::anyhow!("cannot write to stdout: {error}").into())
        }
        _ => Ok(()),
    }
}

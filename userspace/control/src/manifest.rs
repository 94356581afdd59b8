//! Text to objects: YAML documents, JSON, and lists of objects.
//!
//! Documents are told apart before they are parsed, so a broken one does not hurt its neighbours.
//! Whether an object makes sense is the business of [`crate::validate`].

mod split;
mod item;
mod trim;
mod unknown;

use serde_json::Value;
use serde_saphyr::SnippetMode;

use crate::{
    object::{Object, ObjectKey},
    problem::{Origin, Problem, Severity},
};
use split::Chunk;

/// What a file holds.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// The objects that could be read.
    pub objects: Vec<Object>,
    /// What could not be read, and what was left out.
    pub problems: Vec<Problem>,
    /// Objects that are there, but could not be read; their last good state stays.
    pub refused: Vec<ObjectKey>,
    /// Something could not be read at all: any object of the file may have been in it.
    pub incomplete: bool,
}

/// Reads all objects of a file (or of any other source that is named).
pub fn parse(file: &str, text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    for (origin, document) in documents(file, text) {
        match document {
            Ok(value) => item::read_document(&origin, value, &mut parsed),
            Err(reason) => {
                parsed
                    .problems
                    .push(Problem::at(&origin, Severity::Error, reason));
                parsed.incomplete = true;
            }
        }
    }
    parsed
}

/// All documents of a file as they are written, each with its place: objects, and lists of them. The
/// error says why one cannot be read.
pub fn documents(file: &str, text: &str) -> Vec<(Origin, Result<Value, String>)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut documents = Vec::new();
    let mut document = 0;
    let mut add = |outcome: Option<Result<Value, String>>| {
        document += 1;
        let file = file.into();
        documents.extend(outcome.map(|outcome| (Origin { file, document }, outcome)));
    };
    for chunk in split::documents(text) {
        match values(&chunk) {
            // A document that is empty or all comments is still a document: it is counted.
            Ok(values) if values.is_empty() => add(None),
            Ok(values) => values.into_iter().for_each(|value| add(Some(Ok(value)))),
            Err(reason) => add(Some(Err(reason))),
        }
    }
    documents
}

/// Takes an object from an API server, which has judged it and given it its numbers. It is a file of
/// its own.
pub fn settled(file: &str, object: Value) -> Parsed {
    let mut parsed = Parsed::default();
    let origin = Origin {
        file: file.into(),
        document: 0,
    };
    item::read_settled(&origin, object, &mut parsed);
    for object in &mut parsed.objects {
        object.settled = true;
    }
    parsed
}

/// Reads one object that is parsed already, or the objects of a list.
pub fn from_value(file: &str, value: Value) -> Parsed {
    let mut parsed = Parsed::default();
    let origin = Origin {
        file: file.into(),
        document: 0,
    };
    item::read_document(&origin, value, &mut parsed);
    parsed
}

/// The values of a chunk: one, or several when JSON values follow one another.
fn values(chunk: &Chunk<'_>) -> Result<Vec<Value>, String> {
    let looks_like_json = chunk.text.trim_start().starts_with(['{', '[']);
    if looks_like_json {
        let stream = serde_json::Deserializer::from_str(chunk.text).into_iter::<Value>();
        // YAML has braces too, so a failure here is not the last word.
        if let Ok(values) = stream.collect::<Result<Vec<_>, _>>() {
            return Ok(values);
        }
    }
    yaml(chunk).map(|value| {
        if value.is_null() {
            Vec::new()
        } else {
            vec![value]
        }
    })
}

fn yaml(chunk: &Chunk<'_>) -> Result<Value, String> {
    // Every node takes at least a byte, so a long text may have many; aliases cannot exceed it.
    let room = chunk.text.len();
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: room.max(250_000),
            max_events: room.saturating_mul(2).max(1_000_000),
        },
        // YAML 1.2: a Service may be called `y`, and only `true` is true.
        strict_booleans: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(chunk.text, options).map_err(|error| {
        let render = serde_saphyr::render_options! {
            line_offset: chunk.first_line as u64,
            snippets: SnippetMode::Off,
        };
        format!(
            "cannot be read as YAML or JSON: {}",
            error.render_with_options(render)
        )
    })
}

#[cfg(test)]
mod tests;

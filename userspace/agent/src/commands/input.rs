//! Objects from files, directories and stdin, for `apply` and `delete`.
//!
//! Everything is read and judged here before anything is sent: what is wrong is told with its file, its
//! document and its field. The agent judges again, since it knows its node.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde_json::Value;
use tidegate_control::{Kind, ObjectKey, Problem, Severity, Store, manifest};

use crate::failure::Failure;

/// Endings of files that are read when a directory is named.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// An object as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    pub(super) value: Value,
    pub(super) key: ObjectKey,
    /// The file and the document.
    pub(super) place: String,
}

/// All that was read.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) items: Vec<Item>,
    /// What is wrong, but hurts nobody.
    pub(super) warnings: Vec<String>,
    /// What is wrong; then nothing must be sent.
    pub(super) errors: Vec<String>,
}

/// The flags that name files.
#[derive(clap::Args, Clone, Debug, Default)]
pub(super) struct Files {
    /// File or directory of Kubernetes YAML or JSON; `-` is stdin
    #[arg(short, long, value_name = "FILE|DIR|-")]
    pub(super) filename: Vec<PathBuf>,
    /// Directories within directories, too
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Leave out objects of kinds that tidegate does not know
    #[arg(long)]
    skip_unknown: bool,
}

impl Files {
    /// Reads everything; the failure is a file that cannot be read.
    pub(super) fn read(&self) -> Result<Input, Failure> {
        let mut input = Input::default();
        // One version of each object: two of them contradict each other, whatever files they are in.
        let mut judge = Store::new(1..=u16::MAX);
        for path in &self.filename {
            for (name, text) in texts(path, self.recursive)? {
                self.take(&mut input, &mut judge, &name, &text);
            }
        }
        if input.items.is_empty() && input.errors.is_empty() {
            if self.filename.iter().all(|path| path == Path::new("-")) {
                return Err(anyhow::anyhow!(
                    "no objects on stdin: it was empty, or held nothing but comments"
                )
                .into());
            }
            return Err(anyhow::anyhow!(
                "no objects in {}: files end in .yaml, .yml or .json",
                shown(&self.filename)
            )
            .into());
        }
        Ok(input)
    }

    /// The same for who needs to know of each object which one it is, and no more.
    pub(super) fn names(&self) -> Result<Vec<Item>, Failure> {
        let mut items = Vec::new();
        for path in &self.filename {
            for (name, text) in texts(path, self.recursive)? {
                for (origin, document) in manifest::documents(&name, &text) {
                    let document =
                        document.map_err(|reason| anyhow::anyhow!("{origin}: {reason}"))?;
                    for value in flattened(document) {
                        let place = origin.to_string();
                        match key_of(&value) {
                            Some(key) => items.push(Item { value, key, place }),
                            None if self.skip_unknown => {}
                            None => {
                                return Err(anyhow::anyhow!(
                                    "{place}: no Service, EndpointSlice, Pod or Node with a name; leave it out, or say --skip-unknown"
                                )
                                .into());
                            }
                        }
                    }
                }
            }
        }
        Ok(items)
    }

    fn take(&self, input: &mut Input, judge: &mut Store, name: &str, text: &str) {
        for problem in judge.replace_file(name, manifest::parse(name, text)) {
            match problem.severity {
                Severity::Error => input.errors.push(refused(&problem)),
                Severity::Warning => input.warnings.push(problem.to_string()),
                Severity::Note => self.note(input, &problem),
            }
        }
        for (origin, document) in manifest::documents(name, text) {
            // What cannot be read was told above.
            let Ok(document) = document else { continue };
            for value in flattened(document) {
                if let Some(key) = key_of(&value) {
                    let place = origin.to_string();
                    input.items.push(Item { value, key, place });
                }
            }
        }
    }

    /// The store only notes what it does not understand: other people's files are beside its own.
    fn note(&self, input: &mut Input, problem: &Problem) {
        if self.skip_unknown {
            input.warnings.push(problem.to_string());
        } else {
            let reason = "leave it out, or say --skip-unknown";
            input.errors.push(format!("{}: {reason}", refused(problem)));
        }
    }
}

impl Input {
    /// Prints the warnings, and fails with everything that is wrong.
    pub(super) fn told(&self) -> Result<(), Failure> {
        for warning in &self.warnings {
            eprintln!("warning: {warning}");
        }
        let Some((last, others)) = self.errors.split_last() else {
            return Ok(());
        };
        for error in others {
            eprintln!("error: {error}");
        }
        Err(anyhow::anyhow!("{last}; nothing was changed").into())
    }
}

/// Without what becomes of it in a directory that is watched: here nothing is left out, all of it is refused.
fn refused(problem: &Problem) -> String {
    let told = problem.to_string();
    let fates = [" and was skipped", "; ignored", "; this one is ignored"];
    let fate = fates.into_iter().find_map(|fate| told.strip_suffix(fate));
    fate.map_or_else(|| told.clone(), str::to_owned)
}

/// `None`: it is no object that could be stored, which is told elsewhere.
pub(super) fn key_of(value: &Value) -> Option<ObjectKey> {
    let text = |value: &Value, field: &str| value.get(field)?.as_str().map(str::to_owned);
    let kind = Kind::of(&text(value, "apiVersion")?, &text(value, "kind")?)?;
    let metadata = value.get("metadata")?;
    let namespace = text(metadata, "namespace").filter(|it| !it.is_empty());
    let namespace = if kind.is_namespaced() {
        namespace.unwrap_or_else(|| "default".to_owned())
    } else {
        String::new()
    };
    Some(ObjectKey {
        kind,
        namespace,
        name: text(metadata, "name")?,
    })
}

/// The objects of a list, else the one object.
fn flattened(mut document: Value) -> Vec<Value> {
    let version = document.get("apiVersion").cloned();
    let kind = document.get("kind").and_then(Value::as_str);
    let Some(of) = kind
        .and_then(|kind| kind.strip_suffix("List"))
        .map(str::to_owned)
    else {
        return vec![document];
    };
    let Some(Value::Array(mut items)) = document.get_mut("items").map(Value::take) else {
        return Vec::new();
    };
    // The API leaves out the items' own kind in a list of one kind.
    for item in items.iter_mut().filter_map(Value::as_object_mut) {
        if let (Some(version), false) = (&version, of.is_empty()) {
            item.entry("apiVersion").or_insert_with(|| version.clone());
            item.entry("kind").or_insert_with(|| of.clone().into());
        }
    }
    items
}

/// Names and texts of a file, of the files of a directory, or of stdin.
fn texts(path: &Path, recursive: bool) -> Result<Vec<(String, String)>, Failure> {
    if path == Path::new("-") {
        let text = io::read_to_string(io::stdin()).context("cannot read stdin")?;
        return Ok(vec![("stdin".to_owned(), text)]);
    }
    let mut files = Vec::new();
    if path.is_dir() {
        list(path, recursive, &mut files)?;
    } else {
        files.push(path.to_owned());
    }
    let mut texts = Vec::new();
    for file in files {
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        texts.push((file.display().to_string(), text));
    }
    Ok(texts)
}

/// In the order of their names, so that two runs do the same.
fn list(directory: &Path, recursive: bool, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let listed = || format!("cannot list {}", directory.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).with_context(listed)? {
        paths.push(entry.with_context(listed)?.path());
    }
    paths.sort();
    for path in paths {
        let ending = path.extension().and_then(|it| it.to_str());
        if path.is_dir() {
            if recursive {
                list(&path, recursive, files)?;
            }
        } else if ending.is_some_and(|it| ENDINGS.contains(&it)) {
            files.push(path);
        }
    }
    Ok(())
}

fn shown(paths: &[PathBuf]) -> String {
    let texts: Vec<String> = paths.iter().map(|it| it.display().to_string()).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests;

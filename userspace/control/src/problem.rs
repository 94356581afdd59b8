//! What is wrong with the input: where it stands, and what to do, in one line.

use std::{fmt, sync::Arc};

use serde::Serialize;

use crate::object::Object;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is wrong: something was left out on purpose.
    Note,
    /// The object works, but a part of it does not.
    Warning,
    /// The object is not taken; its last good state stays.
    Error,
}

/// Where an object was read.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Origin {
    /// The file, or another name for the source.
    pub file: Arc<str>,
    /// Which document of the file, from 1; 0: not known.
    pub document: usize,
}

/// Something that the operator should know about the input. [`fmt::Display`] gives exactly one line.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Problem {
    /// The file, or another name for the source; empty: none.
    pub file: String,
    /// Which document of the file, from 1; 0: not known.
    pub document: usize,
    /// The object, such as `Service default/web`.
    pub object: Option<String>,
    /// The path of the field, such as `spec.ports[0].port`.
    pub field: Option<String>,
    /// What is wrong, and what to do.
    pub reason: String,
    /// How bad it is.
    pub severity: Severity,
}

impl Problem {
    /// A problem with something at a place in a file.
    pub fn at(origin: &Origin, severity: Severity, reason: impl Into<String>) -> Self {
        Self {
            file: origin.file.to_string(),
            document: origin.document,
            object: None,
            field: None,
            reason: reason.into(),
            severity,
        }
    }

    /// A problem with an object.
    pub fn with(object: &Object, severity: Severity, reason: impl Into<String>) -> Self {
        Self::at(&object.origin, severity, reason).object(object.key.to_string())
    }

    /// Names the object.
    #[must_use]
    pub fn object(self, object: impl Into<String>) -> Self {
        Self {
            object: Some(object.into()),
            ..self
        }
    }

    /// Names the field.
    #[must_use]
    pub fn field(self, field: impl Into<String>) -> Self {
        Self {
            field: Some(field.into()),
            ..self
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.document {
            0 => f.write_str(&self.file),
            document => write!(f, "{}: document {document}", self.file),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let document = (self.document > 0).then(|| format!("document {}", self.document));
        let file = (!self.file.is_empty()).then_some(self.file.as_str());
        let parts = [
            file,
            document.as_deref(),
            self.object.as_deref(),
            self.field.as_deref(),
            Some(self.reason.as_str()),
        ];
        for (index, part) in parts.into_iter().flatten().enumerate() {
            if index > 0 {
                f.write_str(": ")?;
            }
            one_line(f, part)?;
        }
        Ok(())
    }
}

/// Names and messages come from the input: a line break or an escape in them must not reach a terminal.
fn one_line(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let mut space = false;
    for char in text.trim().chars() {
        if char.is_control() {
            space = true;
            continue;
        }
        if std::mem::take(&mut space) {
            f.write_str(" ")?;
        }
        write!(f, "{char}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line_with_file_document_object_field_and_reason() {
        let origin = Origin {
            file: "pods.yaml".into(),
            document: 2,
        };
        let problem = Problem::at(&origin, Severity::Error, "0 is not a port (1-65535)")
            .object("Service default/web")
            .field("spec.ports[0].port");
        assert_eq!(
            problem.to_string(),
            "pods.yaml: document 2: Service default/web: spec.ports[0].port: 0 is not a port (1-65535)"
        );
    }

    #[test]
    fn control_characters_of_the_input_never_break_the_line() {
        let origin = Origin {
            file: "a\nb".into(),
            document: 0,
        };
        let problem = Problem::at(&origin, Severity::Note, "x\r\n\u{1b}[31my\n");
        assert_eq!(problem.to_string(), "a b: x [31my");
    }
}

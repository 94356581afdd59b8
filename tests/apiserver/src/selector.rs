//! Label and field selectors, as far as anybody here uses them.

use serde_json::Value;

/// Both selectors of a request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Selector {
    pub(crate) labels: Vec<Term>,
    pub(crate) fields: Vec<Term>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Term {
    Has(String),
    Lacks(String),
    Is(String, String),
    IsNot(String, String),
}

impl Selector {
    /// Parses both texts; the error is what cannot be understood.
    pub(crate) fn parse(labels: &str, fields: &str) -> Result<Self, String> {
        let fields = terms(fields)?;
        let by_name = |term: &Term| matches!(term, Term::Is(key, _) if key == "metadata.name");
        match fields.iter().all(by_name) {
            true => Ok(Self {
                labels: terms(labels)?,
                fields,
            }),
            false => Err("field label not supported".to_owned()),
        }
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let metadata = &object["metadata"];
        let label = |key: &str| metadata["labels"].get(key).and_then(Value::as_str);
        let is_labelled = self.labels.iter().all(|term| match term {
            Term::Has(key) => label(key).is_some(),
            Term::Lacks(key) => label(key).is_none(),
            Term::Is(key, value) => label(key) == Some(value),
            Term::IsNot(key, value) => label(key) != Some(value),
        });
        let is_named =
            |term: &Term| matches!(term, Term::Is(_, name) if metadata["name"] == **name);
        is_labelled && self.fields.iter().all(is_named)
    }
}

fn terms(text: &str) -> Result<Vec<Term>, String> {
    let parts = text.split(',').map(str::trim).filter(|it| !it.is_empty());
    parts.map(term).collect()
}

fn term(text: &str) -> Result<Term, String> {
    if text.contains([' ', '(', ')']) {
        return Err(format!("unable to parse requirement: {text:?}"));
    }
    let own = str::to_owned;
    Ok(match text.split_once('=') {
        Some((key, value)) => match key.strip_suffix('!') {
            Some(key) => Term::IsNot(own(key), own(value)),
            None => Term::Is(own(key), own(value.trim_start_matches('='))),
        },
        None => match text.strip_prefix('!') {
            Some(key) => Term::Lacks(own(key)),
            None => Term::Has(own(text)),
        },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_choose_by_labels_and_by_name() {
        let object = json!({"metadata": {"name": "web", "labels": {"app": "web", "empty": ""}}});
        let matches = |labels, fields| Selector::parse(labels, fields).unwrap().matches(&object);
        for (labels, is_match) in [
            ("", true),
            ("app", true),
            ("!app", false),
            ("!empty", false),
            ("app=web,!other", true),
            ("app==web", true),
            ("app=db", false),
            ("app!=db", true),
            ("app!=web", false),
        ] {
            assert_eq!(matches(labels, ""), is_match, "{labels}");
        }
        assert!(matches("", "metadata.name=web"));
        assert!(!matches("", "metadata.name=db"));
        assert!(Selector::parse("app in (a, b)", "").is_err());
        assert!(Selector::parse("", "spec.nodeName=a").is_err());
    }
}

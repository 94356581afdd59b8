//! Where this machine gets its Debian packages from: the addresses are taken from its own sources.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// One `deb` line, or one stanza.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entry {
    uri: String,
    suites: Vec<String>,
    signed_by: Option<String>,
}

/// What apt reads in order to know the suite, with this machine's own mirror and keys.
pub(super) fn stanza(suite: &str) -> Result<String> {
    let mut entries = Vec::new();
    for file in files() {
        let text = fs::read_to_string(&file).unwrap_or_default();
        entries.extend(if file.ends_with(".sources") {
            stanzas(&text)
        } else {
            lines(&text)
        });
    }
    stanza_of(&entries, suite).with_context(|| {
        format!("no source of packages of this machine is Debian's: {suite} cannot be reached")
    })
}

fn files() -> Vec<String> {
    let parts = fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten()
        .flatten();
    let parts = parts.map(|entry| entry.path().display().to_string());
    let mut files: Vec<_> = parts
        .filter(|path| {
            Path::new(path)
                .extension()
                .is_some_and(|it| it == "sources" || it == "list")
        })
        .collect();
    files.sort();
    files.push("/etc/apt/sources.list".to_owned());
    files
}

fn stanza_of(entries: &[Entry], suite: &str) -> Option<String> {
    let wants_security = suite.ends_with("-security");
    let is_like = |name: &String| is_debian(name) && name.ends_with("-security") == wants_security;
    let entry = entries
        .iter()
        .find(|entry| entry.suites.iter().any(is_like))?;
    let keys = entry.signed_by.as_deref().unwrap_or(KEYRING);
    Some(format!(
        "Types: deb\nURIs: {}\nSuites: {suite}\nComponents: main\nSigned-By: {keys}\n",
        entry.uri
    ))
}

/// Whether a suite is one of Debian's own: others have sources of their own beside them.
fn is_debian(suite: &str) -> bool {
    const NAMES: [&str; 9] = [
        "bullseye",
        "bookworm",
        "trixie",
        "forky",
        "sid",
        "oldoldstable",
        "oldstable",
        "stable",
        "testing",
    ];
    let base = suite.split_once('-').map_or(suite, |(base, _)| base);
    NAMES.contains(&base)
}

/// The deb822 form: fields in stanzas.
fn stanzas(text: &str) -> Vec<Entry> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let text = lines.collect::<Vec<_>>().join("\n");
    let field = |stanza: &str, name: &str| {
        let value = stanza.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        });
        value.filter(|value| !value.is_empty())
    };
    let entry = |stanza: &str| {
        field(stanza, "Enabled")
            .is_none_or(|it| it != "no")
            .then_some(())?;
        Some(Entry {
            uri: first_word(&field(stanza, "URIs")?)?,
            suites: field(stanza, "Suites")?
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            signed_by: field(stanza, "Signed-By"),
        })
    };
    text.split("\n\n").filter_map(entry).collect()
}

/// The form of one line: `deb [options] uri suite component…`.
fn lines(text: &str) -> Vec<Entry> {
    let entry = |line: &str| {
        let rest = line.trim().strip_prefix("deb ")?.trim_start();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => ("", rest),
        };
        let mut words = rest.split_whitespace();
        let signed = options
            .split_whitespace()
            .find_map(|it| it.strip_prefix("signed-by="));
        Some(Entry {
            uri: words.next()?.to_owned(),
            suites: vec![words.next()?.to_owned()],
            signed_by: signed.map(str::to_owned),
        })
    };
    text.lines().filter_map(entry).collect()
}

fn first_word(text: &str) -> Option<String> {
    text.split_whitespace().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCES: &str = "Types: deb\nURIs: http://other.test/node\nSuites: nodistro\n\n\
        Types: deb\n# http://old.test\nURIs: http://mirror.test/debian\n\
        Suites: bookworm bookworm-updates\nSigned-By: /keys.gpg\n\n\
        Types: deb\nURIs: http://mirror.test/security\nSuites: bookworm-security\n";

    #[test]
    fn a_suite_is_asked_of_the_mirror_that_has_its_kind() {
        let entries = stanzas(SOURCES);
        let main = stanza_of(&entries, "trixie-backports").unwrap();
        let security = stanza_of(&entries, "bullseye-security").unwrap();
        assert!(
            main.contains("URIs: http://mirror.test/debian\nSuites: trixie-backports\n"),
            "{main}"
        );
        assert!(main.contains("Signed-By: /keys.gpg"), "{main}");
        assert!(
            security.contains("URIs: http://mirror.test/security\n"),
            "{security}"
        );
        assert!(security.contains(KEYRING), "{security}");
    }

    #[test]
    fn sources_of_others_are_not_asked() {
        let others = lines(
            "deb http://other.test/apt cloud-sdk-bookworm main\n# deb http://a.test sid main\n",
        );
        assert_eq!(others.len(), 1);
        assert_eq!(stanza_of(&others, "sid"), None);
        assert_eq!(stanza_of(&[], "sid"), None);
    }

    #[test]
    fn the_old_form_has_its_options_in_brackets() {
        let entries =
            lines("deb [arch=amd64 signed-by=/keys.gpg] http://mirror.test/debian sid main\n");
        let stanza = stanza_of(&entries, "trixie").unwrap();
        assert!(
            stanza.contains("http://mirror.test/debian") && stanza.contains("/keys.gpg"),
            "{stanza}"
        );
    }
}

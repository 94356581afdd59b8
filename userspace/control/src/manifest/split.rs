//! A file's text into documents, at lines that are a YAML document marker.

/// A document's text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Chunk<'a> {
    pub(super) text: &'a str,
    /// How many lines of the file stand before it.
    pub(super) first_line: usize,
}

/// The documents of a file. What stands before the first marker is one only if it says something.
pub(super) fn documents(text: &str) -> Vec<Chunk<'_>> {
    let mut chunks = Vec::new();
    let (mut start, mut start_line, mut offset) = (0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if is_marker(line) {
            chunks.push(Chunk {
                text: &text[start..offset],
                first_line: start_line,
            });
            // What follows the marker on its own line belongs to the document.
            start = offset + MARKER.len();
            start_line = number;
        }
        offset += line.len();
    }
    chunks.push(Chunk {
        text: &text[start..],
        first_line: start_line,
    });
    let says_nothing = |chunk: &Chunk<'_>| {
        chunk
            .text
            .lines()
            .all(|line| line.trim_start().is_empty() || line.starts_with(['#', '%']))
    };
    if chunks.first().is_some_and(says_nothing) {
        chunks.remove(0);
    }
    if chunks.len() > 1
        && chunks
            .last()
            .is_some_and(|last| last.text.trim().is_empty())
    {
        chunks.pop();
    }
    chunks
}

const MARKER: &str = "---";

fn is_marker(line: &str) -> bool {
    line.strip_prefix(MARKER)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

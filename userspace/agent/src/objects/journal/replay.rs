//! Reads the file back: whole transactions in their order, and where the last one ends.

use super::HEADER;

/// What one line of a transaction does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::objects) enum Step {
    /// An object.
    Put {
        /// The version at which it was made.
        first: u64,
        key: String,
        json: String,
    },
    /// The key of an object that is gone.
    Delete(String),
}

/// What the file holds.
#[derive(Debug, Default)]
pub(super) struct Replayed {
    pub(super) steps: Vec<Step>,
    pub(super) version: u64,
    /// Where the last whole transaction ends.
    pub(super) end: u64,
}

/// The last line of a transaction.
pub(super) fn end(lines: &str, version: u64) -> String {
    format!("={:016x} {version}\n", checksum(lines, version))
}

/// Reads whole transactions; the error says what cannot come from a crash.
pub(super) fn replay(content: &[u8]) -> Result<Replayed, String> {
    let Some(mut rest) = content.strip_prefix(HEADER.as_bytes()) else {
        // The very first append was cut short.
        let written = content.iter().rposition(|&byte| byte != 0);
        let written = &content[..written.map_or(0, |last| last + 1)];
        return if HEADER.as_bytes().starts_with(written) {
            Ok(Replayed::default())
        } else {
            Err("it does not begin as a store of this version".to_owned())
        };
    };
    let mut replayed = Replayed::default();
    let mut at = HEADER.len();
    replayed.end = at as u64;
    while !rest.is_empty() {
        let Some(length) = length(rest) else {
            // Nothing is written behind a transaction that has no end.
            return Ok(replayed);
        };
        let (transaction, behind) = rest.split_at(length);
        let Some((steps, version)) = read(transaction) else {
            return if is_torn(transaction) && !has_whole(behind) {
                Ok(replayed)
            } else {
                Err(format!("at byte {at}"))
            };
        };
        at += length;
        rest = behind;
        replayed.steps.extend(steps);
        replayed.version = version;
        replayed.end = at as u64;
    }
    Ok(replayed)
}

/// The length of the first transaction, if it has an end.
fn length(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        at += line.len();
        if line.starts_with(b"=") && line.ends_with(b"\n") {
            return Some(at);
        }
    }
    None
}

/// After a power failure a file may have its length, and nothing where the data should be.
fn is_torn(transaction: &[u8]) -> bool {
    transaction.contains(&0)
}

fn has_whole(mut rest: &[u8]) -> bool {
    while let Some(length) = length(rest) {
        let (transaction, behind) = rest.split_at(length);
        if read(transaction).is_some() {
            return true;
        }
        rest = behind;
    }
    false
}

fn read(transaction: &[u8]) -> Option<(Vec<Step>, u64)> {
    let text = str::from_utf8(transaction).ok()?;
    let (lines, last) = match text.trim_end_matches('\n').rfind('\n') {
        Some(at) => text.split_at(at + 1),
        None => ("", text),
    };
    let version: u64 = last.split_once(' ')?.1.trim_end().parse().ok()?;
    if last != end(lines, version) {
        return None;
    }
    let steps = lines.lines().map(step).collect::<Option<_>>()?;
    Some((steps, version))
}

fn step(line: &str) -> Option<Step> {
    if let Some(key) = line.strip_prefix('-') {
        return Some(Step::Delete(key.to_owned()));
    }
    let mut parts = line.strip_prefix('+')?.splitn(3, ' ');
    Some(Step::Put {
        first: parts.next()?.parse().ok()?,
        key: parts.next()?.to_owned(),
        json: parts.next()?.to_owned(),
    })
}

/// FNV-1a: tells a torn write from a whole one; it defends against nobody.
fn checksum(lines: &str, version: u64) -> u64 {
    let bytes = lines.bytes().chain(version.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

//! What differs between two frames, in words: the message of a failed test.

mod fields;

use std::fmt::Write;
use std::ops::Range;

use fields::fields;

/// Bytes of a field longer than this are cut in the message; the dump has them all.
const SHOWN: usize = 16;

/// One line for each field that differs, then both dumps. The fields are those of `expected`.
/// Equal frames give an empty text.
pub fn explain_difference(expected: &[u8], got: &[u8]) -> String {
    let mut text = String::new();
    if expected == got {
        return text;
    }
    if expected.len() != got.len() {
        line(
            &mut text,
            format!(
                "length: expected {} bytes, got {}",
                expected.len(),
                got.len()
            ),
        );
    }
    for (name, range) in fields(expected) {
        let there = part(got, &range);
        if expected[range.clone()] != *there {
            let (wanted, found) = (brief(&expected[range.clone()]), brief(there));
            let Range { start, end } = range;
            line(
                &mut text,
                format!("{name} at {start}..{end}: expected {wanted}, got {found}"),
            );
        }
    }
    if got.len() > expected.len() {
        let more = brief(&got[expected.len()..]);
        line(
            &mut text,
            format!(
                "unexpected bytes at {}..{}: {more}",
                expected.len(),
                got.len()
            ),
        );
    }
    line(
        &mut text,
        "expected (rows that differ are marked):".to_string(),
    );
    text.push_str(&dump(expected, got));
    line(&mut text, "got:".to_string());
    text.push_str(&dump(got, expected));
    text
}

/// Sixteen bytes a row, with their position.
pub fn hexdump(frame: &[u8]) -> String {
    dump(frame, frame)
}

fn dump(frame: &[u8], other: &[u8]) -> String {
    let mut text = String::new();
    for (row, bytes) in frame.chunks(16).enumerate() {
        let at = row * 16;
        let same = part(other, &(at..at + bytes.len())) == bytes;
        let mark = if same { ' ' } else { '*' };
        let printed: String = bytes.iter().map(|byte| printable(*byte)).collect();
        line(
            &mut text,
            format!("{mark} {at:4}  {:<47}  {printed}", hex(bytes, " ")),
        );
    }
    text
}

fn printable(byte: u8) -> char {
    if byte.is_ascii_graphic() {
        char::from(byte)
    } else {
        '.'
    }
}

fn part<'a>(bytes: &'a [u8], range: &Range<usize>) -> &'a [u8] {
    let end = range.end.min(bytes.len());
    &bytes[range.start.min(end)..end]
}

fn brief(bytes: &[u8]) -> String {
    match bytes.len() {
        0 => "nothing".to_string(),
        1..=SHOWN => hex(bytes, ""),
        _ => format!("{}… ({} bytes)", hex(&bytes[..SHOWN], ""), bytes.len()),
    }
}

fn hex(bytes: &[u8], between: &str) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(between)
}

fn line(text: &mut String, line: String) {
    writeln!(text, "{line}").expect("writing to a String cannot fail");
}

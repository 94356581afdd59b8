use std::collections::BTreeMap;

use super::*;

type State = BTreeMap<String, String>;

fn transaction(put: &[(&str, &str)], delete: &[&str]) -> Transaction {
    let mut transaction = Transaction::default();
    for (key, json) in put {
        transaction.put(1, key, json);
    }
    for key in delete {
        transaction.delete(key);
    }
    transaction
}

fn state(steps: Vec<Step>) -> State {
    let mut state = State::new();
    for step in steps {
        match step {
            Step::Put { key, json, .. } => drop(state.insert(key, json)),
            Step::Delete(key) => drop(state.remove(&key)),
        }
    }
    state
}

fn read(directory: &Path) -> (State, u64) {
    let (_, steps, version) = Journal::open(directory).unwrap();
    (state(steps), version)
}

/// Three transactions; returns the states after each, the empty one first.
fn fill(directory: &Path) -> Vec<(State, u64)> {
    let mut states = vec![read(directory)];
    let (mut journal, ..) = Journal::open(directory).unwrap();
    let steps = [
        transaction(&[("Service/a/x", "{\"a\":1}"), ("Node//n", "{}")], &[]),
        transaction(&[("Service/a/x", "{\"a\":\"ü\"}")], &["Node//n"]),
        transaction(&[], &["Service/a/x"]),
    ];
    for (version, step) in (5..).zip(steps) {
        journal.append(step, version).unwrap();
        states.push(read(directory));
    }
    states
}

#[test]
fn what_was_appended_is_read_back_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let states = fill(dir.path());
    let of = |pairs: &[(&str, &str)]| -> State {
        let pairs = pairs.iter();
        pairs
            .map(|(key, json)| ((*key).to_owned(), (*json).to_owned()))
            .collect()
    };
    let expected = [
        (of(&[]), 0),
        (of(&[("Service/a/x", "{\"a\":1}"), ("Node//n", "{}")]), 5),
        (of(&[("Service/a/x", "{\"a\":\"ü\"}")]), 6),
        (of(&[]), 7),
    ];
    assert_eq!(states, expected);
}

#[test]
fn a_file_cut_anywhere_is_a_state_that_was_and_can_be_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let states = fill(dir.path());
    let whole = fs::read(dir.path().join(NAME)).unwrap();
    for length in 0..=whole.len() {
        for zeros in [0, 3, whole.len() - length] {
            let other = tempfile::tempdir().unwrap();
            let mut content = whole[..length].to_vec();
            content.resize(length + zeros, 0);
            fs::write(other.path().join(NAME), &content).unwrap();
            let found = read(other.path());
            assert!(
                states.contains(&found),
                "cut at {length} + {zeros}: {found:?}"
            );
            let (mut journal, ..) = Journal::open(other.path()).unwrap();
            journal.append(transaction(&[("k", "{}")], &[]), 9).unwrap();
            let mut expected = found.0;
            expected.insert("k".to_owned(), "{}".to_owned());
            assert_eq!(
                read(other.path()),
                (expected, 9),
                "cut at {length} + {zeros}"
            );
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_is_told_or_costs_the_last_change_at_most() {
    let dir = tempfile::tempdir().unwrap();
    let states = fill(dir.path());
    let whole = fs::read(dir.path().join(NAME)).unwrap();
    let last = states.len() - 1;
    let mut told = 0;
    for at in 0..whole.len() {
        let mut content = whole.clone();
        content[at] ^= 1;
        fs::write(dir.path().join(NAME), &content).unwrap();
        match Journal::open(dir.path()) {
            Ok((_, steps, version)) => {
                let found = (state(steps), version);
                assert!(states[last - 1..].contains(&found), "byte {at}: {found:?}");
            }
            Err(error) => {
                told += 1;
                let line = error.to_string();
                assert!(line.contains("is damaged"), "{line}");
                assert!(line.contains("restore it from a backup"), "{line}");
            }
        }
    }
    assert!(told > whole.len() * 3 / 4, "{told} of {}", whole.len());
}

#[test]
fn history_is_dropped_and_content_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, ..) = Journal::open(dir.path()).unwrap();
    let json = format!("\"{}\"", "x".repeat(100_000));
    let mut version = 0;
    while !journal.is_long() {
        version += 1;
        journal
            .append(transaction(&[("k", &json)], &[]), version)
            .unwrap();
    }
    let long = fs::metadata(journal.path()).unwrap().len();
    journal
        .rewrite(transaction(&[("k", &json)], &[]), version)
        .unwrap();
    assert!(fs::metadata(journal.path()).unwrap().len() < long / 5);
    assert!(!journal.is_long());
    journal
        .append(transaction(&[("l", "{}")], &[]), version + 1)
        .unwrap();
    let (state, found) = read(dir.path());
    assert_eq!((state.len(), found), (2, version + 1));
}

#[test]
fn nothing_is_written_before_there_is_something_to_store() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, steps, version) = Journal::open(dir.path()).unwrap();
    assert_eq!((steps.len(), version), (0, 0));
    assert!(!journal.path().exists());
}

#[test]
fn a_store_of_another_version_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(NAME), "tidegate objects 2\n").unwrap();
    let error = Journal::open(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("does not begin as a store of this version"),
        "{error}"
    );
}

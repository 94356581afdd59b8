//! Objects on their way to the agent: in one request, or in several where they are many.

use std::{
    io::{self, IsTerminal as _},
    path::Path,
};

use hyper::Method;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tidegate_api::{Cause, Changes, client};

use crate::{commands::input::Item, failure::Failure};

/// A request has no more than this of JSON.
const MOST: usize = 4 << 20;
/// Whoever sends more objects than these waits long enough to want to see that something happens.
const MANY: usize = 500;

/// What is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::commands) enum Way {
    Apply,
    Delete {
        /// What is not there is no fault.
        ignores_missing: bool,
    },
    /// The whole store.
    Replace,
}

/// Sends them all, or fails with the first that is refused.
pub(in crate::commands) async fn all(
    socket: &Path,
    way: Way,
    is_dry: bool,
    items: &[Item],
) -> Result<Vec<Changes>, Failure> {
    let batches = if way == Way::Replace {
        // All at once is the point of it.
        vec![items]
    } else {
        batches(items)
    };
    let needs_trial = batches.len() > 1 && !is_dry;
    let bar = bar(items.len() * if needs_trial { 2 } else { 1 });
    if needs_trial {
        bar.set_message("trying");
        for batch in &batches {
            let _only_tried = send(socket, way, true, batch).await?;
            bar.inc(batch.len() as u64);
        }
    }
    bar.set_message(if is_dry { "trying" } else { "sending" });
    let mut outcomes = Vec::new();
    for batch in batches {
        outcomes.push(send(socket, way, is_dry, batch).await?);
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    Ok(outcomes)
}

/// On a terminal, and only if it takes a while.
fn bar(len: usize) -> ProgressBar {
    if len < MANY || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(len as u64);
    let style = ProgressStyle::with_template("{msg:8} {bar:40} {pos}/{len} objects, {eta} left");
    // Without the template there is the default one.
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Parts of about [`MOST`] bytes, in the order in which they are.
fn batches(items: &[Item]) -> Vec<&[Item]> {
    let mut batches = Vec::new();
    let (mut start, mut size) = (0, 0);
    for (index, item) in items.iter().enumerate() {
        let bytes = item.value.to_string().len();
        if index > start && size + bytes > MOST {
            batches.push(&items[start..index]);
            (start, size) = (index, 0);
        }
        size += bytes;
    }
    batches.push(&items[start..]);
    batches
}

async fn send(socket: &Path, way: Way, is_dry: bool, items: &[Item]) -> Result<Changes, Failure> {
    let (method, path) = match way {
        Way::Apply => (Method::POST, "/v1/apply"),
        Way::Delete { .. } => (Method::POST, "/v1/delete"),
        Way::Replace => (Method::PUT, "/v1/snapshot"),
    };
    let ignores_missing = matches!(
        way,
        Way::Delete {
            ignores_missing: true
        }
    );
    let query = [
        (is_dry, "dryRun=true"),
        (ignores_missing, "ignoreNotFound=true"),
    ];
    let query: Vec<&str> = query.into_iter().filter(|it| it.0).map(|it| it.1).collect();
    let query = query.join("&");
    let values: Vec<&Value> = items.iter().map(|item| &item.value).collect();
    let body = json!({ "apiVersion": "v1", "kind": "List", "items": values });
    let sent = client::send::<_, Changes>(socket, method, &format!("{path}?{query}"), &body).await;
    match sent {
        Ok(mut outcome) => {
            for warning in &mut outcome.warnings {
                *warning = placed(warning, items);
            }
            Ok(outcome)
        }
        Err(client::Error::Refused { reason, causes, .. }) => Err(refused(&reason, &causes, items)),
        Err(error) => Err(error.into()),
    }
}

/// Everything but the last on lines of its own.
fn refused(reason: &str, causes: &[Cause], items: &[Item]) -> Failure {
    let Some((last, others)) = causes.split_last() else {
        return anyhow::anyhow!("the agent answers: {reason}").into();
    };
    for cause in others {
        eprintln!("error: {}", placed(&cause.message, items));
    }
    anyhow::anyhow!("{}; nothing was changed", placed(&last.message, items)).into()
}

/// The agent knows `items[3]`; the user knows the file and the document.
fn placed(message: &str, items: &[Item]) -> String {
    let found = || {
        let rest = message.strip_prefix("items[")?;
        let (index, rest) = rest.split_once(']')?;
        let item = items.get(index.parse::<usize>().ok()?)?;
        Some(format!("{}{rest}", item.place))
    };
    found().unwrap_or_else(|| message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::input::key_of;

    fn item(name: &str, bytes: usize) -> Item {
        let value = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": name },
            "spec": { "externalName": "x".repeat(bytes) },
        });
        Item {
            key: key_of(&value).unwrap(),
            value,
            place: format!("{name}.yaml: document 1"),
        }
    }

    #[test]
    fn what_the_agent_says_of_an_item_is_told_with_its_file() {
        let items = [item("a", 1), item("b", 1)];
        assert_eq!(
            placed("items[1]: Service default/b: spec: bad", &items),
            "b.yaml: document 1: Service default/b: spec: bad"
        );
        for odd in ["items[7]: x", "items[x]: y", "items[", "no place"] {
            assert_eq!(placed(odd, &items), odd);
        }
    }

    #[test]
    fn large_inputs_go_in_parts_that_are_together_the_whole_and_none_too_large() {
        let items: Vec<Item> = (0..7).map(|n| item(&n.to_string(), MOST / 3)).collect();
        let parts = batches(&items);
        assert_eq!(parts.concat(), items);
        assert!(parts.iter().all(|part| part.len() <= 2), "{}", parts.len());
        // One that is too large by itself is the agent's to refuse.
        assert_eq!(batches(&[item("x", MOST * 2)]).len(), 1);
        assert_eq!(batches(&items[..1]).len(), 1);
    }
}

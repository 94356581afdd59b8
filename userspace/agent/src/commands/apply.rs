//! `tidegate apply`: creates and replaces objects of the agent's own store, through the local API.
//!
//! Everything is read and judged before anything is sent. What fits into one request is sent as one, which
//! the agent takes as a whole or not at all; more than that is tried out as a whole first.

mod send;

use std::collections::HashMap;

use tidegate_api::Changes;

use crate::{
    cli::Agent,
    commands::input::{Files, Item},
    failure::Failure,
    show,
};
pub(super) use send::{Way, all as send_all};

const EXAMPLES: &str = "\
Examples:
  tidegate apply -f web.yaml
  tidegate apply -f manifests/ -R --dry-run
  kubectl get services,endpointslices -A -o json | tidegate apply -f -
  tidegate apply -f everything.yaml --replace-all";

/// Flags of `tidegate apply`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    files: Files,
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
    /// Remove everything else from the store: it holds these objects and no others, at once
    #[arg(long)]
    replace_all: bool,
    #[command(flatten)]
    agent: Agent,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    if args.files.filename.is_empty() {
        return Err(Failure::Usage(
            "nothing to apply: name files with -f".to_owned(),
        ));
    }
    let input = args.files.read()?;
    input.told()?;
    let way = if args.replace_all {
        Way::Replace
    } else {
        Way::Apply
    };
    let sent = send_all(&args.agent.api, way, args.dry_run, &input.items);
    let outcomes = crate::runtime()?.block_on(sent)?;
    // What could be said when the objects were read was said then, and the agent says it again.
    let warnings = outcomes.iter().flat_map(|outcome| &outcome.warnings);
    for warning in warnings.filter(|warning| !input.warnings.contains(warning)) {
        eprintln!("warning: {warning}");
    }
    print(&input.items, &outcomes, args.dry_run)
}

/// `service/web created`, a line each, in the order of the input; then what had to go.
pub(super) fn print(items: &[Item], outcomes: &[Changes], is_dry: bool) -> Result<(), Failure> {
    show::print(&text(items, outcomes, is_dry))?;
    for reason in outcomes.iter().filter_map(|it| it.reason.as_ref()) {
        eprintln!("warning: it is stored, and the maps do not have it yet: {reason}");
    }
    Ok(())
}

fn text(items: &[Item], outcomes: &[Changes], is_dry: bool) -> String {
    let mut words: HashMap<&str, &str> = HashMap::new();
    for it in outcomes {
        for (list, word) in [
            (&it.created, "created"),
            (&it.changed, "configured"),
            (&it.deleted, "deleted"),
        ] {
            words.extend(list.iter().map(|name| (name.as_str(), word)));
        }
    }
    let note = if is_dry { " (dry run)" } else { "" };
    let mut text = String::new();
    for item in items {
        let word = words
            .remove(item.key.to_string().as_str())
            .unwrap_or("unchanged");
        let kind = item.key.kind.name().to_lowercase();
        text.push_str(&format!("{kind}/{} {word}{note}\n", item.key.name));
    }
    let mut others: Vec<(&str, &str)> = words.into_iter().collect();
    others.sort_unstable();
    for (name, word) in others {
        let (kind, rest) = name.split_once(' ').unwrap_or(("", name));
        let name = rest.rsplit('/').next().unwrap_or(rest);
        text.push_str(&format!("{}/{name} {word}{note}\n", kind.to_lowercase()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::input::key_of;

    fn service(name: &str) -> Item {
        let value = serde_json::json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": name },
        });
        Item {
            key: key_of(&value).unwrap(),
            value,
            place: String::new(),
        }
    }

    #[test]
    fn every_object_gets_its_line_in_the_order_of_the_input_and_what_went_comes_last() {
        let items = [service("b"), service("a"), service("c")];
        let outcome = Changes {
            created: vec!["Service default/a".into()],
            changed: vec!["Service default/b".into()],
            deleted: vec!["Node old".into(), "Service shop/x".into()],
            unchanged: 1,
            ..Changes::default()
        };
        assert_eq!(
            text(&items, &[outcome], false),
            "service/b configured\nservice/a created\nservice/c unchanged\nnode/old deleted\nservice/x deleted\n"
        );
        assert_eq!(
            text(&items[..1], &[Changes::default()], true),
            "service/b unchanged (dry run)\n"
        );
    }
}

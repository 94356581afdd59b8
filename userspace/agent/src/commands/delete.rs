//! `tidegate delete`: removes objects of the agent's own store, through the local API.

use clap::ValueEnum;
use serde_json::json;
use tidegate_control::Kind;

use crate::{
    cli::Agent,
    commands::{
        apply::{self, Way},
        input::{Files, Item, key_of},
        named,
    },
    failure::Failure,
};

const EXAMPLES: &str = "\
Examples:
  tidegate delete service default/web
  tidegate delete endpointslice web-1 web-2 -n shop
  tidegate delete -f web.yaml --ignore-not-found";

/// Flags of `tidegate delete`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What is to be deleted by name
    #[arg(requires = "names", conflicts_with = "filename")]
    kind: Option<KindName>,
    /// NS/NAME, or NAME
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// The namespace of the names [default: default]
    #[arg(short, long, value_name = "NS", requires = "names")]
    namespace: Option<String>,
    #[command(flatten)]
    files: Files,
    /// What is not there is no failure
    #[arg(long)]
    ignore_not_found: bool,
    /// Only say what would be deleted
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    agent: Agent,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum KindName {
    #[value(alias = "services", alias = "svc")]
    Service,
    #[value(alias = "endpointslices", alias = "eps")]
    Endpointslice,
    #[value(alias = "pods", alias = "po")]
    Pod,
    #[value(alias = "nodes", alias = "no")]
    Node,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let items = match args.kind {
        Some(kind) => by_name(kind, &args)?,
        None if args.files.filename.is_empty() => {
            return Err(Failure::Usage(
                "nothing to delete: name objects (service NS/NAME) or files (-f FILE)".to_owned(),
            ));
        }
        None => args.files.names()?,
    };
    let way = Way::Delete {
        ignores_missing: args.ignore_not_found,
    };
    let sent = apply::send_all(&args.agent.api, way, args.dry_run, &items);
    let outcomes = crate::runtime()?.block_on(sent)?;
    apply::print(&items, &outcomes, args.dry_run)
}

fn by_name(kind: KindName, args: &Args) -> Result<Vec<Item>, Failure> {
    let (kind, version) = match kind {
        KindName::Service => (Kind::Service, "v1"),
        KindName::Endpointslice => (Kind::EndpointSlice, "discovery.k8s.io/v1"),
        KindName::Pod => (Kind::Pod, "v1"),
        KindName::Node => (Kind::Node, "v1"),
    };
    let mut items = Vec::new();
    for text in &args.names {
        let (namespace, name) = named(text, args.namespace.as_deref())?;
        let mut value = json!({
            "apiVersion": version, "kind": kind.name(), "metadata": { "name": name },
        });
        if kind.is_namespaced() {
            value["metadata"]["namespace"] = namespace.into();
        } else if text.contains('/') || args.namespace.is_some() {
            return Err(Failure::Usage(format!(
                "{text}: a {} has no namespace",
                kind.name()
            )));
        }
        items.extend(key_of(&value).map(|key| Item {
            value,
            key,
            place: String::new(),
        }));
    }
    Ok(items)
}

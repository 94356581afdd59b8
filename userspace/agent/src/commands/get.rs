//! `tidegate get`: what the agent and the kernel hold, as a table, as JSON or as YAML.

mod watch;

use std::path::Path;

use clap::ValueEnum;
use tidegate_api::{
    BackendRow, DeviceRow, EndpointRow, FlowRow, FrontendRow, List, ServiceRow, client,
};

use crate::{
    api::FLOWS_LIMIT,
    cli::{Agent, Output},
    commands::{flows::Filter, named},
    failure::Failure,
    show::{self, Listed},
};

const EXAMPLES: &str = "\
Examples:
  tidegate get services                    all service ports
  tidegate get services default/web        one Service's; the same: web -n default
  tidegate get endpoints web -o wide       why each endpoint of web is used or not
  tidegate get frontends 192.168.1.2       what this address answers to
  tidegate get endpoints --watch           and every change from now on
  tidegate get flows --client 192.0.2.0/24 --state open --limit 20";

/// Flags of `tidegate get`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    what: What,
    /// Only these: names of Services (or NS/NAME), addresses, names of devices, ids of backends
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Only this namespace
    #[arg(short, long, value_name = "NS")]
    namespace: Option<String>,
    /// All namespaces, as without --namespace
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Output,
    /// Go on, and print what changes
    #[arg(short, long)]
    watch: bool,
    /// The most flows to show
    #[arg(long, value_name = "N", default_value_t = FLOWS_LIMIT)]
    limit: usize,
    #[command(flatten, next_help_heading = "Which flows")]
    filter: Filter,
    #[command(flatten)]
    agent: Agent,
}

/// What `get` can show.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum What {
    /// Service ports
    #[value(alias = "service", alias = "svc")]
    Services,
    /// Endpoints, whether each is used, and why
    #[value(alias = "endpoint", alias = "ep")]
    Endpoints,
    /// What can be dialled, as the kernel has it
    #[value(alias = "frontend", alias = "fe")]
    Frontends,
    /// Backend ids, as the kernel has them
    #[value(alias = "backend", alias = "be")]
    Backends,
    /// Flows, as the kernel has them
    #[value(alias = "flow")]
    Flows,
    /// Devices, their hooks, and why these
    #[value(alias = "device", alias = "dev")]
    Devices,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    if args.watch && args.what == What::Flows {
        return Err(Failure::Usage(
            "flows cannot be watched: see `tidegate monitor` for new ones".to_owned(),
        ));
    }
    if args.what != What::Flows && !args.filter.is_empty() {
        return Err(Failure::Usage(
            "filters are for flows: name Services, addresses or devices instead".to_owned(),
        ));
    }
    let path = match args.what {
        What::Services => "/v1/serviceports".to_owned(),
        What::Endpoints => "/v1/endpoints".to_owned(),
        What::Frontends => "/v1/frontends".to_owned(),
        What::Backends => "/v1/backends".to_owned(),
        What::Flows => flows(&args)?,
        What::Devices => "/v1/devices".to_owned(),
    };
    let runtime = crate::runtime()?;
    match args.what {
        What::Services => runtime.block_on(list::<ServiceRow>(&path, &args)),
        What::Endpoints => runtime.block_on(list::<EndpointRow>(&path, &args)),
        What::Frontends => runtime.block_on(list::<FrontendRow>(&path, &args)),
        What::Backends => runtime.block_on(list::<BackendRow>(&path, &args)),
        What::Flows => runtime.block_on(list::<FlowRow>(&path, &args)),
        What::Devices => runtime.block_on(list::<DeviceRow>(&path, &args)),
    }
}

/// The agent filters before it counts to the limit.
fn flows(args: &Args) -> Result<String, Failure> {
    let mut query = args.filter.query()?;
    query.push(format!("limit={}", args.limit));
    let says = |name: &str| query.iter().any(|part| part.starts_with(name));
    let (has_namespace, has_service) = (says("namespace="), says("service="));
    if let Some(namespace) = args.namespace.as_ref().filter(|_| !has_namespace) {
        let (namespace, _) = named("any", Some(namespace))?;
        query.push(format!("namespace={namespace}"));
    }
    if let ([name], false) = (args.names.as_slice(), has_service) {
        let (_, name) = named(name.rsplit('/').next().unwrap_or(name), None)?;
        query.push(format!("service={name}"));
    }
    Ok(format!("/v1/flows?{}", query.join("&")))
}

async fn list<T: Listed>(path: &str, args: &Args) -> Result<(), Failure> {
    let wanted = Wanted::of(args)?;
    let rows = wanted.ask::<T>(&args.agent.api, path).await?;
    if args.watch {
        return watch::follow(&args.agent.api, path, args.output, &wanted, rows).await;
    }
    let found = wanted.all_found(&rows);
    if rows.is_empty() {
        found?;
        return print(args, List { items: rows });
    }
    // What is there is shown, as kubectl does.
    print(args, List { items: rows })?;
    found
}

fn print<T: Listed>(args: &Args, list: List<T>) -> Result<(), Failure> {
    show::print(&match args.output {
        Output::Table => show::render(&list.items, false, show::screen()),
        Output::Wide => show::render(&list.items, true, show::screen()),
        Output::Json => show::json(&list)?,
        Output::Yaml => show::yaml(&list)?,
    })
}

/// Which rows are asked for.
#[derive(Debug, Default)]
struct Wanted {
    namespace: Option<String>,
    /// Each with its own namespace, if one was said; empty: all.
    names: Vec<(Option<String>, String)>,
}

impl Wanted {
    fn of(args: &Args) -> Result<Self, Failure> {
        let mut names = Vec::new();
        for name in &args.names {
            match (name.split_once('/'), &args.namespace) {
                (None, _) => names.push((None, name.clone())),
                (Some((namespace, _)), Some(said)) if namespace != said => {
                    return Err(Failure::Usage(format!(
                        "{name} is not in namespace {said}: say one of the two"
                    )));
                }
                (Some((namespace, name)), _) => {
                    names.push((Some(namespace.to_owned()), name.to_owned()));
                }
            }
        }
        Ok(Self {
            namespace: args.namespace.clone(),
            names,
        })
    }

    async fn ask<T: Listed>(&self, socket: &Path, path: &str) -> Result<Vec<T>, Failure> {
        let mut list: List<T> = client::get(socket, path).await?;
        list.items.retain(|row| self.has(row));
        Ok(list.items)
    }

    fn has<T: Listed>(&self, row: &T) -> bool {
        let is_in = |wanted: &Option<String>| match (wanted, row.namespace()) {
            (Some(wanted), Some(namespace)) => wanted == namespace,
            _ => true,
        };
        is_in(&self.namespace)
            && (self.names.is_empty()
                || self
                    .names
                    .iter()
                    .any(|(namespace, name)| is_in(namespace) && row.is_called(name)))
    }

    /// Who names something that is not there should hear of it.
    fn all_found<T: Listed>(&self, rows: &[T]) -> Result<(), Failure> {
        for (namespace, name) in &self.names {
            let one = Self {
                namespace: None,
                names: vec![(namespace.clone(), name.clone())],
            };
            if !rows.iter().any(|row| one.has(row)) {
                let place = namespace.as_ref().or(self.namespace.as_ref());
                let slash = place.map(|place| format!("{place}/")).unwrap_or_default();
                return Err(anyhow::anyhow!("{slash}{name}: nothing found").into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(namespace: &str, name: &str) -> ServiceRow {
        ServiceRow {
            namespace: namespace.into(),
            name: name.into(),
            ..ServiceRow::default()
        }
    }

    fn wanted(namespace: Option<&str>, names: &[(Option<&str>, &str)]) -> Wanted {
        Wanted {
            namespace: namespace.map(str::to_owned),
            names: names
                .iter()
                .map(|(namespace, name)| (namespace.map(str::to_owned), (*name).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn a_name_with_a_namespace_means_one_service_and_one_without_means_all_of_that_name() {
        let (web, other) = (row("default", "web"), row("shop", "web"));
        let one = wanted(None, &[(Some("shop"), "web")]);
        assert!(!one.has(&web) && one.has(&other));
        let both = wanted(None, &[(None, "web")]);
        assert!(both.has(&web) && both.has(&other));
        let filtered = wanted(Some("default"), &[(None, "web")]);
        assert!(filtered.has(&web) && !filtered.has(&other));
        assert!(!filtered.has(&row("default", "webs")));
    }

    #[test]
    fn a_name_that_nothing_has_is_a_failure_that_names_it() {
        let failure = wanted(Some("shop"), &[(None, "nosuch")])
            .all_found(&[row("shop", "web")])
            .unwrap_err();
        assert_eq!(failure.to_string(), "shop/nosuch: nothing found");
    }
}

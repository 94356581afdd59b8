//! Carries a change out: disk, view, maps; all of it or nothing.

use std::{
    collections::HashSet,
    io,
    time::{Duration, Instant},
};

use tidegate_api::Cause;
use tidegate_control::{ObjectKey, manifest::Parsed};
use tokio::{sync::oneshot, time::timeout};

use super::{
    Objects, document,
    input::{self, Item},
    journal::{Journal, Transaction},
    key,
    plan::{self, Known, Plan},
    view::Stored,
};
use crate::sources::{Batch, Change, Source};

/// How long the maps are waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is to be done with the objects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum What {
    /// They are the whole state: all others go.
    Snapshot,
    /// Store them, whether they are there or not.
    Apply,
    /// Store one that must not be there.
    Create,
    /// Store one in the place of what is there; its version must be the newest, if it has one.
    Replace,
    /// Remove them.
    Delete {
        /// Those that are not there are no fault.
        ignores_missing: bool,
    },
}

/// What somebody asks for.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) what: What,
    pub(crate) items: Vec<Item>,
    /// Only say what it would do.
    pub(crate) is_dry: bool,
    pub(crate) unknown: Unknown,
}

/// What becomes of unknown fields, in Kubernetes' words (`fieldValidation`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Unknown {
    /// They are told, and left out.
    #[default]
    Warn,
    /// They are a reason to refuse.
    Strict,
    /// They are left out, and nobody is told.
    Ignore,
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) created: Vec<ObjectKey>,
    pub(crate) changed: Vec<ObjectKey>,
    pub(crate) deleted: Vec<ObjectKey>,
    pub(crate) unchanged: usize,
    pub(crate) warnings: Vec<String>,
    pub(crate) applied: Applied,
}

/// Whether the maps have it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Applied {
    #[default]
    Yes,
    /// It was only asked what would be done.
    Dry,
    /// It is stored, and the maps will have it; why they do not yet.
    NotYet(String),
}

/// Why nothing was changed.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    Invalid(Vec<Cause>),
    NotFound(Vec<ObjectKey>),
    AlreadyExists(ObjectKey),
    Conflict(String),
    /// The disk is full.
    NoRoom(String),
    /// The disk does not take it.
    Disk(String),
    Stopping,
}

pub(super) type Waiting = oneshot::Receiver<Result<(), String>>;

impl Refusal {
    /// Objects that belong to other sources, one line each.
    pub(super) fn taken(lines: Vec<String>) -> Option<Self> {
        (!lines.is_empty()).then(|| Self::Conflict(lines.join("; ")))
    }
}

impl Objects {
    /// Changes the store, and waits for the maps.
    pub(crate) async fn write(&self, order: Order) -> Result<Outcome, Refusal> {
        let this = self.clone();
        // Not ended when whoever asked goes away: what was begun is done as a whole.
        let task = tokio::task::spawn_blocking(move || this.commit(order));
        let (mut outcome, waiting) = match task.await {
            Ok(result) => result?,
            Err(_ended) => return Err(Refusal::Stopping),
        };
        if let Some(waiting) = waiting {
            outcome.applied = self.applied(waiting).await;
        }
        Ok(outcome)
    }

    pub(super) fn commit(&self, mut order: Order) -> Result<(Outcome, Option<Waiting>), Refusal> {
        let is_dry = order.is_dry;
        let (incoming, warnings) = self.read(&mut order)?;
        let mut journal = self.0.journal.blocking_lock();
        let plan = self.plan(order, incoming)?;
        let mut outcome = Outcome::of(&plan, warnings);
        if is_dry {
            outcome.applied = Applied::Dry;
            return Ok((outcome, None));
        }
        if plan.puts.is_empty() && plan.deletes.is_empty() {
            return Ok((outcome, None));
        }
        let (done, waiting) = oneshot::channel();
        let mut batch = self.store(&mut journal, plan)?;
        batch.done = Some(done);
        if self.0.batches.blocking_send(batch).is_err() {
            return Err(Refusal::Stopping);
        }
        self.shorten(&mut journal);
        Ok((outcome, Some(waiting)))
    }

    /// The objects, if each is one that can be stored.
    fn read(&self, order: &mut Order) -> Result<(Vec<input::Incoming>, Vec<String>), Refusal> {
        if matches!(order.what, What::Delete { .. }) {
            return Ok((Vec::new(), Vec::new()));
        }
        let checked = input::check(
            std::mem::take(&mut order.items),
            &self.0.node_ports,
            order.unknown,
        );
        if checked.refused.is_empty() {
            Ok((checked.objects, checked.warnings))
        } else {
            Err(Refusal::Invalid(checked.refused))
        }
    }

    fn plan(&self, order: Order, incoming: Vec<input::Incoming>) -> Result<Plan, Refusal> {
        if let What::Delete { ignores_missing } = order.what {
            let keys = input::keys(order.items).map_err(Refusal::Invalid)?;
            return plan::delete(&self.view(), keys, ignores_missing);
        }
        let is_all = order.what == What::Snapshot;
        let named: HashSet<ObjectKey> = incoming.iter().map(|it| it.key.clone()).collect();
        let (known, stored) = {
            let view = self.view();
            let known = incoming.into_iter().map(|incoming| {
                let known = Known::of(&view, &incoming.key);
                (incoming, known)
            });
            // All keys are asked for by who replaces everything, and by nobody else.
            let stored = is_all.then(|| view.stored_keys());
            (known.collect(), stored)
        };
        // The view is free meanwhile: a large body takes its time.
        let mut plan = plan::put(order.what, known)?;
        if let Some(stored) = stored {
            plan::replace_all(&mut plan, &named, stored);
        }
        Ok(plan)
    }

    /// Disk first, then the view. What the loop must hear is returned.
    fn store(&self, journal: &mut Journal, plan: Plan) -> Result<Batch, Refusal> {
        let base = self.view().version();
        let mut transaction = Transaction::default();
        let mut changes = Vec::new();
        let mut stored = Vec::new();
        for (put, number) in plan.puts.into_iter().zip(1..) {
            let mut incoming = put.incoming;
            let before = put.before.as_ref().map(|it| document::parse(&it.json));
            document::complete(&mut incoming.value, before.as_ref());
            let json = incoming.value.to_string();
            let first = put.before.map_or(base + number, |before| before.first);
            transaction.put(first, &key::text(&incoming.key), &json);
            let file = key::file(&incoming.key);
            let mut object = incoming.object;
            object.origin.file = file.as_str().into();
            object.created = document::created(&incoming.value);
            let mut problems = incoming.problems;
            for problem in &mut problems {
                problem.file.clone_from(&file);
            }
            let parsed = Parsed {
                objects: vec![object],
                problems,
                ..Parsed::default()
            };
            changes.push(Change::Parsed { file, parsed });
            stored.push((
                incoming.key,
                Some(Stored::new(first, json)),
                put.keeps_numbers,
            ));
        }
        for key in plan.deletes {
            transaction.delete(&key::text(&key));
            changes.push(Change::Gone {
                file: key::file(&key),
            });
            stored.push((key, None, false));
        }
        let version = base + stored.len() as u64;
        let appended = journal.append(transaction, version);
        appended.map_err(|error| failed(journal, &error))?;
        let mut view = self.view();
        for (key, object, keeps_numbers) in stored {
            view.store(key, object, keeps_numbers);
        }
        self.0.newest.send_replace(view.version());
        Ok(Batch {
            source: Source::Api,
            changes,
            heard: Instant::now(),
            ..Batch::default()
        })
    }

    fn shorten(&self, journal: &mut Journal) {
        if !journal.is_long() {
            return;
        }
        let (version, stored) = {
            let view = self.view();
            (view.version(), view.stored())
        };
        let mut transaction = Transaction::default();
        for (key, stored) in stored {
            transaction.put(stored.first, &key::text(&key), &stored.json);
        }
        if let Err(error) = journal.rewrite(transaction, version) {
            let path = journal.path();
            tracing::warn!(
                "{} stays long: it cannot be written anew: {error}",
                path.display()
            );
        }
    }

    async fn applied(&self, waiting: Waiting) -> Applied {
        let why = match timeout(PATIENCE, waiting).await {
            Ok(Ok(Ok(()))) => return Applied::Yes,
            Ok(Ok(Err(reason))) => format!("a write to the maps failed, and is tried again: {reason}"),
            Ok(Err(_dropped)) => "the agent is stopping".to_owned(),
            Err(_late) if !self.view().is_published() => {
                "other sources (manifests, the Kubernetes API) have not told everything once; until then \
                 nothing is changed in the maps"
                    .to_owned()
            }
            Err(_late) => format!(
                "the maps do not have it after {} s; `tidegate status` says why",
                PATIENCE.as_secs()
            ),
        };
        Applied::NotYet(why)
    }
}

impl Outcome {
    fn of(plan: &Plan, warnings: Vec<String>) -> Self {
        let keys = |is_new: bool| {
            let puts = plan.puts.iter();
            let puts = puts.filter(move |put| put.before.is_none() == is_new);
            puts.map(|put| put.incoming.key.clone()).collect()
        };
        Self {
            created: keys(true),
            changed: keys(false),
            deleted: plan.deletes.clone(),
            unchanged: plan.unchanged,
            warnings,
            applied: Applied::Yes,
        }
    }
}

fn failed(journal: &Journal, error: &io::Error) -> Refusal {
    let path = journal.path();
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Refusal::NoRoom(format!(
            "nothing is changed: no room to store it in {shown}: {error}: make room, and try again"
        )),
        _ => Refusal::Disk(format!(
            "nothing is changed: it cannot be stored in {shown}: {error}: make --state-dir writable"
        )),
    }
}

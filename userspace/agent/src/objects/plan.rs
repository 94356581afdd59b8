//! What a change would do to the store, found out before anything is done.

use std::{collections::HashSet, sync::Arc};

use serde_json::Value;
use tidegate_control::{Body, ObjectKey};

use super::{
    document,
    input::Incoming,
    view::{Shown, Stored, View},
    write::{Refusal, What},
};

/// What is to be done, in this order.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) puts: Vec<Put>,
    pub(super) deletes: Vec<ObjectKey>,
    pub(super) unchanged: usize,
}

/// An object that is new or other than before.
#[derive(Debug)]
pub(super) struct Put {
    pub(super) incoming: Incoming,
    /// What it replaces.
    pub(super) before: Option<Arc<Stored>>,
    /// Nothing is asked for but what the one before asked for.
    pub(super) keeps_numbers: bool,
}

/// What the view knows of an object that is to be stored.
#[derive(Debug)]
pub(super) struct Known {
    stored: Option<Arc<Stored>>,
    shown: Option<Shown>,
}

impl Known {
    pub(super) fn of(view: &View, key: &ObjectKey) -> Self {
        Self {
            stored: view.stored_at(key).cloned(),
            shown: view.get(key),
        }
    }
}

/// Plans to store the objects.
pub(super) fn put(what: What, all: Vec<(Incoming, Known)>) -> Result<Plan, Refusal> {
    let mut plan = Plan::default();
    let mut taken = Vec::new();
    for (mut incoming, known) in all {
        if let Some(source) = known.shown.as_ref().and_then(Shown::foreign) {
            taken.push(belongs_elsewhere(&incoming.key, source));
            continue;
        }
        let single = matches!(what, What::Create | What::Replace);
        if single {
            check_single(what, &incoming, &known)?;
        }
        let Some(stored) = known.stored else {
            plan.puts.push(Put {
                incoming,
                before: None,
                keeps_numbers: false,
            });
            continue;
        };
        let before = document::parse(&stored.json);
        let shown = known.shown.map(|shown| shown.render()).unwrap_or_default();
        document::complete(&mut incoming.value, Some(&before));
        if incoming.value == before || is_as_shown(&incoming, &shown) {
            plan.unchanged += 1;
            continue;
        }
        if document::forget_given(&mut incoming.value, &shown, &before)
            && let Body::Service(service) = &mut incoming.object.body
            && let Some(status) = &mut service.status
        {
            status.load_balancer = None;
        }
        let keeps_numbers = incoming.value.get("spec") == before.get("spec");
        plan.puts.push(Put {
            incoming,
            before: Some(stored),
            keeps_numbers,
        });
    }
    match Refusal::taken(taken) {
        Some(refusal) => Err(refusal),
        None => Ok(plan),
    }
}

/// Plans to store these objects and to remove all others.
pub(super) fn replace_all(plan: &mut Plan, named: &HashSet<ObjectKey>, stored: Vec<ObjectKey>) {
    plan.deletes = stored
        .into_iter()
        .filter(|key| !named.contains(key))
        .collect();
}

/// Plans to remove the objects.
pub(super) fn delete(
    view: &View,
    keys: Vec<ObjectKey>,
    ignores_missing: bool,
) -> Result<Plan, Refusal> {
    let mut missing = Vec::new();
    let mut taken = Vec::new();
    let mut plan = Plan::default();
    for key in keys {
        if view.stored_at(&key).is_some() {
            plan.deletes.push(key);
        } else if let Some(source) = view.get(&key).as_ref().and_then(Shown::foreign) {
            taken.push(belongs_elsewhere(&key, source));
        } else {
            missing.push(key);
        }
    }
    if let Some(refusal) = Refusal::taken(taken) {
        return Err(refusal);
    }
    if missing.is_empty() || ignores_missing {
        plan.unchanged = missing.len();
        return Ok(plan);
    }
    Err(Refusal::NotFound(missing))
}

fn check_single(what: What, incoming: &Incoming, known: &Known) -> Result<(), Refusal> {
    let key = &incoming.key;
    let Some(shown) = &known.shown else {
        return match &incoming.resource_version {
            Some(_) if what == What::Replace => Err(Refusal::NotFound(vec![key.clone()])),
            _ => Ok(()),
        };
    };
    if what == What::Create {
        return Err(Refusal::AlreadyExists(key.clone()));
    }
    let version = shown.version().to_string();
    if let Some(said) = &incoming.resource_version
        && *said != version
    {
        return Err(Refusal::Conflict(format!(
            "{key}: resourceVersion {said} is not the newest, which is {version}: get the object again, and \
             apply the change to that"
        )));
    }
    let uid = document::metadata(&incoming.value, "uid");
    let stored = known.stored.as_ref().map(|it| document::parse(&it.json));
    let is_uid = stored.as_ref().and_then(|it| document::metadata(it, "uid"));
    if uid.is_some() && uid != is_uid {
        return Err(Refusal::Conflict(format!(
            "{key}: metadata.uid is not that of the object that is here: it was deleted and made anew"
        )));
    }
    Ok(())
}

fn belongs_elsewhere(key: &ObjectKey, source: &str) -> String {
    format!("{key} comes from {source}: change it there")
}

/// Whether somebody writes back what was shown, numbers included.
fn is_as_shown(incoming: &Incoming, shown: &Value) -> bool {
    let mut shown = shown.clone();
    document::clean(&mut shown, &incoming.key);
    incoming.value == shown
}

//! Following the view: what is there, then what happens to it.

use tidegate_control::{Kind, ObjectKey};
use tokio::sync::watch;

use serde_json::{Value, json};

use super::{
    Objects,
    view::{Happened, News},
};

/// Changes that are taken at once, so that the view is never held for long.
const AT_ONCE: usize = 256;

/// One who watches. It holds nothing up: who is too slow finds that changes are forgotten.
#[derive(Debug)]
pub(crate) struct Watch {
    objects: Objects,
    scope: Scope,
    /// The last version that was told.
    version: u64,
    newest: watch::Receiver<u64>,
}

/// Which objects are meant.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) kind: Kind,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
}

/// Some changes are forgotten already: list anew.
#[derive(Debug)]
pub(crate) struct Expired;

impl Scope {
    fn has(&self, key: &ObjectKey) -> bool {
        let is =
            |wanted: &Option<String>, it: &str| wanted.as_deref().is_none_or(|wanted| wanted == it);
        key.kind == self.kind && is(&self.namespace, &key.namespace) && is(&self.name, &key.name)
    }
}

impl Objects {
    /// Watches from a version on; without one, what is there now is told first.
    pub(crate) fn watch(
        &self,
        scope: Scope,
        from: Option<u64>,
    ) -> Result<(Watch, Vec<Value>), Expired> {
        let newest = self.0.newest.subscribe();
        let (version, first) = match from {
            Some(version) => {
                self.view().since(version, 0).ok_or(Expired)?;
                (version, Vec::new())
            }
            None => {
                let (version, items) = self.list(scope.kind, scope.namespace.as_deref());
                let is_meant = |item: &Value| {
                    let name = item.pointer("/metadata/name").and_then(Value::as_str);
                    scope.name.is_none() || name == scope.name.as_deref()
                };
                let items = items.into_iter().filter(is_meant);
                (version, items.map(|item| event("ADDED", item)).collect())
            }
        };
        let watch = Watch {
            objects: self.clone(),
            scope,
            version,
            newest,
        };
        Ok((watch, first))
    }
}

impl Watch {
    /// The next changes; waits for some. `None`: the agent is stopping.
    pub(crate) async fn next(&mut self) -> Option<Result<Vec<Value>, Expired>> {
        loop {
            self.newest.borrow_and_update();
            let news = self.objects.view().since(self.version, AT_ONCE);
            let Some(news) = news else {
                return Some(Err(Expired));
            };
            let Some(last) = news.last() else {
                self.newest.changed().await.ok()?;
                continue;
            };
            self.version = last.version;
            let meant = news.iter().filter(|news| self.scope.has(&news.key));
            let events: Vec<Value> = meant.map(tell).collect();
            if !events.is_empty() {
                return Some(Ok(events));
            }
        }
    }

    /// Where it stands, for who asks for bookmarks.
    pub(crate) fn bookmark(&self) -> Value {
        let (api_version, kind) = (self.scope.kind.api_version(), self.scope.kind.name());
        let metadata = json!({"resourceVersion": self.version.to_string()});
        event(
            "BOOKMARK",
            json!({"apiVersion": api_version, "kind": kind, "metadata": metadata}),
        )
    }
}

fn tell(news: &News) -> Value {
    let happened = match news.happened {
        Happened::Added => "ADDED",
        Happened::Modified => "MODIFIED",
        Happened::Deleted => "DELETED",
    };
    event(happened, news.shown.render())
}

pub(crate) fn event(kind: &str, object: Value) -> Value {
    json!({"type": kind, "object": object})
}

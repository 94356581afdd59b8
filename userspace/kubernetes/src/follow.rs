//! One resource: list, then watch, then go on from the last version that was seen.
//!
//! A list costs the server most, so it is asked for only at the start, when the server says that our
//! version has expired, and when a watch is refused again and again. Waits grow until a watch has
//! told something or has lasted a while; a list that succeeds does not count as that.

use std::time::Duration;

use kube::Client;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    Options, Server, Timing,
    item::Item,
    pause::{Pause, spread},
    request::{self, Event, Freshness, Query},
    resource::{Resource, version},
    trouble::{Trouble, chain},
};

/// After so many answers that refuse to go on from a version the version itself is not trusted.
const PATIENCE: u32 = 5;
/// A failure that is over with the next try is nobody's business.
const WORTH_TELLING: u32 = 2;
/// After so many, some minutes, what is not there or not ours to see has been taken away from us. Before that a server may
/// only have started, or be an old one beside a new one.
const LASTING: u32 = 10;

/// News of one resource.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) resource: Resource,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    /// All there is, and nothing else.
    Listed(Vec<Item>),
    Changed(Item),
    /// By what it is called.
    Gone(String),
    /// There is nothing to be had; with a problem if that is a fault.
    Absent(Option<Problem>),
    /// What is wrong; none: nothing any more.
    Trouble(Option<Problem>),
}

/// Why a resource cannot be read, and what that means.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Problem {
    pub(crate) reason: String,
    pub(crate) meaning: &'static str,
}

/// Why a follower stops doing what it does.
enum Stop {
    Trouble(Trouble),
    /// Nobody listens.
    Unheard,
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// Follows a resource until nobody listens.
pub(crate) async fn follow(resource: Resource, options: Options, out: mpsc::Sender<Heard>) {
    let mut follower = Follower {
        query: Query {
            resource,
            node_name: options.node_name,
            answer: options.timing.answer,
        },
        pause: Pause::new(&options.timing),
        timing: options.timing,
        server: options.server,
        out,
        client: None,
        version: None,
        has_listed: false,
        freshness: Freshness::Any,
        is_paged: true,
        failures: 0,
        refusals: 0,
        has_told: false,
    };
    loop {
        let outcome = match follower.version.clone() {
            None => follower.list().await,
            Some(version) => follower.watch(&version).await,
        };
        let outcome = match outcome {
            Err(Stop::Trouble(trouble)) => follower.recover(trouble).await,
            other => other,
        };
        if outcome.is_err() {
            return;
        }
    }
}

struct Follower {
    query: Query,
    timing: Timing,
    server: Server,
    out: mpsc::Sender<Heard>,
    /// None after a failure: then everything it is made of is read again.
    client: Option<Client>,
    /// The version up to which everything is known; none: list.
    version: Option<String>,
    /// What it was at some version is known.
    has_listed: bool,
    freshness: Freshness,
    is_paged: bool,
    pause: Pause,
    failures: u32,
    /// Answers in a row that refused to go on from the version.
    refusals: u32,
    has_told: bool,
}

impl Follower {
    async fn list(&mut self) -> Result<(), Stop> {
        let client = self.client().await?;
        let mut items: Vec<Item> = Vec::new();
        let mut next: Option<String> = None;
        let version = loop {
            let from = (next.as_deref(), self.is_paged);
            let page = match request::list(&client, &self.query, self.freshness, from).await {
                // The pages are gone before we have read them: all at once then, once.
                Err(Trouble::Expired) if next.is_some() => {
                    self.is_paged = false;
                    (items, next) = (Vec::new(), None);
                    continue;
                }
                other => other?,
            };
            items.extend(page.items);
            next = page.next;
            if next.is_none() {
                break page.version;
            }
        };
        self.is_paged = true;
        if version.is_none() {
            return Err(Trouble::broken("the list has no resourceVersion").into());
        }
        self.version = version;
        self.has_listed = true;
        self.refusals = 0;
        self.tell(What::Listed(items)).await?;
        self.well().await
    }

    async fn watch(&mut self, version: &str) -> Result<(), Stop> {
        let client = self.client().await?;
        let lasts = spread(self.timing.watch);
        let mut watch = request::watch(&client, &self.query, version, lasts).await?;
        let steady = Instant::now() + self.timing.steady.min(lasts / 2);
        let out = self.out.clone();
        let mut has_worked = false;
        loop {
            let is_over = tokio::select! {
                event = watch.next() => match event? {
                    Some(event) => {
                        self.take(event).await?;
                        false
                    }
                    None => true,
                },
                () = sleep_until(steady), if !has_worked => false,
                () = out.closed() => return Err(Stop::Unheard),
            };
            match (is_over, has_worked) {
                (false, true) => {}
                (false, false) => {
                    has_worked = true;
                    self.refusals = 0;
                    self.pause.reset();
                    self.well().await?;
                }
                (true, true) => return Ok(()),
                // Going on at once would ask again and again.
                (true, false) => {
                    let text = "the server ends watches as soon as they are opened";
                    return Err(Trouble::broken(text).into());
                }
            }
        }
    }

    async fn take(&mut self, event: Event) -> Result<(), Stop> {
        let resource = self.query.resource;
        let (Event::Changed(object) | Event::Gone(object) | Event::Bookmark(object)) = &event;
        let Some(seen) = version(object) else {
            // From here nobody could go on.
            self.version = None;
            return Err(Trouble::broken("an event has no resourceVersion").into());
        };
        self.version = Some(seen.to_owned());
        match event {
            Event::Changed(object) => {
                let item = Item::of(resource, object, &self.query.node_name);
                self.tell_some(item.map(What::Changed)).await
            }
            Event::Gone(object) => self.tell_some(resource.file(&object).map(What::Gone)).await,
            Event::Bookmark(_) => Ok(()),
        }
    }

    /// Does what helps against the trouble, and waits.
    async fn recover(&mut self, trouble: Trouble) -> Result<(), Stop> {
        let resource = self.query.resource;
        tracing::debug!("{}: {}", resource.name(), trouble.text());
        // Tokens, certificates and addresses may be others by now.
        self.client = None;
        self.failures = self.failures.saturating_add(1);
        let mut asked = Duration::ZERO;
        match &trouble {
            Trouble::Expired => self.relist(),
            Trouble::Missing | Trouble::Forbidden(_)
                if !resource.is_needed() && (!self.has_listed || self.failures > LASTING) =>
            {
                return self.without(&trouble).await;
            }
            Trouble::Refused(_, after) => {
                asked = *after;
                self.refused();
            }
            Trouble::Missing | Trouble::Forbidden(_) => self.refused(),
            Trouble::Broken(_) => {}
        }
        let is_first = self.version.is_none() && trouble != Trouble::Expired;
        if is_first || self.failures >= WORTH_TELLING {
            self.has_told = true;
            let problem = self.problem(&trouble);
            self.tell(What::Trouble(Some(problem))).await?;
        }
        let time = self.pause.next(asked);
        self.wait(time).await
    }

    /// Nothing older than what we know may come back.
    fn relist(&mut self) {
        self.version = None;
        self.freshness = Freshness::Newest;
    }

    fn refused(&mut self) {
        self.refusals += 1;
        if self.version.is_some() && self.refusals >= PATIENCE {
            self.relist();
        }
        // Caches that are not filled yet refuse what the store behind them can answer.
        if self.version.is_none() {
            self.freshness = Freshness::Newest;
        }
    }

    /// Goes on without the resource, and looks again much later.
    async fn without(&mut self, trouble: &Trouble) -> Result<(), Stop> {
        let problem = matches!(trouble, Trouble::Forbidden(_)).then(|| self.problem(trouble));
        (self.version, self.has_listed) = (None, false);
        self.has_told = problem.is_some();
        self.tell(What::Absent(problem)).await?;
        self.wait(spread(self.timing.absent)).await
    }

    /// A wait that ends early when nobody listens any more.
    async fn wait(&self, time: Duration) -> Result<(), Stop> {
        tokio::select! {
            () = sleep(time) => Ok(()),
            () = self.out.closed() => Err(Stop::Unheard),
        }
    }

    async fn well(&mut self) -> Result<(), Stop> {
        self.failures = 0;
        if std::mem::take(&mut self.has_told) {
            self.tell(What::Trouble(None)).await?;
        }
        Ok(())
    }

    fn problem(&self, trouble: &Trouble) -> Problem {
        let meaning = match trouble {
            Trouble::Forbidden(_) => "grant list and watch",
            _ if self.has_listed => "what was known stays",
            _ => "what the maps hold stays",
        };
        Problem {
            reason: trouble.text(),
            meaning,
        }
    }

    async fn client(&mut self) -> Result<Client, Trouble> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let made = self.server.client().await;
        let client = made.map_err(|error| Trouble::Broken(chain(error.as_ref())))?;
        Ok(self.client.insert(client).clone())
    }

    /// What has no name is nothing that anybody could be told of.
    async fn tell_some(&self, what: Option<What>) -> Result<(), Stop> {
        match what {
            Some(what) => self.tell(what).await,
            None => Ok(()),
        }
    }

    async fn tell(&self, what: What) -> Result<(), Stop> {
        let heard = Heard {
            resource: self.query.resource,
            what,
        };
        self.out.send(heard).await.map_err(|_closed| Stop::Unheard)
    }
}

//! Services, EndpointSlices, this Node and the service ranges from a Kubernetes API server: list, then watch.
//!
//! The way of an object, and the order of the modules:
//!
//! ```text
//! access ─▶ request ─▶ follow (one task a resource) ─▶ known ─▶ gather ─▶ News
//! client    one list,  list, watch, resume, back off   what is  one batch
//!           one watch                                  new      at a time
//! ```
//!
//! Nothing is told to be gone before Services, EndpointSlices and the Node have been listed completely
//! (rule 5.1.9), and nothing but what the server says takes anything away: while it cannot be reached
//! the last state stays (rule 5.1.10).
//!
//! Not kube's own `watcher`: it reads lists as one type, so that one object it cannot read costs all;
//! it stays with an expired version when the server says so by HTTP status; and it opens a watch that
//! is closed at once again and again without a pause. See decision 16.
#![forbid(unsafe_code)]

mod access;
mod cord;
mod follow;
mod gather;
mod item;
mod known;
mod pause;
mod request;
mod resource;
mod trouble;

use std::time::{Duration, Instant};

use tidegate_control::manifest::Parsed;
use tokio::sync::mpsc;

pub use access::{Access, SERVICE_ACCOUNT, Server};

/// What is followed, and how patiently.
#[derive(Clone, Debug)]
pub struct Options {
    /// The API server.
    pub server: Server,
    /// The Node that is followed.
    pub node_name: String,
    /// How long things may take.
    pub timing: Timing,
}

/// How long things may take. The defaults are for a real cluster.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// The first wait after a failure; it doubles with each failure, and a part of it is chance.
    pub first: Duration,
    /// The longest wait.
    pub most: Duration,
    /// How long the server is asked to keep a watch open; a part of it is chance. At most 290 seconds.
    pub watch: Duration,
    /// A watch that has lasted this long has worked, even if nothing happened.
    pub steady: Duration,
    /// How long an answer may take to begin, and a list to end.
    pub answer: Duration,
    /// How long a resource that the server does not have, or does not show us, is not asked for.
    pub absent: Duration,
    /// How long news are gathered before they are told.
    pub gather: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            most: Duration::from_secs(30),
            watch: Duration::from_secs(290),
            steady: Duration::from_secs(5),
            answer: Duration::from_secs(60),
            absent: Duration::from_secs(600),
            // A Service and its slices come by two ways, at nearly the same time.
            gather: Duration::from_millis(2),
        }
    }
}

/// What is new since the last time.
#[derive(Debug)]
pub struct News {
    /// Objects that came, went or changed; each is a "file" of its own.
    pub changes: Vec<Change>,
    /// Everything that is wrong at this time, one line each.
    pub problems: Vec<String>,
    /// The blocks of all ServiceCIDRs; none where the server has no such objects or does not show them.
    pub service_cidrs: Vec<String>,
    /// Everything has been listed at least once. Until then there are no changes.
    pub is_complete: bool,
    /// When the first of it was heard of.
    pub heard: Instant,
}

/// One object's news.
#[derive(Debug)]
pub enum Change {
    /// The object is new or other than before.
    Put {
        /// What it is called, such as `kubernetes: Service default/web`.
        file: String,
        /// The object.
        parsed: Parsed,
    },
    /// The object is gone.
    Gone {
        /// What it was called.
        file: String,
    },
}

/// Follows the API server until nobody listens. Must be called inside a tokio runtime.
pub fn follow(options: Options) -> mpsc::Receiver<News> {
    // One batch waits while another is worked on; what comes meanwhile is gathered into the next.
    let (out, news) = mpsc::channel(1);
    tokio::spawn(gather::run(options, out));
    news
}

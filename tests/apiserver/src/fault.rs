//! Ways to fail, each of which real servers and networks have.

use std::time::Duration;

use crate::Kind;

/// Which request is to fail.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum On {
    /// A list of this kind.
    List(Kind),
    /// A watch of this kind.
    Watch(Kind),
}

/// How a request fails.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// With this HTTP status, and a time after which to come again.
    Status(u16, Option<u32>),
    /// With this HTTP status, and a text that is no Kubernetes status, as a proxy would.
    Text(u16),
    /// It is answered, but late.
    Slow(Duration),
    /// It is never answered.
    Silent,
    /// The answer breaks off in the middle.
    BreaksOff,
    /// A watch that ends as soon as it is open.
    EndsAtOnce,
    /// A watch with an `ERROR` event of this code.
    ErrorEvent(u16),
    /// A watch with a line that is no JSON.
    Garbage,
    /// A list whose pages expire before the next one is asked for.
    PagesExpire,
}

/// How an open watch ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cut {
    /// As at its timeout: the answer is complete.
    Clean,
    /// The connection is closed.
    Abrupt,
    /// The connection is closed in the middle of a line.
    HalfLine,
}

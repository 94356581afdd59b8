//! A body that breaks off when the client sends too little of it.
//!
//! Whoever holds a connection holds one of few places: a client that begins a body and stops, or sends a byte now
//! and then, would keep others out for as long as it likes.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// The least that must come in a second on average, after the first while: much less than any program sends.
const BYTES_PER_SECOND: u64 = 64 << 10;

/// A request's body, with a deadline that moves on as it comes.
pub(super) struct Patient {
    body: Incoming,
    /// Without any progress.
    limit: Duration,
    begun: Instant,
    received: u64,
    deadline: Pin<Box<Sleep>>,
}

impl Patient {
    pub(super) fn new(body: Incoming, limit: Duration) -> Self {
        let begun = Instant::now();
        Self {
            body,
            limit,
            begun,
            received: 0,
            deadline: Box::pin(sleep_until(begun + limit)),
        }
    }

    /// Not later than a while after the last piece, nor than all that has come may take.
    fn move_deadline(&mut self, length: usize) {
        self.received = self.received.saturating_add(length as u64);
        let earned = Duration::from_millis(self.received.saturating_mul(1000) / BYTES_PER_SECOND);
        let deadline = Instant::now().min(self.begun + earned) + self.limit;
        self.deadline.as_mut().reset(deadline);
    }
}

impl Body for Patient {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            if let Some(data) = frame
                .as_ref()
                .and_then(|frame| frame.as_ref().ok()?.data_ref())
            {
                let length = data.len();
                self.move_deadline(length);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Broken::Connection)));
        }
        ready!(self.deadline.as_mut().poll(context));
        Poll::Ready(Some(Err(Broken::Slow {
            received: self.received,
            waited: self.begun.elapsed(),
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Why there is no more of a body.
#[derive(Debug)]
pub(super) enum Broken {
    /// Too little has come in this time.
    Slow { received: u64, waited: Duration },
    /// The client went away, or does not speak HTTP.
    Connection(hyper::Error),
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slow { received, waited } => write!(
                formatter,
                "the body comes too slowly: {received} bytes in {:.0} s, and no end: send all of it at once",
                waited.as_secs_f64()
            ),
            Self::Connection(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for Broken {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Slow { .. } => None,
            Self::Connection(error) => error.source(),
        }
    }
}

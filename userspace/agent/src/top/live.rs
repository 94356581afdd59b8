//! On a terminal: draws, listens to keys, and asks the agent, until told to end.
//!
//! An agent that goes away is told, and asked again: one looks at `top` while things are restarted.

use std::{io, path::PathBuf, thread};

use anyhow::Context as _;
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event},
};
use tidegate_api::{TrafficReport, client};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    time::{Duration, timeout},
};

use super::{
    keys::{self, Next},
    state::State,
    view,
};
use crate::failure::Failure;

/// Keys and answers that wait to be seen.
const WAITING: usize = 64;

/// Shows the state until somebody ends it; the terminal is as before, then, also after a panic.
pub(crate) async fn run(state: State, socket: PathBuf) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot handle signals")?;
    let mut hangup = signal(SignalKind::hangup()).context("cannot handle signals")?;
    let mut terminal = ratatui::try_init().context("cannot use this terminal")?;
    let outcome = tokio::select! {
        outcome = show(state, socket, &mut terminal) => outcome,
        _ = terminate.recv() => Ok(()),
        _ = hangup.recv() => Ok(()),
    };
    ratatui::try_restore().context("cannot restore the terminal; `reset` does")?;
    outcome
}

async fn show(
    mut state: State,
    socket: PathBuf,
    terminal: &mut DefaultTerminal,
) -> Result<(), Failure> {
    state.is_live = true;
    let mut keys = keys()?;
    let (wish, wanted) = watch::channel(state.wanted());
    let (answers_in, mut answers) = mpsc::channel(1);
    tokio::spawn(ask(socket, state.interval, wanted, answers_in));
    loop {
        let drawn = terminal.draw(|frame| view::draw(&state, frame.area(), frame.buffer_mut()));
        drawn.context("cannot draw on this terminal")?;
        tokio::select! {
            key = keys.recv() => match key {
                // A new size needs nothing but a new picture.
                Some(Ok(Event::Key(key))) if keys::press(&mut state, key) == Next::End => return Ok(()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(anyhow::anyhow!("cannot read keys: {error}").into()),
                None => return Ok(()),
            },
            answer = answers.recv() => match answer {
                Some(Ok(report)) => state.take(report),
                Some(Err(error)) => state.fail(trouble(&error)),
                None => return Ok(()),
            },
        }
        wish.send_if_modified(|wish| {
            let differs = *wish != state.wanted();
            *wish = state.wanted();
            differs
        });
    }
}

/// Asks at each interval, and at once when other backends are wanted.
async fn ask(
    socket: PathBuf,
    interval: Duration,
    mut wanted: watch::Receiver<Option<u32>>,
    answers: mpsc::Sender<Result<TrafficReport, client::Error>>,
) {
    loop {
        if let Ok(Err(_gone)) = timeout(interval, wanted.changed()).await {
            return;
        }
        let path = path(*wanted.borrow_and_update());
        if answers
            .send(client::get(&socket, &path).await)
            .await
            .is_err()
        {
            return;
        }
    }
}

/// The question for a report with the backends of this service port.
pub(crate) fn path(wanted: Option<u32>) -> String {
    match wanted {
        Some(id) => format!("/v1/traffic?backends={id}"),
        None => "/v1/traffic?backends=none".to_owned(),
    }
}

/// In a thread of its own: reading keys blocks. It ends with the process.
fn keys() -> Result<mpsc::Receiver<io::Result<Event>>, Failure> {
    let (keys_in, keys) = mpsc::channel(WAITING);
    let builder = thread::Builder::new().name("keys".to_owned());
    let started = builder.spawn(move || {
        loop {
            let event = event::read();
            let is_over = event.is_err();
            if keys_in.blocking_send(event).is_err() || is_over {
                return;
            }
        }
    });
    started.context("cannot start a thread")?;
    Ok(keys)
}

fn trouble(error: &client::Error) -> String {
    match error {
        client::Error::NoAgent(_) => "the agent is away; asking again".to_owned(),
        other => other.to_string(),
    }
}

//! One event as a line of text.

use std::net::SocketAddr;

use tidegate_api::{EventLine, EventRow};

use crate::show::{Screen, Tint};

/// Terminals that are as wide show whole lines; on narrower ones a line goes on below, indented.
const WIDE: usize = 120;
/// As wide as most reasons.
const REASON: usize = 19;

/// The line, with its end.
pub(super) fn text(line: &EventLine, screen: Screen) -> String {
    match line {
        EventLine::Lost { lost } => {
            let told = format!(
                "-- {lost} events are missing here: they came faster than they were read --"
            );
            format!("{}\n", screen.paint(&told, Tint::Bad))
        }
        EventLine::Event(event) => of_event(event, screen),
    }
}

fn of_event(event: &EventRow, screen: Screen) -> String {
    let tint = match event.kind.as_str() {
        "new" => Tint::Good,
        "reject" => Tint::Doubtful,
        _ => Tint::Bad,
    };
    let is_wide = screen.width.is_none_or(|width| width >= WIDE);
    let time = time(&event.time, is_wide);
    let indent = time.len() + 1;
    let mut text = screen.paint(time, Tint::Faint);
    text.push(' ');
    text.push_str(&screen.paint(&format!("{:<6}", event.kind), tint));
    let mut used = indent + 6;
    for part in parts(event, is_wide) {
        let length = part.chars().count();
        let is_beyond = screen.width.is_some_and(|width| used + 1 + length > width);
        if is_beyond && used > indent {
            text.push('\n');
            text.push_str(&" ".repeat(indent));
            used = indent;
        } else {
            text.push(' ');
            used += 1;
        }
        text.push_str(&part);
        used += length;
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// What belongs together stays on one line.
fn parts(event: &EventRow, is_wide: bool) -> Vec<String> {
    let mut parts = vec![if is_wide {
        format!("{:<REASON$}", event.reason)
    } else {
        event.reason.clone()
    }];
    if let (Some(proto), Some(client), Some(frontend)) =
        (&event.proto, event.client, event.frontend)
    {
        let (client, frontend) = (address(client, proto), address(frontend, proto));
        parts.push(format!("{proto} {client} -> {frontend}"));
    }
    if let Some(backend) = event.backend {
        parts.push(format!("-> {backend}"));
    }
    if let Some(seen_as) = event.seen_as {
        parts.push(format!("(seen as {seen_as})"));
    }
    parts.extend(service(event));
    parts.push(match &event.device {
        Some(device) => format!("at {device}"),
        None => "at a socket".to_owned(),
    });
    parts
}

/// Without the port, where the protocol has none.
fn address(socket: SocketAddr, proto: &str) -> String {
    if proto.starts_with("ICMP") {
        socket.ip().to_string()
    } else {
        socket.to_string()
    }
}

/// `namespace/name:port`, the port by its name if it has one.
fn service(event: &EventRow) -> Option<String> {
    let (namespace, name) = (event.namespace.as_ref()?, event.service.as_ref()?);
    let port = match event.port_name.as_deref() {
        None | Some("") => event.port?.to_string(),
        Some(port) => port.to_owned(),
    };
    Some(format!("{namespace}/{name}:{port}"))
}

/// Of `2026-11-21T10:15:19.123456Z` what changes while one looks, to the millisecond where room is scarce.
fn time(text: &str, is_wide: bool) -> &str {
    let clock = text.split_once('T').map_or(text, |(_date, clock)| clock);
    let clock = clock.trim_end_matches('Z');
    let milliseconds = "12:34:56.123".len();
    match clock.get(..milliseconds) {
        Some(short) if !is_wide => short,
        _ => clock,
    }
}

#[cfg(test)]
mod tests;

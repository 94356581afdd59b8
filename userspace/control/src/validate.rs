//! Is an object one that Kubernetes itself would take? (rules 1.3.x and 1.5.x)
//!
//! One object at a time; conflicts between objects are found by [`crate::model`]. What cannot hurt is
//! only warned about, so that the rest of the object works (rule 1.1.9).

mod service;
mod name;
mod external;
mod ports;
mod slice;
mod pod;

use std::ops::RangeInclusive;

use tidegate_abi::Proto;

use crate::{
    object::{Body, Object},
    problem::{Problem, Severity},
};

/// What is wrong with a field of an object.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Fault {
    field: String,
    reason: String,
    severity: Severity,
}

/// Checks an object: one error (the first) if it must not be taken, else the warnings.
pub fn check(object: &Object, node_ports: &RangeInclusive<u16>) -> Result<Vec<Problem>, Problem> {
    let mut warnings = Vec::new();
    let outcome = match &object.body {
        Body::Service(service) => service::check(service, node_ports, &mut warnings),
        Body::EndpointSlice(slice) => slice::check(slice, &mut warnings),
        Body::Pod(pod) => pod::check(pod),
        // Whatever a Node says, the worst is that it helps nobody.
        Body::Node(_) => Ok(()),
    };
    let problem =
        |fault: Fault| Problem::with(object, fault.severity, fault.reason).field(fault.field);
    match outcome {
        Ok(()) => Ok(warnings.into_iter().map(problem).collect()),
        // An API server has taken it, by its own rules: newer values, another NodePort range. What
        // remains of it without the fault works.
        Err(fault) if object.settled && is_harmless(&object.body) => Ok(vec![problem(Fault {
            severity: Severity::Note,
            ..fault
        })]),
        Err(fault) => Err(problem(fault)),
    }
}

/// Whether nothing but style can be wrong: a Service or slice that leads to where nobody may be led
/// is refused, whoever took it (rule 1.3.13).
fn is_harmless(body: &Body) -> bool {
    match body {
        Body::Service(service) => service::check_special(service).is_ok(),
        Body::EndpointSlice(slice) => slice::check_addresses(slice).is_ok(),
        Body::Pod(_) | Body::Node(_) => true,
    }
}

/// The protocol of a port; absent means TCP (rules 1.3.4 and 1.5.1).
pub(crate) fn protocol(name: Option<&str>) -> Option<Proto> {
    match name.unwrap_or("TCP") {
        "" | "TCP" => Some(Proto::TCP),
        "UDP" => Some(Proto::UDP),
        "SCTP" => Some(Proto::SCTP),
        _ => None,
    }
}

fn error(field: impl Into<String>, reason: impl Into<String>) -> Fault {
    Fault {
        field: field.into(),
        reason: reason.into(),
        severity: Severity::Error,
    }
}

fn warning(field: impl Into<String>, reason: impl Into<String>) -> Fault {
    Fault {
        field: field.into(),
        reason: reason.into(),
        severity: Severity::Warning,
    }
}

fn check_port(field: impl FnOnce() -> String, number: i32) -> Result<u16, Fault> {
    match u16::try_from(number) {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(error(field(), format!("{number} is not a port (1-65535)"))),
    }
}

fn check_protocol(field: impl FnOnce() -> String, name: Option<&str>) -> Result<Proto, Fault> {
    protocol(name).ok_or_else(|| {
        let name = name.unwrap_or_default();
        error(
            field(),
            format!("{name:?} is not a protocol (TCP, UDP or SCTP)"),
        )
    })
}

/// A field with a closed list of values; absent and empty mean the default.
fn check_choice(field: &str, value: Option<&str>, choices: &[&str]) -> Result<(), Fault> {
    match value {
        None | Some("") => Ok(()),
        Some(value) if choices.contains(&value) => Ok(()),
        Some(value) => Err(error(
            field,
            format!("{value:?} is not one of {}", choices.join(", ")),
        )),
    }
}

/// RFC 1123 label: what a port may be called.
fn is_label(name: &str) -> bool {
    name.len() <= 63
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod type_tests;
#[cfg(test)]
mod input_tests;

//! Rules for an EndpointSlice.

use std::collections::HashSet;

use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::{Fault, check_choice, check_port, check_protocol, error, is_label, warning};
use crate::{address, model::labels};

pub(super) fn check(slice: &EndpointSlice, warnings: &mut Vec<Fault>) -> Result<(), Fault> {
    let kind = slice.address_type.as_str();
    if kind.is_empty() {
        return Err(error("addressType", "is missing (IPv4 or IPv6)"));
    }
    check_choice("addressType", Some(kind), &["IPv4", "IPv6", "FQDN"])?;
    check_sizes(slice)?;
    check_ports(slice)?;
    if kind == "FQDN" {
        warnings.push(warning("addressType", "FQDN endpoints are ignored"));
        return Ok(());
    }
    check_addresses(slice)?;
    let labels = slice.metadata.labels.as_ref();
    if labels
        .and_then(|it| it.get(labels::SERVICE_NAME))
        .is_none_or(String::is_empty)
    {
        // Rule 1.3.2.
        let reason = format!(
            "has no {}: the slice belongs to no Service",
            labels::SERVICE_NAME
        );
        warnings.push(warning("metadata.labels", reason));
    }
    Ok(())
}

/// Rule 1.3.12.
fn check_sizes(slice: &EndpointSlice) -> Result<(), Fault> {
    let endpoints = slice.endpoints.as_deref().unwrap_or_default();
    let ports = slice.ports.as_deref().unwrap_or_default();
    check_size(|| "ports".to_owned(), ports.len(), 20_000)?;
    check_size(|| "endpoints".to_owned(), endpoints.len(), 1000)?;
    for (number, endpoint) in endpoints.iter().enumerate() {
        let field = |name: &str| format!("endpoints[{number}].{name}");
        check_size(|| field("addresses"), endpoint.addresses.len(), 100)?;
        let Some(hints) = &endpoint.hints else {
            continue;
        };
        let zones = hints.for_zones.as_ref().map_or(0, Vec::len);
        let nodes = hints.for_nodes.as_ref().map_or(0, Vec::len);
        check_size(|| field("hints.forZones"), zones, 8)?;
        check_size(|| field("hints.forNodes"), nodes, 8)?;
    }
    Ok(())
}

fn check_size(field: impl FnOnce() -> String, has: usize, most: usize) -> Result<(), Fault> {
    if has <= most {
        return Ok(());
    }
    let reason = format!("has {has} entries; {most} at most are allowed");
    Err(error(field(), reason))
}

/// A port without a number contributes nothing, which is no fault (rule 1.3.4).
fn check_ports(slice: &EndpointSlice) -> Result<(), Fault> {
    let mut names = HashSet::new();
    for (index, port) in slice.ports.iter().flatten().enumerate() {
        let field = |name: &str| format!("ports[{index}].{name}");
        let name = port.name.as_deref().unwrap_or_default();
        if !is_label(name) {
            let reason = format!("{name:?} is not a name (lower case letters, digits and '-')");
            return Err(error(field("name"), reason));
        }
        if !names.insert(name) {
            return Err(error(
                field("name"),
                format!("{name:?} is the name of an earlier port"),
            ));
        }
        check_protocol(|| field("protocol"), port.protocol.as_deref())?;
        if let Some(number) = port.port.filter(|&number| number != 0) {
            check_port(|| field("port"), number)?;
        }
    }
    Ok(())
}

/// An endpoint without addresses is skipped later, which is no fault (rule 1.3.9).
pub(super) fn check_addresses(slice: &EndpointSlice) -> Result<(), Fault> {
    let kind = slice.address_type.as_str();
    if kind == "FQDN" {
        return Ok(());
    }
    for (number, endpoint) in slice.endpoints.iter().flatten().enumerate() {
        for (index, text) in endpoint.addresses.iter().enumerate() {
            let fault = |reason: String| {
                Err(error(
                    format!("endpoints[{number}].addresses[{index}]"),
                    reason,
                ))
            };
            let Some(ip) = address::parse(text) else {
                return fault(format!("{text:?} is not an IP address"));
            };
            if address::family_name(address::family(ip)) != kind {
                return fault(format!("{ip} is not of addressType {kind}"));
            }
            if let Some(what) = address::special(ip) {
                return fault(format!("{ip} is {what} and cannot be an endpoint"));
            }
        }
    }
    Ok(())
}

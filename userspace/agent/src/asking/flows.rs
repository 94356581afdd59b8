//! Which flows are meant.

use std::net::{IpAddr, SocketAddr};

use tidegate_api::FlowRow;

use crate::cidr::Cidr;

/// All that is said must be true of a flow; nothing said: all flows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct FlowFilter {
    pub(crate) namespace: Option<String>,
    pub(crate) service: Option<String>,
    /// `TCP`, `UDP` or `SCTP`.
    pub(crate) proto: Option<String>,
    pub(crate) client: Option<Place>,
    pub(crate) frontend: Option<Place>,
    pub(crate) backend: Option<Place>,
    pub(crate) state: Option<String>,
}

/// Addresses, a port, or both: `10.0.0.1`, `10.0.0.0/8`, `10.0.0.1:80`, `[fd00::1]:80`, `:80`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    addresses: Option<Cidr>,
    port: Option<u16>,
}

impl FlowFilter {
    /// Whether nothing is said.
    pub(crate) fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether this flow is meant.
    pub(crate) fn has(&self, flow: &FlowRow) -> bool {
        let Self {
            namespace,
            service,
            proto,
            client,
            frontend,
            backend,
            state,
        } = self;
        let is = |said: &Option<String>, it: &str| {
            said.as_deref()
                .is_none_or(|said| said.eq_ignore_ascii_case(it))
        };
        let at = |said: &Option<Place>, it| said.is_none_or(|said| said.has(it));
        is(namespace, &flow.namespace)
            && is(service, &flow.service)
            && is(proto, &flow.proto)
            && is(state, &flow.state)
            && at(client, flow.client)
            && at(frontend, flow.frontend)
            && at(backend, flow.backend)
    }
}

impl Place {
    /// Reads what a user writes.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no address, block or port (10.0.0.1, 10.0.0.0/8, 10.0.0.1:80, [fd00::1]:80, :80)"
            )
        };
        if let Some(port) = text.strip_prefix(':').and_then(|port| port.parse().ok()) {
            return Ok(Self {
                addresses: None,
                port: Some(port),
            });
        }
        if let Ok(socket) = text.parse::<SocketAddr>() {
            return Ok(Self {
                addresses: Some(single(socket.ip()).ok_or_else(wrong)?),
                port: Some(socket.port()),
            });
        }
        let addresses = match text.parse::<IpAddr>() {
            Ok(ip) => single(ip),
            Err(_no_address) => text.parse().ok(),
        };
        Ok(Self {
            addresses: Some(addresses.ok_or_else(wrong)?),
            port: None,
        })
    }

    fn has(&self, place: SocketAddr) -> bool {
        self.addresses
            .is_none_or(|block| block.contains(place.ip()))
            && self.port.is_none_or(|port| port == place.port())
    }
}

fn single(ip: IpAddr) -> Option<Cidr> {
    let length = if ip.is_ipv4() { 32 } else { 128 };
    format!("{ip}/{length}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(place: &str, socket: &str) -> bool {
        Place::parse(place).unwrap().has(socket.parse().unwrap())
    }

    #[test]
    fn a_place_is_an_address_a_block_a_port_or_both() {
        for (place, within, outside) in [
            ("10.0.0.1", "10.0.0.1:5", "10.0.0.2:5"),
            ("10.0.0.0/30", "10.0.0.3:5", "10.0.0.4:5"),
            ("10.0.0.1:5", "10.0.0.1:5", "10.0.0.1:6"),
            (":5", "[fd00::1]:5", "[fd00::1]:6"),
            ("fd00::/64", "[fd00::1]:5", "10.0.0.1:5"),
            ("[fd00::1]:5", "[fd00::1]:5", "[fd00::2]:5"),
        ] {
            assert!(meant(place, within), "{place}");
            assert!(!meant(place, outside), "{place}");
        }
        for wrong in ["", "x", "10.0.0.1:x", ":99999", "10.0.0.0/33"] {
            let error = Place::parse(wrong).unwrap_err();
            assert!(error.contains("is no address, block or port"), "{error}");
        }
    }
}

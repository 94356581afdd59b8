//! Which flows are meant: the same flags for those that show and those that are dropped.

use clap::ValueEnum;

use crate::{asking::Place, commands::named, failure::Failure};

/// A flow must pass every filter that is said.
#[derive(clap::Args, Clone, Debug, Default, PartialEq)]
pub(crate) struct Filter {
    /// Flows to this Service
    #[arg(long, value_name = "NS/NAME")]
    service: Option<String>,
    /// Flows from here: IP, CIDR, IP:PORT or :PORT
    #[arg(long, value_name = "PLACE", value_parser = place)]
    client: Option<String>,
    /// Flows that were dialled here
    #[arg(long, value_name = "PLACE", value_parser = place)]
    frontend: Option<String>,
    /// Flows to this endpoint
    #[arg(long, value_name = "PLACE", value_parser = place)]
    backend: Option<String>,
    /// Flows of this protocol
    #[arg(long, value_name = "PROTO", ignore_case = true)]
    proto: Option<Proto>,
    /// TCP flows in this state, such as open
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Proto {
    Tcp,
    Udp,
    Sctp,
}

/// Judged here, so that a misspelt one is bad usage, and sent as it is written.
fn place(text: &str) -> Result<String, String> {
    Place::parse(text).map(|_place| text.to_owned())
}

impl Filter {
    /// Whether nothing is said.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// As the API takes it.
    pub(crate) fn query(&self) -> Result<Vec<String>, Failure> {
        let mut parts = Vec::new();
        if let Some(service) = &self.service {
            let (namespace, name) = named(service, None)?;
            parts.push(format!("namespace={namespace}"));
            parts.push(format!("service={name}"));
        }
        let texts = [
            ("client", &self.client),
            ("frontend", &self.frontend),
            ("backend", &self.backend),
            ("state", &self.state),
        ];
        for (name, text) in texts {
            let Some(text) = text else { continue };
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:/[]-_".contains(&byte);
            if !text.bytes().all(is_plain) {
                return Err(Failure::Usage(format!(
                    "--{name} {text:?} is nothing that flows have"
                )));
            }
            parts.push(format!("{name}={text}"));
        }
        let proto = self.proto.and_then(|it| it.to_possible_value());
        parts.extend(proto.map(|it| format!("proto={}", it.get_name())));
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_become_a_query_and_what_would_break_it_is_bad_usage() {
        let filter = Filter {
            service: Some("shop/web".into()),
            client: Some("[fd00::1]:80".into()),
            proto: Some(Proto::Udp),
            ..Filter::default()
        };
        let parts = [
            "namespace=shop",
            "service=web",
            "client=[fd00::1]:80",
            "proto=udp",
        ];
        assert_eq!(filter.query().unwrap(), parts);
        for state in ["a&all=true", "a b", "a%20", "é"] {
            let filter = Filter {
                state: Some(state.into()),
                ..Filter::default()
            };
            assert!(matches!(filter.query(), Err(Failure::Usage(_))), "{state}");
        }
        assert!(Filter::default().is_empty() && !filter.is_empty());
        assert!(place("192.0.2.0/24").is_ok() && place("nowhere").is_err());
    }
}

//! `tidegate explain`: what the data path would do with a packet.

use std::net::{IpAddr, SocketAddr};

use hyper::Method;
use tidegate_api::{
    client,
    explain::{ExplainProto, ExplainRequest, Explanation, TcpFlag},
};
use tidegate_explain::words;

use crate::{
    cli::{Agent, Output},
    failure::Failure,
    show,
};

const EXAMPLES: &str = "\
Examples:
  tidegate explain --from 10.244.0.5:40000 --to 10.96.0.10:80/tcp
  tidegate explain --from 192.168.1.10:40000 --to 192.168.1.2:30008/udp --device eth0
  tidegate explain --from [fd00::5]:40000 --to [fd00:96::a]:80/tcp --flags ack
  tidegate explain --from 10.244.0.5 --to 10.96.0.10/icmp
  tidegate explain --from-host --to 10.96.0.10:80/tcp";

/// Flags of `tidegate explain`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The sender; of an echo request the address alone
    #[arg(long, value_name = "IP:PORT", required_unless_present = "from_host")]
    from: Option<String>,
    /// The receiver and the protocol: tcp, udp, sctp or icmp (IP/icmp, an echo request)
    #[arg(long, value_name = "IP:PORT/PROTO")]
    to: String,
    /// Where the packet enters [default: the device of the pod that has the sender's address, else the uplink]
    #[arg(long, value_name = "IF", conflicts_with = "from_host")]
    device: Option<String>,
    /// A process of this host dials; no packet enters
    #[arg(long, conflicts_with = "from")]
    from_host: bool,
    /// TCP flags, such as `syn` or `fin,ack` [default: syn]
    #[arg(long, value_name = "FLAGS", value_delimiter = ',')]
    flags: Vec<String>,
    /// Bytes from the IP header on [default: just the headers]
    #[arg(long, value_name = "BYTES")]
    length: Option<u16>,
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Output,
    #[command(flatten)]
    agent: Agent,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let request = request(&args)?;
    let asked = client::send(&args.agent.api, Method::POST, "/v1/explain", &request);
    let told: Explanation = crate::runtime()?.block_on(asked).map_err(said)?;
    show::print(&match args.output {
        Output::Table | Output::Wide => words::text(&told),
        Output::Json => show::json(&told)?,
        Output::Yaml => show::yaml(&told)?,
    })?;
    if told.confirmation.outcome == "differs" {
        return Err(Failure::Failed(anyhow::anyhow!(
            "{}: please report it, with this output",
            told.confirmation.text
        )));
    }
    Ok(())
}

/// What cannot be described is bad usage, whoever notices it.
fn said(error: client::Error) -> Failure {
    match error {
        client::Error::Refused {
            status: 400,
            reason,
            ..
        } => Failure::Usage(reason),
        client::Error::Refused { reason, .. } => Failure::Failed(anyhow::anyhow!("{reason}")),
        other => other.into(),
    }
}

fn request(args: &Args) -> Result<ExplainRequest, Failure> {
    let (to, proto) = receiver(&args.to)?;
    let from = match &args.from {
        Some(text) => Some(sender(text, proto)?),
        None => None,
    };
    if let Some(from) = from
        && from.is_ipv4() != to.is_ipv4()
    {
        return Err(Failure::Usage(format!(
            "--from {from} and --to {to} are of two address families: no packet has both"
        )));
    }
    if !args.flags.is_empty() && proto != ExplainProto::Tcp {
        return Err(Failure::Usage(
            "--flags are those of TCP: leave them out".to_owned(),
        ));
    }
    let flags = args.flags.iter().map(|text| flag(text));
    Ok(ExplainRequest {
        from,
        to,
        proto,
        device: args.device.clone(),
        flags: flags.collect::<Result<_, _>>()?,
        length: args.length,
        from_host: args.from_host,
    })
}

fn receiver(text: &str) -> Result<(SocketAddr, ExplainProto), Failure> {
    let wrong = |why: &str| {
        Failure::Usage(format!(
            "--to {text:?}: {why}; say IP:PORT/PROTO, for example 10.96.0.10:80/tcp or [fd00::1]:80/udp"
        ))
    };
    let (place, proto) = text.rsplit_once('/').ok_or_else(|| wrong("no protocol"))?;
    let proto = match proto.to_ascii_lowercase().as_str() {
        "tcp" => ExplainProto::Tcp,
        "udp" => ExplainProto::Udp,
        "sctp" => ExplainProto::Sctp,
        "icmp" | "icmp6" | "icmpv6" => ExplainProto::Icmp,
        _ => return Err(wrong("the protocol is none of tcp, udp, sctp, icmp")),
    };
    let place = at(place, proto).ok_or_else(|| wrong("no address and port"))?;
    Ok((place, proto))
}

fn sender(text: &str, proto: ExplainProto) -> Result<SocketAddr, Failure> {
    at(text, proto).ok_or_else(|| {
        Failure::Usage(format!(
            "--from {text:?}: no address and port; say IP:PORT, for example 10.244.0.5:40000 or [fd00::5]:40000"
        ))
    })
}

/// An address and a port; for an echo request the address will do.
fn at(text: &str, proto: ExplainProto) -> Option<SocketAddr> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let inner = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let ip: IpAddr = inner.unwrap_or(text).parse().ok()?;
    (proto == ExplainProto::Icmp).then_some(SocketAddr::new(ip, 0))
}

fn flag(text: &str) -> Result<TcpFlag, Failure> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "syn" => TcpFlag::Syn,
        "ack" => TcpFlag::Ack,
        "fin" => TcpFlag::Fin,
        "rst" => TcpFlag::Rst,
        "psh" => TcpFlag::Psh,
        "urg" => TcpFlag::Urg,
        _ => {
            return Err(Failure::Usage(format!(
                "--flags: {text:?} is none of syn, ack, fin, rst, psh, urg"
            )));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage<T: std::fmt::Debug>(result: Result<T, Failure>) -> String {
        let failure = result.unwrap_err();
        assert!(matches!(failure, Failure::Usage(_)), "{failure:?}");
        let text = failure.to_string();
        assert_eq!(text.lines().count(), 1);
        text
    }

    #[test]
    fn a_receiver_is_an_address_a_port_and_a_protocol() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let read = |text| receiver(text).unwrap();
        assert_eq!(
            read("10.96.0.10:80/tcp"),
            (at("10.96.0.10:80"), ExplainProto::Tcp)
        );
        assert_eq!(
            read("[fd00::1]:53/UDP"),
            (at("[fd00::1]:53"), ExplainProto::Udp)
        );
        assert_eq!(read("10.96.0.10:80/sctp").1, ExplainProto::Sctp);
        assert_eq!(
            read("10.96.0.10/icmp"),
            (at("10.96.0.10:0"), ExplainProto::Icmp)
        );
        assert_eq!(
            read("fd00::1/icmp"),
            (at("[fd00::1]:0"), ExplainProto::Icmp)
        );
    }

    #[test]
    fn what_is_no_receiver_is_bad_usage_in_one_line() {
        for wrong in [
            "",
            "10.96.0.10:80",
            "10.96.0.10/tcp",
            "web:80/tcp",
            "10.96.0.10:99999/tcp",
        ] {
            assert!(
                usage(receiver(wrong)).contains("say IP:PORT/PROTO"),
                "{wrong}"
            );
        }
        assert!(usage(receiver("10.96.0.10:80/quic")).contains("none of tcp"));
        assert!(usage(sender("10.244.0.5", ExplainProto::Tcp)).contains("say IP:PORT"));
        assert!(usage(flag("ece")).contains("none of syn"));
    }
}

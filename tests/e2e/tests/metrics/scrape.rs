//! A scrape, as Prometheus does it.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use tidegate_rig::Netns;

/// Where an agent answers if nobody says otherwise (rule 3.10.7).
pub(crate) const DEFAULT: ([u8; 4], u16) = ([127, 0, 0, 1], 10249);

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// The samples of a page.
#[derive(Debug)]
pub(crate) struct Page(Vec<(String, f64)>);

pub(crate) fn get(
    from: &Netns,
    to: impl Into<SocketAddr>,
    path: &str,
    accept: &str,
) -> Result<Answer> {
    let to = to.into();
    let text = from.run(|| -> std::io::Result<String> {
        let patience = Duration::from_secs(10);
        let mut stream = TcpStream::connect_timeout(&to, patience)?;
        stream.set_read_timeout(Some(patience))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: node\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
        )?;
        let mut text = String::new();
        let _bytes = stream.read_to_string(&mut text)?;
        Ok(text)
    })?;
    let (head, body) = text.split_once("\r\n\r\n").context("no header")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    let (head, body) = (head.to_ascii_lowercase(), body.to_owned());
    Ok(Answer { status, head, body })
}

/// The page of the agent in this namespace.
pub(crate) fn scrape(node: &Netns) -> Result<Page> {
    let answer = get(node, DEFAULT, "/metrics", "*/*")?;
    ensure!(answer.status == 200, "{answer:?}");
    let samples = answer.body.lines().filter(|line| !line.starts_with('#'));
    let samples = samples.map(|line| {
        let (name, value) = line.rsplit_once(' ').context("no value")?;
        Ok((
            name.to_owned(),
            value.parse().with_context(|| line.to_owned())?,
        ))
    });
    Ok(Page(samples.collect::<Result<_>>()?))
}

impl Page {
    /// The sum of a metric's samples that have these labels; `None`: there are none.
    pub(crate) fn find(&self, metric: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut fitting = self
            .0
            .iter()
            .filter(|(name, _)| {
                let is_it = name.split('{').next() == Some(metric);
                is_it
                    && labels
                        .iter()
                        .all(|(key, value)| name.contains(&format!("{key}=\"{value}\"")))
            })
            .peekable();
        fitting.peek()?;
        Some(fitting.map(|(_, value)| value).sum())
    }

    /// The same of a metric that must be there.
    pub(crate) fn sum(&self, metric: &str, labels: &[(&str, &str)]) -> Result<f64> {
        self.find(metric, labels)
            .with_context(|| format!("no {metric} {labels:?}"))
    }

    /// Those that a new Service's traffic moves.
    pub(crate) fn of(&self, service: &str, protocol: &str, family: &str) -> Result<Counts> {
        let labels = [
            ("service", service),
            ("protocol", protocol),
            ("family", family),
        ];
        let way = |direction| [labels[0], labels[1], labels[2], ("direction", direction)];
        Ok(Counts {
            packets: self.sum("tidegate_service_packets_total", &way("forward"))?,
            bytes: self.sum("tidegate_service_bytes_total", &way("forward"))?,
            reply_packets: self.sum("tidegate_service_packets_total", &way("reply"))?,
            reply_bytes: self.sum("tidegate_service_bytes_total", &way("reply"))?,
            opened: self.sum("tidegate_service_flows_opened_total", &labels)?,
            refused: self.sum("tidegate_service_refused_total", &labels)?,
        })
    }
}

/// What is counted of a service port.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub(crate) packets: f64,
    pub(crate) bytes: f64,
    pub(crate) reply_packets: f64,
    pub(crate) reply_bytes: f64,
    pub(crate) opened: f64,
    pub(crate) refused: f64,
}

//! What became of a datagram.

use std::net::SocketAddr;

/// What became of one datagram.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Fate {
    /// Nothing was heard of it, or not yet.
    #[default]
    Lost,
    /// The pod that answered, and the source that it saw.
    Answered(String, Option<SocketAddr>),
    /// The kernel said "connection refused" (connected sockets only).
    Refused,
}

/// Fates in short: `poda1 x5, lost, podb1 x3`.
pub fn summary(fates: &[Fate]) -> String {
    let name = |fate: &Fate| match fate {
        Fate::Lost => "lost".to_owned(),
        Fate::Refused => "refused".to_owned(),
        Fate::Answered(pod, _) => pod.clone(),
    };
    let runs = fates.chunk_by(|one, other| name(one) == name(other));
    let said = runs.map(|run| match run.len() {
        1 => name(&run[0]),
        many => format!("{} x{many}", name(&run[0])),
    });
    said.collect::<Vec<_>>().join(", ")
}

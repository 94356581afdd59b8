//! News of a Kubernetes API server as batches. What they mean is decided in `tidegate-kubernetes`.

use tidegate_kubernetes::{Change as Told, News, Options, Server, Timing};
use tokio::sync::mpsc;

use super::{Batch, Change, Source};

/// Starts following. Must be called inside a tokio runtime.
pub(crate) fn follow(server: Server, node_name: String, out: mpsc::Sender<Batch>) {
    let mut news = tidegate_kubernetes::follow(Options {
        server,
        node_name,
        timing: Timing::default(),
    });
    tokio::spawn(async move {
        while let Some(some) = news.recv().await {
            if out.send(batch(some)).await.is_err() {
                return;
            }
        }
    });
}

fn batch(news: News) -> Batch {
    let changes = news.changes.into_iter().map(|change| match change {
        Told::Put { file, parsed } => Change::Parsed { file, parsed },
        Told::Gone { file } => Change::Gone { file },
    });
    Batch {
        source: Source::Kubernetes,
        changes: changes.collect(),
        unreadable: news.problems,
        heard: news.heard,
        is_partial: !news.is_complete,
        service_cidrs: Some(news.service_cidrs),
        ..Batch::default()
    }
}

//! All followers' news into batches: what comes while nobody is ready to take it waits as one batch.

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use crate::{News, Options, follow::follow, known::Known, resource::Resource};

/// Events on their way; followers wait while more would not fit.
const WAITING: usize = 256;

/// Follows everything until nobody listens.
pub(crate) async fn run(options: Options, out: mpsc::Sender<News>) {
    let (tell, mut heard) = mpsc::channel(WAITING);
    for resource in Resource::ALL {
        tokio::spawn(follow(resource, options.clone(), tell.clone()));
    }
    // The followers alone hold it now.
    drop(tell);
    let mut known = Known::new(options.node_name);
    let mut due = Instant::now();
    loop {
        let has_news = known.has_news();
        tokio::select! {
            biased;
            () = out.closed() => return,
            permit = async { sleep_until(due).await; out.reserve().await }, if has_news => match permit {
                Ok(permit) => permit.send(known.news()),
                Err(_closed) => return,
            },
            some = heard.recv() => match some {
                Some(one) => {
                    known.take(one);
                    if !has_news && known.has_news() {
                        due = Instant::now() + options.timing.gather;
                    }
                }
                None => return,
            },
        }
    }
}

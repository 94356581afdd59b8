//! A client with thousands of connections that live, and a stream of new ones, with one thread.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use tidegate_e2e::soon;
use tidegate_rig::Netns;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

/// Longer than a busy machine takes, several retransmissions included.
const PATIENCE: Duration = Duration::from_secs(20);
/// Connections that are opened at a time, at the beginning.
const AT_A_TIME: usize = 256;
/// New connections that may be on their way: if there are more, the machine cannot do so many, and some
/// turns are left out.
const ON_THEIR_WAY: usize = 400;
/// A turn of the stream, and of the living ones that speak.
const TURN: Duration = Duration::from_millis(10);

/// What the crowd has done so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) living: AtomicU64,
    pub(crate) opened: AtomicU64,
    pub(crate) echoed: AtomicU64,
    /// Turns in which nothing was opened, since the machine could not.
    pub(crate) left_out: AtomicU64,
}

pub(crate) struct Crowd {
    pub(crate) counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
}

impl Crowd {
    /// Opens `living` connections to each of the addresses in turn, then goes on with `a_turn` new ones each
    /// hundredth of a second; returns when all live.
    pub(crate) fn start(
        client: &Netns,
        to: Vec<SocketAddr>,
        living: usize,
        a_turn: usize,
    ) -> Result<Self> {
        let counts: Arc<Counts> = Arc::default();
        let stop = Arc::new(AtomicBool::new(false));
        let (count, end) = (Arc::clone(&counts), Arc::clone(&stop));
        let thread = client.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(live(&to, living, a_turn, &count, &end))
        });
        let crowd = Self {
            counts,
            stop,
            thread,
        };
        crowd.until(|counts| counts.living.load(Relaxed) == living as u64)?;
        Ok(crowd)
    }

    /// Waits until so many more were opened, and as many of the living ones have spoken.
    pub(crate) fn more(&self, count: u64) -> Result<()> {
        let opened = self.counts.opened.load(Relaxed) + count;
        let echoed = self.counts.echoed.load(Relaxed) + count;
        self.until(|it| it.opened.load(Relaxed) >= opened && it.echoed.load(Relaxed) >= echoed)
    }

    fn until(&self, reached: impl Fn(&Counts) -> bool) -> Result<()> {
        let begun = std::time::Instant::now();
        loop {
            match soon(|| {
                // One that failed is told about at the end.
                ensure!(
                    reached(&self.counts) || self.thread.is_finished(),
                    "the crowd is at {:?}",
                    self.counts
                );
                Ok(())
            }) {
                Err(error) if begun.elapsed() > 3 * PATIENCE => return Err(error),
                Err(_) => {}
                Ok(()) => return Ok(()),
            }
        }
    }

    /// Ends the stream; then every living connection speaks once more.
    pub(crate) fn finish(self) -> Result<Arc<Counts>> {
        self.stop.store(true, Relaxed);
        let ended = self.thread.join();
        ended.map_err(|_panic| anyhow!("the crowd panicked"))??;
        Ok(self.counts)
    }
}

async fn live(
    to: &[SocketAddr],
    living: usize,
    a_turn: usize,
    counts: &Arc<Counts>,
    stop: &AtomicBool,
) -> Result<()> {
    let mut streams = open_all(to, living, counts).await?;
    let mut turns = interval(TURN);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut new, mut nth, mut speaker) = (JoinSet::new(), living, 0);
    while !stop.load(Relaxed) {
        let _now = turns.tick().await;
        while let Some(done) = new.try_join_next() {
            done??;
            counts.opened.fetch_add(1, Relaxed);
        }
        if new.len() > ON_THEIR_WAY {
            counts.left_out.fetch_add(1, Relaxed);
        } else {
            for _ in 0..a_turn {
                nth += 1;
                let _ends_soon = new.spawn(visit(to[nth % to.len()], nth));
            }
        }
        for _ in 0..a_turn {
            speaker = (speaker + 1) % streams.len();
            talk(&mut streams[speaker], speaker, nth).await?;
            counts.echoed.fetch_add(1, Relaxed);
        }
    }
    while let Some(done) = new.join_next().await {
        done??;
        counts.opened.fetch_add(1, Relaxed);
    }
    for (index, stream) in streams.iter_mut().enumerate() {
        talk(stream, index, usize::MAX - index).await?;
    }
    Ok(())
}

async fn open_all(to: &[SocketAddr], living: usize, counts: &Counts) -> Result<Vec<TcpStream>> {
    let mut streams = Vec::with_capacity(living);
    while streams.len() < living {
        let mut some = JoinSet::new();
        for index in streams.len()..living.min(streams.len() + AT_A_TIME) {
            let _abort = some.spawn(open(to[index % to.len()], index));
        }
        for (index, stream) in some.join_all().await.into_iter().enumerate() {
            streams.push(stream.with_context(|| format!("one of the first, {index}"))?);
        }
        counts.living.store(streams.len() as u64, Relaxed);
    }
    Ok(streams)
}

async fn open(to: SocketAddr, nth: usize) -> Result<TcpStream> {
    let begun = Instant::now();
    let connected = timeout(PATIENCE, TcpStream::connect(to)).await;
    let what = || format!("connection {nth} to {to}, after {:?}", begun.elapsed());
    let mut stream = connected.with_context(what)?.with_context(what)?;
    stream.set_nodelay(true)?;
    talk(&mut stream, nth, 0).await?;
    Ok(stream)
}

async fn visit(to: SocketAddr, nth: usize) -> Result<()> {
    drop(open(to, nth).await?);
    Ok(())
}

/// What is sent must come back, byte by byte.
async fn talk(stream: &mut TcpStream, who: usize, what: usize) -> Result<()> {
    let said = [who.to_be_bytes(), what.to_be_bytes()].concat();
    let mut heard = [0; 16];
    let exchange = async {
        stream.write_all(&said).await?;
        stream.read_exact(&mut heard).await
    };
    match timeout(PATIENCE, exchange).await {
        Ok(Ok(_)) if heard.as_slice() == said => Ok(()),
        Ok(Ok(_)) => bail!("connection {who} heard {heard:?} and not {said:?}"),
        Ok(Err(error)) => Err(error).with_context(|| format!("connection {who} is lost")),
        Err(_late) => bail!("connection {who} is silent"),
    }
}

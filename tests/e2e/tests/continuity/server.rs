//! A server that echoes on many thousand connections, with one thread.

use std::{net::SocketAddr, thread::JoinHandle};

use anyhow::{Context as _, Result};
use tidegate_rig::Netns;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

/// Ends when it is dropped.
pub(crate) struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on both families.
    pub(crate) fn start(ns: &Netns, port: u16) -> Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = ns.spawn(move || {
            let served = serve(port, &ready, stopped);
            // Nobody waits any more when it served.
            let _heard = served.map_err(|error| ready.send(Err(error)));
        });
        is_ready.recv().context("the server ended")??;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

fn serve(
    port: u16,
    ready: &std::sync::mpsc::Sender<Result<()>>,
    stopped: oneshot::Receiver<()>,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async move {
        let at: SocketAddr = format!("[::]:{port}").parse()?;
        let listener = TcpListener::bind(at).await?;
        let _heard = ready.send(Ok(()));
        tokio::select! {
            () = accept(listener) => {}
            _gone = stopped => {}
        }
        Ok(())
    })
}

async fn accept(listener: TcpListener) {
    loop {
        // A client that went before it was accepted is nobody's fault.
        if let Ok((stream, _)) = listener.accept().await {
            let _ends_with_its_client = tokio::spawn(echo(stream));
        }
    }
}

async fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 256];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            len => stream.write_all(&buffer[..len]).await?,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

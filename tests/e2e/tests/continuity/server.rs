//! A server that echoes on many thousand connections, with one thread.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    process::{Child, Stdio},
};

use anyhow::{Context as _, Result, bail};
use tidegate_rig::Netns;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// Where the server of [`is_a_server`] listens.
const PORT: &str = "TIDEGATE_TEST_SERVER";
const LISTENS: &str = "the server listens";

/// A process of its own, since a process may have too few descriptors for both ends; ends when it is dropped.
pub(crate) struct Server(Child);

impl Server {
    /// Listens on both families.
    pub(crate) fn start(ns: &Netns, port: u16) -> Result<Self> {
        let mut command = ns.command(std::env::current_exe()?);
        command
            .args(["--exact", "server::is_a_server", "--ignored", "--nocapture"])
            .env(PORT, port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut server = Self(command.spawn().context("cannot start a server")?);
        let out = server.0.stdout.take().context("no output")?;
        for line in BufReader::new(out).lines() {
            if line?.contains(LISTENS) {
                return Ok(server);
            }
        }
        bail!("the server ended")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
#[ignore = "no test: what `Server` runs in another process"]
fn is_a_server() -> Result<()> {
    let Ok(port) = std::env::var(PORT) else {
        return Ok(());
    };
    let _watch = std::thread::spawn(|| {
        // Ends when the test does, however that ends.
        let _ended = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async move {
        let at: SocketAddr = format!("[::]:{port}").parse()?;
        let listener = TcpListener::bind(at).await?;
        println!("{LISTENS}");
        accept(listener).await;
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

//! A node with a Service that answers, one that nobody answers for, and one that drops.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Result, ensure};
use tidegate_e2e::{Ep, Proto, Svc, World, ask};

pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) web: Svc,
    pub(crate) empty: Svc,
    pub(crate) afar: Svc,
}

impl Stage {
    pub(crate) fn new() -> Result<Self> {
        let world = World::builder().pods(2, 1).build()?;
        let web = Svc::new("web", 1);
        let empty = Svc::new("empty", 2);
        let afar = Svc::new("afar", 3).external_policy("Local");
        world.put(&web, &[Ep::of(world.a(1)), Ep::of(world.b(1))])?;
        world.put(&empty, &[])?;
        world.put(&afar, &[Ep::of(world.b(1))])?;
        Ok(Self {
            world,
            web,
            empty,
            afar,
        })
    }

    /// Where a client on the LAN dials a Service.
    pub(crate) fn door(&self, svc: &Svc) -> SocketAddr {
        svc.node_port(self.world.node_address(false))
    }

    /// A client's flow, which is answered.
    pub(crate) fn open(&self) -> Result<()> {
        let to = self.door(&self.web);
        self.world
            .scene
            .client
            .run(|| ask(Proto::Tcp, to))
            .map(drop)
    }

    /// A client's flow, which is reset.
    pub(crate) fn be_rejected(&self) -> Result<()> {
        let to = self.door(&self.empty);
        let error = self.world.scene.client.run(|| TcpStream::connect(to)).err();
        let kind = error.map(|error| error.kind());
        ensure!(kind == Some(io::ErrorKind::ConnectionRefused), "{kind:?}");
        Ok(())
    }

    /// A client's flow, which is dropped: one datagram.
    pub(crate) fn be_dropped(&self) -> Result<()> {
        let to = self.door(&self.afar);
        self.world.scene.client.run(|| {
            let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
            socket.send_to(b"hello", to)
        })?;
        Ok(())
    }

    /// Clients that go on until the value is dropped.
    pub(crate) fn traffic(&self) -> Traffic {
        let goes_on = Arc::new(AtomicBool::new(true));
        let to = [self.door(&self.web), self.door(&self.empty)];
        let watched = Arc::clone(&goes_on);
        let thread = self.world.scene.client.spawn(move || {
            while watched.load(Ordering::Relaxed) {
                // On a busy machine one may fail: the next one comes.
                let _answer = ask(Proto::Tcp, to[0]);
                let _refused = TcpStream::connect(to[1]);
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        Traffic {
            goes_on,
            thread: Some(thread),
        }
    }
}

pub(crate) struct Traffic {
    goes_on: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.goes_on.store(false, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in there has told itself.
            let _ended = thread.join();
        }
    }
}

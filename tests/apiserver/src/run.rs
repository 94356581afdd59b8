//! The thread that accepts connections and answers on them.

use std::{
    io,
    net::TcpListener,
    sync::Arc,
    thread::{self, JoinHandle},
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    runtime::Builder,
};
use tokio_rustls::TlsAcceptor;

use crate::{answer::answer, state::Shared};

/// Starts the thread.
pub(crate) fn spawn(
    listener: TcpListener,
    tls: Option<rustls::ServerConfig>,
    shared: Arc<Shared>,
) -> io::Result<JoinHandle<()>> {
    listener.set_nonblocking(true)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let acceptor = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
    thread::Builder::new()
        .name("apiserver".to_owned())
        .spawn(move || {
            let serve = async {
                let mut stops = shared.stops.subscribe();
                tokio::select! {
                    error = accept(listener, acceptor, Arc::clone(&shared)) => {
                        if let Err(error) = error {
                            eprintln!("apiserver: {error}");
                        }
                    }
                    _told = stops.wait_for(|stops| *stops) => {}
                }
            };
            // Whatever is still open ends with the runtime.
            runtime.block_on(serve);
        })
}

async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    shared: Arc<Shared>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _peer) = listener.accept().await?;
        // As the real one (the default of its language): or a watch waits 40 ms for an acknowledgement. A connection
        // that its client has ended already refuses; the next one is none the worse.
        let _ended: io::Result<()> = stream.set_nodelay(true);
        if shared.lock().is_away {
            // Closed as it is: who has sent something is told by a reset.
            continue;
        }
        tokio::spawn(connection(stream, acceptor.clone(), Arc::clone(&shared)));
    }
}

/// Serves one connection until it ends or all are closed. Errors are the client's business.
async fn connection(stream: TcpStream, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let mut closes = shared.closes.subscribe();
    let serve = async {
        match acceptor {
            None => serve(stream, Arc::clone(&shared), false).await,
            Some(acceptor) => {
                if let Ok(stream) = acceptor.accept(stream).await {
                    let has_certificate = stream.get_ref().1.peer_certificates().is_some();
                    serve(stream, Arc::clone(&shared), has_certificate).await;
                }
            }
        }
    };
    tokio::select! {
        () = serve => {}
        _closed = closes.changed() => {}
    }
}

async fn serve<S>(stream: S, shared: Arc<Shared>, has_certificate: bool)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, std::convert::Infallible>(answer(shared, request, has_certificate).await) }
    });
    let served = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
    // Connections that break off are what this server is for.
    let _broken = served;
}

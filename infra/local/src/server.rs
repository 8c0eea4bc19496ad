//! An HTTP/1.1 server on a listener. It accepts connections, hands requests to one handler, and
//! leaves no connections behind at its end.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// How long requests in progress may take after the server has been asked to end.
const GRACE: Duration = Duration::from_secs(1);
/// If accepting fails (no file descriptor is left, for example), trying again at once would only
/// burn time.
const PAUSE_AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(100);

/// A running server. Dropping it breaks off its connections.
pub(crate) struct Server {
    /// Dropping it asks the server to end.
    running: watch::Sender<()>,
    task: AbortOnDrop,
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Server {
    /// Starts a server that answers requests at `listener` with `handler`. The handler may upgrade
    /// connections.
    pub(crate) fn start<H, F, B>(listener: TcpListener, handler: H) -> Server
    where
        H: Fn(Request<Incoming>, SocketAddr) -> F + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let (running, stopped) = watch::channel(());
        let task = AbortOnDrop(tokio::spawn(accept(listener, Arc::new(handler), stopped)));
        Server { running, task }
    }

    /// Ends the server: it accepts no new connections, and requests in progress have a moment.
    pub(crate) async fn shutdown(mut self) {
        drop(self.running);
        let _ = (&mut self.task.0).await;
    }
}

async fn accept<H, F, B>(listener: TcpListener, handler: Arc<H>, mut stopped: watch::Receiver<()>)
where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let handler = Arc::clone(&handler);
                    connections.spawn(connection(stream, peer, handler, stopped.clone()));
                }
                Err(error) => {
                    tracing::warn!("failed to accept a connection: {error}");
                    tokio::time::sleep(PAUSE_AFTER_ACCEPT_ERROR).await;
                }
            }
        }
    }
    drop(listener);
    let _ = tokio::time::timeout(GRACE, connections.join_all()).await;
}

async fn connection<H, F, B>(
    stream: TcpStream,
    peer: SocketAddr,
    handler: Arc<H>,
    mut stopped: watch::Receiver<()>,
) where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    // Answers are written in one piece, so Nagle's algorithm would only delay them.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let answer = handler(request, peer);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let end = tokio::select! {
        end = &mut connection => end,
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // A client that closes its connection is normal.
    if let Err(error) = end {
        tracing::debug!("the connection of {peer} broke off: {error}");
    }
}

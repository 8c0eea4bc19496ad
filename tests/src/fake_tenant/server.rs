//! The listeners.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HOST;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::call::{Answer, Call, Form};
use super::certificate::Certified;
use super::routes;
use super::setup::ADDRESS;
use super::tenant::Tenant;

/// Takes a port, or a free one if it is 0, and returns its number too.
pub(super) fn bind(port: u16) -> (TcpListener, u16) {
    let listener = std::net::TcpListener::bind((ADDRESS, port))
        .unwrap_or_else(|error| panic!("port {port} of {ADDRESS}: {error}"));
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    (TcpListener::from_std(listener).unwrap(), port)
}

/// Serves a provider until the task is aborted.
pub(super) fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    tenant: Arc<Tenant>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        // Dropping the set ends the connections, those of faults too.
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => {
                    let (stream, _) = accepted.unwrap();
                    connections.spawn(connection(stream, tls.clone(), Arc::clone(&tenant)));
                }
            }
        }
    })
}

/// What TLS the https listener speaks, by a certificate of this process.
pub(super) fn tls() -> TlsAcceptor {
    let certified = Certified::of_server();
    let certificate = CertificateDer::from(certified.der.clone());
    let key = PrivatePkcs8KeyDer::from(certified.private_der());
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.into())
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, tenant: Arc<Tenant>) {
    // Answers are written in one piece, so Nagle's algorithm would only delay them.
    let _ = stream.set_nodelay(true);
    match tls {
        None => exchange(stream, "http", tenant).await,
        Some(tls) => {
            // A client that does not trust the certificate breaks off.
            if let Ok(stream) = tls.accept(stream).await {
                exchange(stream, "https", tenant).await;
            }
        }
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    scheme: &'static str,
    tenant: Arc<Tenant>,
) {
    let service = service_fn(move |request| {
        let tenant = Arc::clone(&tenant);
        async move { Ok::<_, Infallible>(answer(&tenant, scheme, request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    // A client that closes its connection is normal.
    let _ = served.await;
}

async fn answer(
    tenant: &Tenant,
    scheme: &str,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Answer::json(400, &json!({"error": "the body ends too early"})).response();
    };
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let call = Call {
        method: head.method,
        origin: format!("{scheme}://{host}"),
        path: head.uri.path().to_owned(),
        query: Form::read(head.uri.query().unwrap_or_default().as_bytes()),
        headers: head.headers,
        body: body.to_bytes(),
    };
    routes::answer(tenant, &call).await.response()
}

//! The one port that clients see: WebSocket connections under the stage's path, the HTTP API everywhere else.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::HOST;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};

use crate::http_api::HttpApiServer;
use crate::websocket_api::WebSocketServer;

/// Hands each request to its API.
#[derive(Clone)]
pub(crate) struct Front {
    pub http: HttpApiServer,
    /// The WebSocket API and its stage.
    pub websocket: Option<(String, WebSocketServer)>,
}

impl Front {
    pub(crate) async fn serve(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Full<Bytes>> {
        match &self.websocket {
            Some((stage, websocket)) if is_under(stage, request.uri().path()) => {
                let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
                websocket.serve(request, peer, &host).await
            }
            _ => self.http.serve(request, peer).await,
        }
    }
}

/// Whether the first segment of `path` is `stage`.
fn is_under(stage: &str, path: &str) -> bool {
    path.split('/').nth(1) == Some(stage)
}

#[cfg(test)]
mod tests {
    use super::is_under;

    #[test]
    fn only_a_whole_first_segment_is_the_stage() {
        for (path, expected) in [("/live", true), ("/live/", true), ("/live/x", true), ("/lively", false), ("/a/live", false), ("/", false)]
        {
            assert_eq!(is_under("live", path), expected, "{path}");
        }
    }
}

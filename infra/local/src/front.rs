//! The one port for clients: WebSocket connections under the stage's path, the HTTP API everywhere
//! else.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use serde_json::json;

use crate::http_api::HttpApiServer;
use crate::websocket_api::WebSocketServer;

/// Hands each request to its API.
#[derive(Clone)]
pub(crate) struct Front {
    /// Names by which clients may call this port, with its number unless it is 80. An attacker may
    /// point the DNS name of a page at this machine. Its requests then name another host, so the
    /// browser must get no access to the user's APIs.
    pub hosts: Vec<String>,
    pub http: HttpApiServer,
    /// The WebSocket API and its stage.
    pub websocket: Option<(String, WebSocketServer)>,
}

impl Front {
    pub(crate) async fn serve(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Response<Full<Bytes>> {
        if !self.is_for_us(&request) {
            return self.misdirected();
        }
        match &self.websocket {
            Some((stage, websocket)) if is_under(stage, request.uri().path()) => {
                let host = request
                    .headers()
                    .get(HOST)
                    .and_then(|host| host.to_str().ok())
                    .unwrap_or_default()
                    .to_owned();
                websocket.serve(request, peer, &host).await
            }
            _ => self.http.serve(request, peer).await,
        }
    }
}

impl Front {
    /// Whether the one `Host` header names this port. If the request line has an absolute URL, its
    /// host must do so too.
    fn is_for_us<B>(&self, request: &Request<B>) -> bool {
        let mut named = request.headers().get_all(HOST).iter().map(HeaderValue::as_bytes);
        let (Some(host), None) = (named.next(), named.next()) else { return false };
        let absolute = request.uri().authority().map(|authority| authority.as_str().as_bytes());
        let is_known =
            |name: &[u8]| self.hosts.iter().any(|host| name.eq_ignore_ascii_case(host.as_bytes()));
        is_known(host) && absolute.is_none_or(is_known)
    }

    fn misdirected(&self) -> Response<Full<Bytes>> {
        let message = format!(
            "Misdirected Request: this stack answers to {}; --host adds a name",
            self.hosts.join(", ")
        );
        let mut answer = Response::new(Full::new(json!({ "message": message }).to_string().into()));
        *answer.status_mut() = StatusCode::MISDIRECTED_REQUEST;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        answer
    }
}

/// The names of the port: those of this machine and `others`, each with the port added. On port 80
/// the port may be left out.
pub(crate) fn hosts(port: u16, others: &[String]) -> Vec<String> {
    let own = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
    let names = own.iter().chain(others);
    let mut hosts: Vec<String> = names.map(|name| format!("{name}:{port}")).collect();
    if port == 80 {
        hosts.extend(own.clone());
    }
    // A tunnel or a proxy may pass on a name with another port, or with none.
    hosts.extend(others.iter().cloned());
    hosts
}

/// Whether the first segment of `path` is `stage`.
fn is_under(stage: &str, path: &str) -> bool {
    path.split('/').nth(1) == Some(stage)
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::{Front, hosts, is_under};
    use crate::lambda::{Functions, FunctionsSettings, ProcessLimits};

    #[test]
    fn only_a_whole_first_segment_is_the_stage() {
        for (path, expected) in [
            ("/live", true),
            ("/live/", true),
            ("/live/x", true),
            ("/lively", false),
            ("/a/live", false),
            ("/", false),
        ] {
            assert_eq!(is_under("live", path), expected, "{path}");
        }
    }

    async fn front(port: u16, others: &[&str]) -> Front {
        let others: Vec<String> = others.iter().map(|&name| name.to_owned()).collect();
        let logs = tempfile::tempdir().unwrap();
        let settings = FunctionsSettings {
            functions: Vec::new(),
            binaries: "/".into(),
            environment: std::collections::BTreeMap::new(),
            logs: logs.path().to_owned(),
            limits: ProcessLimits::default(),
        };
        let http = super::HttpApiServer::new(
            crate::template::model::HttpApi::default(),
            Functions::start(settings).await.unwrap(),
        );
        Front { hosts: hosts(port, &others), http, websocket: None }
    }

    #[tokio::test]
    async fn only_names_of_this_machine_and_given_ones_are_ours() {
        let front_8787 = front(8787, &["tally.test", "abc.tunnel.example:443"]).await;
        for (hosts, expected) in [
            (&["localhost:8787"][..], true),
            (&["LOCALHOST:8787"], true),
            (&["127.0.0.1:8787"], true),
            (&["[::1]:8787"], true),
            (&["tally.test"], true),
            (&["tally.test:8787"], true),
            (&["abc.tunnel.example:443"], true),
            (&["localhost"], false),
            (&["localhost:80"], false),
            (&["attacker.example:8787"], false),
            (&["localhost:8787.attacker.example"], false),
            (&["127.0.0.2:8787"], false),
            (&["localhost:8787", "attacker.example"], false),
            (&[""], false),
            (&[], false),
        ] {
            let request = hosts
                .iter()
                .fold(Request::get("/health"), |request, host| request.header("host", *host));
            assert_eq!(front_8787.is_for_us(&request.body(()).unwrap()), expected, "{hosts:?}");
        }
        let absolute = Request::get("http://attacker.example:8787/health")
            .header("host", "localhost:8787")
            .body(())
            .unwrap();
        assert!(!front_8787.is_for_us(&absolute));
        let without_port = Request::get("/").header("host", "localhost").body(()).unwrap();
        assert!(front(80, &[]).await.is_for_us(&without_port));
    }
}

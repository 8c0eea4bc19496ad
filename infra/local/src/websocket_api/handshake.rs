//! The handshake: the `$connect` function decides which clients get a connection.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{
    CONTENT_TYPE, HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
    USER_AGENT,
};
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use super::event::{Session, random_id};
use super::{Server, connection};

type Answer = Response<Full<Bytes>>;

/// Answers a request for a WebSocket connection.
pub(super) async fn serve(
    server: &Arc<Server>,
    mut request: Request<Incoming>,
    peer: SocketAddr,
    host: &str,
) -> Answer {
    let stage = server.connections.stage();
    if request.uri().path().trim_matches('/') != stage {
        return message(StatusCode::FORBIDDEN, "Forbidden");
    }
    let Ok(accepted) = create_response_with_body(&request, Full::default) else {
        let mut answer = message(StatusCode::UPGRADE_REQUIRED, "Upgrade Required");
        answer.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        answer.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return answer;
    };
    if *server.stop.borrow() {
        return message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable");
    }
    let user_agent = request
        .headers()
        .get(USER_AGENT)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let session = Session {
        connection_id: random_id(),
        connected_at: Timestamp::now(),
        source_ip: peer.ip().to_canonical(),
        user_agent: user_agent.unwrap_or_default(),
        domain_name: host.to_owned(),
        stage: stage.to_owned(),
        api_id: server.api_id.clone(),
    };
    let event = session.connect(request.headers(), request.uri().query().unwrap_or_default());
    let upgrade = hyper::upgrade::on(&mut request);
    // It runs as a task of its own: if the client gives up meanwhile, `$connect` still ends and
    // gets its `$disconnect`.
    let task = tokio::spawn(connect(server.clone(), session, event, accepted, upgrade));
    task.await.unwrap_or_else(|_| bad_gateway())
}

async fn connect(
    server: Arc<Server>,
    session: Session,
    event: Bytes,
    mut accepted: Answer,
    upgrade: OnUpgrade,
) -> Answer {
    if let Some(route) = server.routes.named("$connect") {
        let decision = match server.functions.invoke(&route.function, event).await {
            Ok(payload) => {
                serde_json::from_slice::<Decision>(&payload).map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        match decision {
            Err(error) => {
                tracing::warn!(
                    function = route.function,
                    error,
                    "$connect failed: API Gateway would refuse its answer"
                );
                return bad_gateway();
            }
            Ok(decision) if !(200..300).contains(&decision.status_code) => {
                return decision.refusal();
            }
            Ok(decision) => {
                if let Some(protocol) = decision.header(&SEC_WEBSOCKET_PROTOCOL) {
                    accepted.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
                }
            }
        }
    }
    let connection = server.connections.register(session);
    let tasks = server.clone();
    tasks.spawn(async move {
        let upgraded = upgrade.await.map(TokioIo::new).map_err(std::io::Error::other);
        connection::run(&server, connection, upgraded).await;
    });
    accepted
}

/// The answer of `$connect`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Decision {
    status_code: u16,
    headers: Option<BTreeMap<String, String>>,
    multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

impl Decision {
    fn header(&self, name: &HeaderName) -> Option<HeaderValue> {
        let single = self.headers.iter().flatten();
        let multiple = self
            .multi_value_headers
            .iter()
            .flatten()
            .flat_map(|(key, values)| values.iter().map(move |value| (key, value)));
        let (_, value) =
            multiple.chain(single).find(|(key, _)| key.eq_ignore_ascii_case(name.as_str()))?;
        HeaderValue::from_str(value).ok()
    }

    fn refusal(&self) -> Answer {
        let Ok(status) = StatusCode::from_u16(self.status_code) else { return bad_gateway() };
        let body = self.body.clone().unwrap_or_default();
        let body = if self.is_base64_encoded == Some(true) {
            STANDARD.decode(&body).unwrap_or_default()
        } else {
            body.into_bytes()
        };
        let mut answer = Response::new(Full::new(body.into()));
        *answer.status_mut() = status;
        let content_type =
            self.header(&CONTENT_TYPE).unwrap_or(HeaderValue::from_static("application/json"));
        answer.headers_mut().insert(CONTENT_TYPE, content_type);
        answer
    }
}

/// API Gateway's answer if `$connect` crashed, timed out or returned an invalid result.
fn bad_gateway() -> Answer {
    message(StatusCode::BAD_GATEWAY, "Internal server error")
}

fn message(status: StatusCode, message: &str) -> Answer {
    let mut answer = Response::new(Full::new(json!({ "message": message }).to_string().into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

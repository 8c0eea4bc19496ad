//! Posts messages to WebSocket connections, and closes connections, by API Gateway's
//! `@connections`.
//!
//! The sender retries a post only if it was certainly not taken. So no message comes twice, and
//! none comes after a later one. A post that failed otherwise may have arrived. The caller decides
//! how to go on after it.

use std::error::Error;
use std::io;
use std::time::Duration;

use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::config::Builder;
use aws_sdk_apigatewaymanagement::config::retry::RetryConfig;
use aws_sdk_apigatewaymanagement::error::{DisplayErrorContext, SdkError};
use aws_sdk_apigatewaymanagement::operation::delete_connection::DeleteConnectionError;
use aws_sdk_apigatewaymanagement::operation::get_connection::GetConnectionError;
use aws_sdk_apigatewaymanagement::operation::post_to_connection::PostToConnectionError;
use aws_sdk_apigatewaymanagement::primitives::Blob;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::frame::{ServerMessage, frame};
use crate::aws::{Service, sdk_config};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::domain::Peer;

/// Largest frame in bytes that API Gateway takes.
const FRAME_LIMIT: usize = 32 * 1024;

/// First milliseconds of a connection, in which 410 means "not yet": its `$connect` may not have
/// returned.
const OPENING_MS: i64 = 5_000;

/// Longest time in milliseconds that API Gateway waits for `$connect`.
const CONNECTING_MS: i64 = 30_000;

/// First pause before a retry. Each further pause doubles, up to eight times the first.
const FIRST_PAUSE: Duration = Duration::from_millis(40);

/// Attempts at a post that is not taken, in about a second. Either the connection has more than it
/// can carry, or nothing answers.
const ATTEMPTS: u32 = 6;

/// A client of `@connections`.
#[derive(Debug, Clone)]
pub struct Sender {
    client: Client,
    clock: Clock,
}

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The connection has ended.
    #[error("the connection has ended")]
    Gone,
    /// The frame is too large or does not serialise: a bug of ours.
    #[error("the message cannot be sent as a frame: {0}")]
    Frame(String),
    /// API Gateway does not answer, or refuses.
    #[error("@connections does not answer, or refuses: {0}")]
    Unavailable(String),
}

impl Sender {
    /// Uses the endpoint that `CONNECTIONS_ENDPOINT` names: the WebSocket API's URL with its stage,
    /// as `https`.
    pub fn new(config: &Config, clock: Clock) -> Result<Self, ConfigError> {
        Ok(Self { client: Client::new(&sdk_config(config, Service::Connections)?), clock })
    }

    /// Posts a message. `id` is that of the client's message that it answers. It waits for a
    /// connection that may just be opening.
    pub async fn post<M: ServerMessage>(
        &self,
        peer: Peer<'_>,
        id: Option<&str>,
        message: &M,
    ) -> Result<(), SendError> {
        let frame = frame(id, message).map_err(|error| SendError::Frame(error.to_string()))?;
        if frame.len() > FRAME_LIMIT {
            return Err(SendError::Frame(format!("{} of {} bytes", M::TYPE, frame.len())));
        }
        self.send(peer, Blob::new(frame)).await
    }

    fn send<'a>(&'a self, peer: Peer<'a>, frame: Blob) -> BoxFuture<'a, Result<(), SendError>> {
        async move {
            let mut pause = FIRST_PAUSE;
            let mut attempt = 1;
            loop {
                let request = self
                    .client
                    .post_to_connection()
                    .connection_id(peer.connection_id)
                    .data(frame.clone());
                let once = Builder::new().retry_config(RetryConfig::disabled());
                let Err(error) = request.customize().config_override(once).send().await else {
                    return Ok(());
                };
                if error.as_service_error().is_some_and(PostToConnectionError::is_gone_exception) {
                    if self.clock.now().as_millisecond() >= peer.connected_at + OPENING_MS {
                        return Err(SendError::Gone);
                    }
                } else if attempt < ATTEMPTS && was_not_taken(&error) {
                    attempt += 1;
                } else {
                    return Err(SendError::Unavailable(DisplayErrorContext(error).to_string()));
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(FIRST_PAUSE * 8);
            }
        }
        .boxed()
    }

    /// Whether a connection is still open, as far as API Gateway can tell.
    pub fn is_open<'a>(&'a self, peer: Peer<'a>) -> BoxFuture<'a, Result<bool, SendError>> {
        async move {
            // API Gateway knows it only once its `$connect` has returned.
            if self.clock.now().as_millisecond() < peer.connected_at + CONNECTING_MS {
                return Ok(true);
            }
            match self.client.get_connection().connection_id(peer.connection_id).send().await {
                Ok(_) => Ok(true),
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(GetConnectionError::is_gone_exception) =>
                {
                    Ok(false)
                }
                Err(error) => Err(SendError::Unavailable(DisplayErrorContext(error).to_string())),
            }
        }
        .boxed()
    }

    /// Closes a connection; one that has ended already is no error.
    pub fn close<'a>(&'a self, connection_id: &'a str) -> BoxFuture<'a, Result<(), SendError>> {
        async move {
            match self.client.delete_connection().connection_id(connection_id).send().await {
                Err(error)
                    if !error
                        .as_service_error()
                        .is_some_and(DeleteConnectionError::is_gone_exception) =>
                {
                    Err(SendError::Unavailable(DisplayErrorContext(error).to_string()))
                }
                _ => Ok(()),
            }
        }
        .boxed()
    }
}

/// Whether a post certainly had no effect: API Gateway throttled it, or the client could not
/// connect to send it.
fn was_not_taken(error: &SdkError<PostToConnectionError>) -> bool {
    match error {
        SdkError::ServiceError(service) => service.err().is_limit_exceeded_exception(),
        // Of the connector's timeouts only the one for connecting is set.
        SdkError::DispatchFailure(failure) => failure.is_timeout() || is_refused(error),
        _ => false,
    }
}

fn is_refused(error: &(dyn Error + 'static)) -> bool {
    let is_it = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    error.downcast_ref().is_some_and(is_it) || error.source().is_some_and(is_refused)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::problem::Problem;
    use crate::socket::ErrorMessage;

    /// A stand-in for `@connections` on the wire. It answers these statuses in turn, the last one
    /// for ever. Gives a client of it and the count of its requests.
    async fn stand_in(statuses: &'static [&str], now: i64) -> (Sender, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/live", listener.local_addr().unwrap());
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 64 * 1024];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                let status =
                    statuses[counted.fetch_add(1, Ordering::Relaxed).min(statuses.len() - 1)];
                let answer =
                    format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let config = Config::from_iter([
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", endpoint),
        ]);
        (Sender::new(&config, Clock::Manual(Arc::new(AtomicI64::new(now)))).unwrap(), count)
    }

    const GONE: &str = "410 Gone\r\nx-amzn-errortype: GoneException";
    const THROTTLED: &str = "429 Too Many Requests\r\nx-amzn-errortype: LimitExceededException";

    #[tokio::test]
    async fn a_connection_that_is_not_there_yet_is_told_from_one_that_is_no_more() {
        for (statuses, age, sent, requests) in [
            (&["200 OK"][..], 0, true, 1),
            (&[GONE, GONE, "200 OK"], 4_999, true, 3),
            (&[GONE], 5_000, false, 1),
            (&[GONE], 9_000_000, false, 1),
        ] {
            let (sender, count) = stand_in(statuses, 1_000_000 + age).await;
            let peer = Peer { connection_id: "c-1=", connected_at: 1_000_000 };
            let result =
                sender.post(peer, None, &ErrorMessage::new(Problem::unknown_action(), "r-1")).await;
            assert!(
                if sent { result.is_ok() } else { matches!(result, Err(SendError::Gone)) },
                "{statuses:?} {age}: {result:?}"
            );
            assert_eq!(count.load(Ordering::Relaxed), requests, "{statuses:?} {age}");
        }
        let (sender, count) = stand_in(&[GONE], 1_000_000).await;
        let result = sender
            .post(Peer::open("c-1="), None, &ErrorMessage::new(Problem::unknown_action(), "r-1"))
            .await;
        assert!(matches!(result, Err(SendError::Gone)), "{result:?}");
        assert_eq!(count.load(Ordering::Relaxed), 1, "who has spoken is not waited for");
    }

    #[tokio::test]
    async fn a_post_is_tried_again_only_where_it_was_not_taken() {
        for (statuses, sent, requests) in [
            (&[THROTTLED, THROTTLED, "200 OK"][..], true, 3),
            (&[THROTTLED], false, 6),
            (&["500 Internal Server Error", "200 OK"], false, 1),
            (&["503 Service Unavailable", "200 OK"], false, 1),
            (&["403 Forbidden\r\nx-amzn-errortype: ForbiddenException", "200 OK"], false, 1),
        ] {
            let (sender, count) = stand_in(statuses, 0).await;
            let peer = Peer::open("c-1=");
            let result =
                sender.post(peer, None, &ErrorMessage::new(Problem::unknown_action(), "r-1")).await;
            assert!(
                if sent {
                    result.is_ok()
                } else {
                    matches!(result, Err(SendError::Unavailable(_)))
                },
                "{statuses:?}: {result:?}"
            );
            assert_eq!(count.load(Ordering::Relaxed), requests, "{statuses:?}");
        }
    }

    #[tokio::test]
    async fn a_post_that_finds_nobody_is_tried_again() {
        let (sender, count) = stand_in(&["200 OK"], 0).await;
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let config = sender
            .client
            .config()
            .to_builder()
            .endpoint_url(format!("http://{closed}/live"))
            .build();
        let nobody = Sender { client: Client::from_conf(config), ..sender };
        let message = ErrorMessage::new(Problem::unknown_action(), "r-1");
        let since = std::time::Instant::now();
        let result = nobody.post(Peer::open("c-1="), None, &message).await;
        assert!(matches!(result, Err(SendError::Unavailable(_))), "{result:?}");
        assert!(
            since.elapsed() > Duration::from_millis(900),
            "given up after {:?}",
            since.elapsed()
        );
        assert_eq!(count.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_frame_that_is_too_large_is_not_sent() {
        let (sender, count) = stand_in(&["200 OK"], 0).await;
        let message = ErrorMessage::new(Problem::unknown_action(), &"x".repeat(FRAME_LIMIT));
        let result = sender.post(Peer::open("c-1="), None, &message).await;
        assert!(matches!(result, Err(SendError::Frame(_))), "{result:?}");
        assert_eq!(count.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn closing_twice_is_as_good_as_once() {
        for statuses in [&["204 No Content"][..], &[GONE]] {
            let (sender, _) = stand_in(statuses, 0).await;
            sender.close("c-1=").await.unwrap();
        }
        let (sender, _) = stand_in(&["403 Forbidden"], 0).await;
        assert!(matches!(sender.close("c-1=").await, Err(SendError::Unavailable(_))));
    }
}

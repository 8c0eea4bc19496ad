//! A WebSocket that reads and writes at once: it reads a client's messages while a message to the
//! client is still being sent.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::WebSocketLimits;

/// How long a client may go on sending after the connection has been closed.
const CLOSE_GRACE: Duration = Duration::from_secs(5);
/// A client that has sent nothing for this long after the closing frame is not in the midst of
/// sending.
const QUIET: Duration = Duration::from_millis(300);

/// The server's end of a connection.
pub(super) struct Socket<S> {
    stream: WebSocketStream<S>,
    writing: bool,
}

/// An event on the socket.
#[derive(Debug)]
pub(super) enum Progress {
    /// The message given to [`Socket::send`] has been written.
    Written,
    /// A text message arrived.
    Text(Utf8Bytes),
    /// A ping or pong arrived. Pings have been answered.
    Control,
    /// The client has closed the connection, or must be told that it is closed.
    End(End),
}

/// How a connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) code: u16,
    pub(super) reason: String,
    /// Whether the server must send the closing frame.
    pub(super) by_us: bool,
}

impl End {
    /// The server closes the connection.
    pub(super) fn by_us(code: CloseCode, reason: &str) -> Self {
        Self { code: code.into(), reason: reason.to_owned(), by_us: true }
    }

    /// The connection was lost.
    pub(super) fn lost() -> Self {
        Self {
            code: CloseCode::Abnormal.into(),
            reason: "Connection Closed Abnormally".to_owned(),
            by_us: false,
        }
    }

    fn by_client(frame: Option<CloseFrame>) -> Self {
        let (code, reason) = match frame {
            Some(frame) => (frame.code.into(), frame.reason.to_string()),
            None => (CloseCode::Status.into(), "Client-side close frame status not set".to_owned()),
        };
        Self { code, reason, by_us: false }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Makes the socket on a stream that has been upgraded.
    pub(super) async fn new(stream: S, limits: WebSocketLimits) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(4 * 1024)
            .write_buffer_size(0)
            .max_frame_size(Some(limits.frame_bytes))
            .max_message_size(Some(limits.message_bytes));
        Self {
            stream: WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await,
            writing: false,
        }
    }

    /// Whether a message is still being written.
    pub(super) fn writing(&self) -> bool {
        self.writing
    }

    /// Sends a message. [`Progress::Written`] reports that it has been written. Only then may the
    /// caller send the next one.
    pub(super) fn send(&mut self, message: Bytes) {
        // Bytes that are not UTF-8 can't be a text message.
        let message =
            Utf8Bytes::try_from(message.clone()).map_or(Message::Binary(message), Message::Text);
        self.writing = true;
        // The next read reports the error again, and ends the connection.
        if let Err(error) = self.stream.start_send_unpin(message) {
            tracing::debug!(%error, "failed to send a message");
        }
    }

    /// Waits for the next event. Without `reading`, it does not read from the client. It is
    /// cancel-safe: no event is lost.
    pub(super) async fn progress(&mut self, reading: bool) -> Progress {
        poll_fn(|context| self.poll_progress(context, reading)).await
    }

    fn poll_progress(&mut self, context: &mut Context<'_>, reading: bool) -> Poll<Progress> {
        if self.writing {
            match self.stream.poll_flush_unpin(context) {
                Poll::Ready(Ok(())) => {
                    self.writing = false;
                    return Poll::Ready(Progress::Written);
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Progress::End(End::lost())),
                Poll::Pending => {}
            }
        }
        if !reading {
            return Poll::Pending;
        }
        self.stream.poll_next_unpin(context).map(|received| match received {
            Some(Ok(Message::Text(text))) => Progress::Text(text),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Progress::Control,
            Some(Ok(Message::Close(frame))) => Progress::End(End::by_client(frame)),
            Some(Ok(Message::Binary(_) | Message::Frame(_))) => {
                Progress::End(End::by_us(CloseCode::Unsupported, "Binary frames are not supported"))
            }
            Some(Err(error)) => Progress::End(failure(&error)),
            None => Progress::End(End::lost()),
        })
    }

    /// Ends the connection. Sends the closing frame if it is the server's turn.
    pub(super) async fn close(mut self, end: &End) {
        let farewell = async {
            if end.by_us {
                let frame =
                    CloseFrame { code: end.code.into(), reason: end.reason.as_str().into() };
                self.stream.send(Message::Close(Some(frame))).await?;
            } else {
                // The answer to the client's closing frame may still be unsent.
                self.stream.flush().await?;
            }
            let stream = self.stream.get_mut();
            stream.shutdown().await?;
            // If the stream were dropped while the client is still sending, the client's system
            // would discard the closing frame unread.
            while matches!(timeout(QUIET, stream.read(&mut [0; 4096])).await, Ok(Ok(1..))) {}
            Ok::<_, Error>(())
        };
        if !matches!(timeout(CLOSE_GRACE, farewell).await, Ok(Ok(()))) {
            tracing::debug!(
                code = end.code,
                "failed to tell a client that its connection is closed"
            );
        }
    }
}

/// The end of a connection whose client broke the protocol or a limit, or went away.
fn failure(error: &Error) -> End {
    match error {
        Error::Capacity(_) => End::by_us(CloseCode::Size, "Message too long"),
        Error::Utf8(_) => End::by_us(CloseCode::Invalid, "Text is not UTF-8"),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => End::lost(),
        Error::Protocol(_) => End::by_us(CloseCode::Protocol, "Protocol error"),
        _ => End::lost(),
    }
}

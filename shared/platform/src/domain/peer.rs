//! The client's end of a WebSocket connection.

/// A connection as far as a sender has to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer<'a> {
    /// API Gateway's id of the connection.
    pub connection_id: &'a str,
    /// When it began to open, milliseconds since 1970; 0 where it is known to be open.
    pub connected_at: i64,
}

impl<'a> Peer<'a> {
    /// A connection that a message has come over. It is open, so that 410 means its end from the
    /// first moment on.
    pub fn open(connection_id: &'a str) -> Self {
        Self { connection_id, connected_at: 0 }
    }
}

//! Opens a connection, which takes one of the places that its session has.
//!
//! The session's item lists its connections, so their number is a condition of the write that opens
//! one more. `$disconnect` takes a connection off the list, but API Gateway does not promise to
//! call it. If the list is full, the function asks `@connections` which of them are still there.

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use http::header;
use jiff::Timestamp;
use platform::audit::AuditDetails;
use platform::database::Write;
use platform::domain::Peer;
use platform::plan::Reply;
use platform::socket::Sender;
use platform::store::{CONNECTIONS_PER_SESSION, Connection, Connections, Session, Sessions};
use platform::{ConfigError, Plan, Platform, Problem};
use tally_data::domain::{ChartType, Interval};

/// Opens connections.
#[derive(Debug, Clone)]
pub struct Opening {
    sessions: Sessions,
    connections: Connections,
    sender: Sender,
}

/// A connection that is to be opened.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The connection.
    pub connection: Connection,
    /// The write that uses its ticket up, if it came with one.
    pub spend: Option<Write>,
    /// The subprotocol to speak, if the client offers one.
    pub protocol: Option<&'static str>,
    /// A chart to subscribe to at once.
    pub chart: Option<(ChartType, Interval)>,
}

/// The details of a connection's event.
pub fn details(connection_id: &str) -> AuditDetails {
    AuditDetails::action("ws.connect").resource("connection", connection_id)
}

impl Opening {
    /// Uses the tables of sessions and connections, and `@connections`.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let config = &platform.config;
        Ok(Self {
            sessions: Sessions::new(platform)?,
            connections: Connections::new(platform)?,
            sender: Sender::new(config, platform.clock.clone())?,
        })
    }

    /// The connection and its place, if its session is valid and has a place left. The future is
    /// boxed, because it calls this function again if the session has changed since it was read.
    pub fn plan(
        self,
        asked: Asked,
        session: Option<Session>,
        now: Timestamp,
    ) -> BoxFuture<'static, Result<Plan<()>, Problem>> {
        async move {
            let Some(session) =
                session.filter(|session| session.holds(&asked.connection.identity, now))
            else {
                return Err(Problem::invalid_token());
            };
            let ended = self.ended(&session, now).await;
            if session.connections.len() - ended.len() >= CONNECTIONS_PER_SESSION {
                return Err(Problem::too_many_connections(CONNECTIONS_PER_SESSION));
            }
            let reply = Reply::new(());
            let reply = match asked.protocol {
                Some(protocol) => reply.header(header::SEC_WEBSOCKET_PROTOCOL, protocol),
                None => reply,
            };
            let details = details(&asked.connection.connection_id);
            let mut plan = Plan::reply(reply)
                .details(details)
                .write(self.connections.open(&asked.connection)?);
            if let Some(spend) = &asked.spend {
                // The refusal is a plan of its own, so that it leaves no event of this connection.
                plan = plan.write_or_retry(
                    spend.clone(),
                    Box::new(|_| async { Err(Problem::invalid_ticket()) }.boxed()),
                );
            }
            let place = self.sessions.take_place(&asked.connection, &ended, now);
            Ok(plan.write_or_retry(
                place,
                Box::new(move |found| {
                    async move {
                        let session = found.map(|item| self.sessions.read(item)).transpose()?;
                        self.plan(asked, session, now).await
                    }
                    .boxed()
                }),
            ))
        }
        .boxed()
    }

    /// Connections of a session that have ended but still take a place. These are the ones that are
    /// older than a connection can be. If that does not make room, those that `@connections` does
    /// not know are added.
    async fn ended(&self, session: &Session, now: Timestamp) -> Vec<String> {
        let listed = session
            .connections
            .iter()
            .map(|(id, opened)| Peer { connection_id: id, connected_at: *opened });
        let (outlived, rest): (Vec<_>, Vec<_>) =
            listed.partition(|peer| Connection::expiry(peer.connected_at) <= now.as_second());
        let mut ended = outlived;
        if rest.len() >= CONNECTIONS_PER_SESSION {
            let open = join_all(rest.iter().map(|peer| self.sender.is_open(*peer))).await;
            for (peer, open) in rest.into_iter().zip(open) {
                match open {
                    Ok(true) => {}
                    Ok(false) => ended.push(peer),
                    Err(error) => {
                        tracing::warn!(
                            %error,
                            connection_id = peer.connection_id,
                            "failed to check a connection; it keeps its place"
                        );
                    }
                }
            }
        }
        ended.into_iter().map(|peer| peer.connection_id.to_owned()).collect()
    }
}

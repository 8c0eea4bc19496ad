//! `$connect`: opens a WebSocket connection for a session, or refuses it.

mod credentials;
mod query;

use std::time::Instant;

use http::{HeaderValue, header};
use jiff::Timestamp;
use platform::audit::Note;
use platform::charts::{Announce, Charts};
use platform::clock::Clock;
use platform::config::ConfigError;
use platform::gate::{Gate, Passage};
use platform::identity::Principal;
use platform::plan::{Plan, Reply};
use platform::platform::Platform;
use platform::problem::Problem;
use platform::routes::{self, ActionRoute};
use platform::socket::{Call, Lifecycle};
use platform::store::{Connection, Connections, Sessions};

use crate::credentials::{Admission, Credentials, PROTOCOL, offers};
use crate::query::ConnectQuery;

/// The beginning of a connection.
pub struct Connect {
    gate: Gate,
    credentials: Credentials,
    sessions: Sessions,
    connections: Connections,
    charts: Charts,
    origins: Vec<String>,
    clock: Clock,
}

impl Lifecycle for Connect {
    const ROUTE: ActionRoute = routes::CONNECT;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            gate: Gate::for_messages(platform, Self::ROUTE.limits)?,
            credentials: Credentials::new(platform)?,
            sessions: Sessions::new(platform.database()?, &platform.config)?,
            connections: Connections::new(platform.database()?, &platform.config)?,
            charts: Charts::new(platform)?,
            origins: platform.config.require("CORS_ORIGINS")?.split(',').map(|origin| origin.trim().to_owned()).collect(),
            clock: platform.clock.clone(),
        })
    }

    async fn handle(&self, call: &Call) -> Result<Reply<()>, Problem> {
        let now = self.clock.now();
        let passage = Passage { context: &call.context, now, since: Instant::now(), action: Self::ROUTE.audit, claim: None };
        let admission = match self.admit(call, now).await {
            Ok(admission) => admission,
            Err(problem) => return self.gate.commit(Err(problem), None, &passage).await,
        };
        let ConnectQuery { chart } = call.query().read()?;
        let connection = Connection {
            connection_id: call.connection_id.clone(),
            identity: admission.identity,
            token_exp: admission.token_exp,
            connected_at: call.connected_at,
            address: call.context.address.clone(),
            user_agent: call.context.user_agent.clone(),
            expires_at: Connection::expiry(call.connected_at),
        };
        let mut reply = Reply::new(());
        if offers(call, PROTOCOL) {
            reply = reply.header(header::SEC_WEBSOCKET_PROTOCOL, PROTOCOL);
        }
        let mut plan = Plan::reply(reply)
            .write(self.connections.open(&connection)?)
            .write_or(self.sessions.must_stand(&connection.identity.session_id, now), Problem::invalid_token())
            .note(Note::default().resource("connection", &connection.connection_id));
        if let Some(spend) = admission.spend {
            plan = plan.write_or(spend, Problem::invalid_ticket());
        }
        let caller = Principal::from(connection.identity.clone());
        let reply = self.gate.commit(Ok(plan), Some(&caller), &passage).await?;

        if let Some((chart_type, interval)) = chart {
            let passage = Passage { action: routes::CHARTS_SUBSCRIBE.audit, ..passage };
            let plan = self.charts.subscribe(&connection, chart_type, interval, Announce::Worker, now);
            // The connection has been committed and is good without the chart, which can be subscribed to again.
            if let Err(problem) = self.gate.commit(plan, Some(&caller), &passage).await {
                tracing::error!(code = problem.code, connection_id = connection.connection_id, "a chart was not subscribed to");
            }
        }
        Ok(reply)
    }
}

impl Connect {
    /// Who may connect: from where, with what, and whether their session lives.
    async fn admit(&self, call: &Call, now: Timestamp) -> Result<Admission, Problem> {
        let allowed = |origin: &HeaderValue| self.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes());
        if !call.headers.get_all(header::ORIGIN).iter().all(allowed) {
            return Err(Problem::origin_refused());
        }
        let admission = self.credentials.judge(call, now).await?;
        if !self.sessions.holds(&admission.identity, now).await? {
            return Err(Problem::invalid_token());
        }
        Ok(admission)
    }
}

//! `$connect`: opens a WebSocket connection for a session, or refuses it.

mod credentials;
mod opening;
mod query;

use std::time::Instant;

use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
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
use platform::store::{Connection, Session, Sessions};

use crate::credentials::{Admission, Credentials, PROTOCOL, offers};
use crate::opening::{Asked, Opening};
use crate::query::ConnectQuery;

/// The beginning of a connection.
pub struct Connect {
    gate: Gate,
    credentials: Credentials,
    sessions: Sessions,
    opening: Opening,
    charts: Charts,
    origins: Vec<String>,
    clock: Clock,
}

impl Lifecycle for Connect {
    const ROUTE: ActionRoute = routes::CONNECT;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            gate: Gate::for_action(platform, &Self::ROUTE)?,
            credentials: Credentials::new(platform)?,
            sessions: Sessions::new(platform.database()?, &platform.config)?,
            opening: Opening::new(platform)?,
            charts: Charts::new(platform)?,
            origins: platform.config.require("CORS_ORIGINS")?.split(',').map(|origin| origin.trim().to_owned()).collect(),
            clock: platform.clock.clone(),
        })
    }

    async fn handle(&self, call: &Call) -> Result<Reply<()>, Problem> {
        let now = self.clock.now();
        let passage = Passage { context: &call.context, now, since: Instant::now(), action: Self::ROUTE.audit, claim: None };
        let admission = self.admit(call, now).await;
        let caller = admission.as_ref().ok().map(|admission| Principal::from(admission.identity.clone()));
        let asked = match admission {
            Ok(admission) => self.ask(call, admission, now).await,
            Err(problem) => Err(problem),
        };
        let plan = match &asked {
            Ok((asked, session)) => self.opening.clone().plan(asked.clone(), Some(session.clone()), now).await,
            // Whoever is nobody, or nobody any more, leaves one event in a while: else strangers could fill the trail.
            Err(problem) if matches!(problem.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                return Err(self.gate.deny(problem.clone(), caller.as_ref(), &passage).await);
            }
            Err(problem) => Ok(Plan::refuse(problem.clone()).note(opening::note(&call.connection_id))),
        };
        let reply = self.gate.commit(plan, caller.as_ref(), &passage).await?;

        if let Ok((Asked { connection, chart: Some((chart_type, interval)), .. }, _)) = asked {
            let passage = Passage { action: routes::CHARTS_SUBSCRIBE.audit, ..passage };
            let plan = self.charts.subscribe(&connection, chart_type, interval, Announce::Worker, now);
            // The connection has been committed and is good without the chart, which can be subscribed to again.
            if let Err(problem) = self.gate.commit(plan, caller.as_ref(), &passage).await {
                tracing::error!(code = %problem.code, connection_id = connection.connection_id, "a chart was not subscribed to");
            }
        }
        Ok(reply)
    }
}

impl Connect {
    /// Who asks for a connection: from where, and with what.
    async fn admit(&self, call: &Call, now: Timestamp) -> Result<Admission, Problem> {
        let allowed = |origin: &HeaderValue| self.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes());
        if !call.headers.get_all(header::ORIGIN).iter().all(allowed) {
            return Err(Problem::origin_refused());
        }
        self.credentials.judge(call, now).await
    }

    /// What is asked for, and the session that it is asked for in.
    async fn ask(&self, call: &Call, admission: Admission, now: Timestamp) -> Result<(Asked, Session), Problem> {
        let Admission { identity, token_exp, spend } = admission;
        let session = self.sessions.get(&identity.session_id).await?;
        let session = session.filter(|session| session.holds(&identity, now)).ok_or_else(Problem::invalid_token)?;
        let ConnectQuery { chart } = call.query().read()?;
        let connection = Connection {
            connection_id: call.connection_id.clone(),
            identity,
            token_exp,
            connected_at: call.connected_at,
            address: call.context.address.clone(),
            user_agent: call.context.user_agent.clone(),
            expires_at: Connection::expiry(call.connected_at),
        };
        let protocol = offers(call, PROTOCOL).then_some(PROTOCOL);
        Ok((Asked { connection, spend, protocol, chart }, session))
    }
}

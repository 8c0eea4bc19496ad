//! `$connect`: opens a WebSocket connection for a session, or refuses it.

mod credentials;
mod opening;
mod query;

use futures_util::future::join;
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use platform::clock::Clock;
use platform::gate::{Committer, RateLimiter, RequestInfo};
use platform::identity::Principal;
use platform::limits::Policy;
use platform::plan::Reply;
use platform::routes::{self, ActionRoute};
use platform::socket::{Lifecycle, SocketCall};
use platform::store::{Connection, Session, Sessions};
use platform::{ConfigError, Platform, Problem};
use tally_data::charts::{Announce, Charts};

use crate::credentials::{Admission, Credentials, PROTOCOL, offers};
use crate::opening::{Asked, Opening};
use crate::query::ConnectQuery;

/// The beginning of a connection.
pub struct Connect {
    limiter: RateLimiter,
    committer: Committer,
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
            limiter: RateLimiter::new(platform, Self::ROUTE.action.to_owned())?,
            committer: Committer::for_action(platform, &Self::ROUTE)?,
            credentials: Credentials::new(platform)?,
            sessions: Sessions::new(platform)?,
            opening: Opening::new(platform)?,
            charts: Charts::new(platform)?,
            origins: platform
                .config
                .require("CORS_ORIGINS")?
                .split(',')
                .map(|origin| origin.trim().to_owned())
                .collect(),
            clock: platform.clock.clone(),
        })
    }

    async fn handle(&self, call: &SocketCall) -> Result<Reply<()>, Problem> {
        let now = self.clock.now();
        // Only a connection that opens leaves an event of its own, so its details name the action.
        let info = RequestInfo::new(&call.context, now, None);
        let admission = self.admit(call, now).await;
        let caller =
            admission.as_ref().ok().map(|admission| Principal::from(admission.identity.clone()));
        match self.open(call, admission, caller.as_ref(), &info).await {
            Ok(reply) => Ok(reply),
            Err(problem)
                if matches!(problem.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) =>
            {
                Err(self.limiter.deny(problem, caller.as_ref(), &info).await)
            }
            Err(problem) => {
                if let Some(caller) = &caller {
                    self.limiter
                        .record_failure(
                            &problem,
                            opening::details(&call.connection_id),
                            caller,
                            &info,
                        )
                        .await;
                }
                Err(problem)
            }
        }
    }
}

impl Connect {
    /// Opens a connection, and subscribes to the chart that it asks for.
    async fn open(
        &self,
        call: &SocketCall,
        admission: Result<Admission, Problem>,
        caller: Option<&Principal>,
        info: &RequestInfo<'_>,
    ) -> Result<Reply<()>, Problem> {
        let now = info.now;
        let (asked, session) = self.ask(call, admission?, caller, info).await?;
        let plan = self.opening.clone().plan(asked.clone(), Some(session), now).await;
        let reply = self.committer.commit(plan, caller, info).await?;
        if let Asked { connection, chart: Some(chart), .. } = asked {
            let action = routes::CHARTS_SUBSCRIBE.audit;
            let info =
                RequestInfo { since: info.since, ..RequestInfo::new(info.context, now, action) };
            let plan = self.charts.subscribe(&connection, chart, None, Announce::Worker, now);
            // The connection has been committed and works without the chart. The client can
            // subscribe to the chart again.
            if let Err(problem) = self.committer.commit(plan, caller, &info).await {
                tracing::error!(
                    code = %problem.code,
                    connection_id = connection.connection_id,
                    "failed to subscribe to a chart"
                );
            }
        }
        Ok(reply)
    }

    /// Checks the origin of a request for a connection, and its credential.
    async fn admit(&self, call: &SocketCall, now: Timestamp) -> Result<Admission, Problem> {
        let allowed = |origin: &HeaderValue| {
            self.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes())
        };
        if !call.headers.get_all(header::ORIGIN).iter().all(allowed) {
            return Err(Problem::origin_refused());
        }
        self.credentials.judge(call, now).await
    }

    /// Reads the request and its session, and checks that its user may open one more connection.
    async fn ask(
        &self,
        call: &SocketCall,
        admission: Admission,
        caller: Option<&Principal>,
        info: &RequestInfo<'_>,
    ) -> Result<(Asked, Session), Problem> {
        let Admission { identity, token_exp, spend } = admission;
        let query = call.query().read::<ConnectQuery>();
        let limits: &[&[Policy]] = match &query {
            Ok(ConnectQuery { chart: Some(_) }) => {
                &[Self::ROUTE.limits, routes::CHARTS_SUBSCRIBE.limits]
            }
            Ok(ConnectQuery { chart: None }) => &[Self::ROUTE.limits],
            // An invalid request counts against no limit.
            Err(_) => &[],
        };
        let limits = limits.concat();
        // Both run side by side. An attempt counts even if its session has ended, which harms no
        // other user.
        let count = self.limiter.limit_message(&limits, caller, None, info);
        let (session, counted) = join(self.sessions.get(&identity.session_id), count).await;
        let session = session?
            .filter(|session| session.holds(&identity, info.now))
            .ok_or_else(Problem::invalid_token)?;
        let ConnectQuery { chart } = query?;
        counted?;
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

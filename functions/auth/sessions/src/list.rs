//! `GET /auth/sessions`.

use platform::clock::rfc3339_ms;
use platform::identity::Identity;
use platform::routes::{self, Route};
use platform::store::{Session, Sessions, Users};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use utoipa::ToSchema;

/// The endpoint.
pub struct ListSessions {
    users: Users,
    sessions: Sessions,
}

/// The caller's sessions.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionsView {
    /// Sessions that have not ended, the newest first. A user has at most three, so there is one
    /// page.
    pub items: Vec<SessionView>,
}

/// One session.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionView {
    /// UUIDv7.
    #[schema(format = "uuid")]
    pub id: String,
    /// Time at which it began, RFC 3339 in UTC.
    #[schema(format = DateTime, example = "2026-01-31T09:30:00.000Z")]
    pub created_at: String,
    /// Its login or last refresh, RFC 3339 in UTC.
    #[schema(format = DateTime, example = "2026-01-31T09:45:00.000Z")]
    pub last_used_at: String,
    /// The client's address at the login; for IPv6 its /64.
    #[schema(example = "203.0.113.7")]
    pub address: String,
    /// The client's `User-Agent` at the login.
    pub user_agent: String,
    /// Whether this request came in this session.
    pub current: bool,
}

impl Endpoint for ListSessions {
    const ROUTE: Route = routes::SESSIONS;
    type Caller = Identity;
    type Body = ();
    type Query = ();
    type Output = SessionsView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { users: Users::new(platform)?, sessions: Sessions::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<SessionsView>, Problem> {
        let user =
            self.users.get(&request.caller.user_id).await?.ok_or_else(Problem::invalid_token)?;
        let mut sessions = self.sessions.get_all(user.sessions.keys()).await?;
        sessions.retain(|session| session.is_live(request.now));
        // Ids are UUIDv7: they sort by when the sessions began.
        sessions.sort_by(|a, b| b.id.cmp(&a.id));
        let items = sessions.into_iter().map(|session| view(session, &request.caller)).collect();
        Ok(Plan::reply(SessionsView { items }))
    }
}

fn view(session: Session, caller: &Identity) -> SessionView {
    SessionView {
        created_at: rfc3339_ms(session.began_at),
        last_used_at: rfc3339_ms(session.last_used_at),
        current: session.id == caller.session_id,
        id: session.id,
        address: session.address,
        user_agent: session.user_agent,
    }
}

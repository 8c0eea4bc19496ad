//! `POST|GET /api-keys`, `DELETE /api-keys/{id}`: keys with which services call the API for their
//! owner.

mod create;
mod fields;

use platform::clock::{Timestamp, rfc3339, rfc3339_ms};
use platform::cursor::{Cursors, Page, Paging};
use platform::http::PathParameter;
use platform::identity::{Identity, Scope};
use platform::routes::{self, Route};
use platform::store::{ApiKey, ApiKeys, Users};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use utoipa::ToSchema;

pub use create::{CreateApiKey, CreatedApiKey, NewApiKey};

/// The endpoints of this function.
pub type Endpoints = (CreateApiKey, ListApiKeys, DeleteApiKey);

/// A key as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub struct ApiKeyView {
    /// UUIDv7.
    #[schema(format = "uuid")]
    pub id: String,
    /// Name that its owner gave it.
    #[schema(example = "Nightly import")]
    pub name: String,
    /// Scopes of the key.
    pub scopes: Vec<Scope>,
    /// RFC 3339, UTC.
    #[schema(format = DateTime, example = "2026-01-31T09:30:00.000Z")]
    pub created_at: String,
    /// RFC 3339, UTC. From then on the server refuses the key.
    #[schema(format = DateTime, example = "2026-12-31T00:00:00.000Z")]
    pub expires_at: String,
    /// RFC 3339, UTC, to the hour, or null if the key has not been used yet.
    #[schema(format = DateTime, required)]
    pub last_used_at: Option<String>,
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        let time = |milliseconds| {
            rfc3339(Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH))
        };
        Self {
            id: key.id,
            name: key.name,
            scopes: key.scopes,
            created_at: time(key.created_at),
            expires_at: time(key.expires_at),
            last_used_at: key.last_used_at.map(time),
        }
    }
}

/// A key in the list of its owner.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListedApiKey {
    /// The key.
    #[serde(flatten)]
    pub api_key: ApiKeyView,
    /// RFC 3339, UTC. From then on the server refuses the key, until you sign in by the identity
    /// provider again. Each sign-in moves this time. Null if your account has a password.
    #[schema(format = DateTime, required, example = "2026-02-28T09:30:00.000Z")]
    pub sign_in_by: Option<String>,
}

/// `GET /api-keys`.
pub struct ListApiKeys {
    keys: ApiKeys,
    users: Users,
    cursors: Cursors,
}

impl Endpoint for ListApiKeys {
    const ROUTE: Route = routes::API_KEYS;
    type Caller = Identity;
    type Body = ();
    type Query = Paging;
    type Output = Page<ListedApiKey>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let keys = ApiKeys::new(platform)?;
        let users = Users::new(platform)?;
        Ok(Self { keys, users, cursors: Cursors::new(platform)? })
    }

    async fn handle(
        &self,
        request: Request<'_, Self>,
    ) -> Result<Plan<Page<ListedApiKey>>, Problem> {
        let user_id = &request.caller.user_id;
        let after = self.cursors.open::<String>(&request.query, user_id, request.call).await?;
        let (keys, more) =
            self.keys.of_user(user_id, after.as_deref(), request.query.limit).await?;
        let last = keys.last().filter(|_| more).map(|key| key.id.clone());
        let user = self.users.get(user_id).await?.ok_or_else(Problem::invalid_token)?;
        // The list leaves out a key that a reset of the password has ended, like a deleted one. A
        // key that waits for its owner's next sign-in stays.
        let ended =
            |key: &ApiKey| !key.has_expired(request.now) && !user.api_keys.contains_key(&key.id);
        let sign_in_by = user.sso.as_ref().map(|sso| rfc3339_ms(sso.keys_until));
        let items = keys
            .into_iter()
            .filter(|key| !ended(key))
            .map(|key| ListedApiKey { api_key: key.into(), sign_in_by: sign_in_by.clone() });
        let items = items.collect();
        Ok(Plan::reply(self.cursors.page(items, last, user_id, request.call).await?))
    }
}

/// `DELETE /api-keys/{id}`.
pub struct DeleteApiKey {
    keys: ApiKeys,
    users: Users,
}

impl Endpoint for DeleteApiKey {
    const ROUTE: Route = routes::API_KEYS_DELETE;
    const PATH: &'static [PathParameter] = &[PathParameter::id("id", "Id of the API key.")];
    type Caller = Identity;
    type Body = ();
    type Query = ();
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { keys: ApiKeys::new(platform)?, users: Users::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<()>, Problem> {
        let id = &request.call.path_id("id")?;
        let user_id = &request.caller.user_id;
        let plan = Plan::reply(()).write_or(self.keys.delete(id, user_id), Problem::not_found());
        Ok(plan.write_or(self.users.dismiss_key(user_id, id), Problem::not_found()))
    }
}

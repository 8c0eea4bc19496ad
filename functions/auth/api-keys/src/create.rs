//! `POST /api-keys`: makes a key. The answer shows its text only once.

use platform::api_key::ApiKeyText;
use platform::audit::AuditDetails;
use platform::clock::Timestamp;
use platform::identity::{Identity, Scope};
use platform::input::{Fields, Input};
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::store::{API_KEYS_PER_USER, ApiKey, ApiKeys, Users};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request, ids};
use serde::Serialize;
use utoipa::ToSchema;

use crate::ApiKeyView;
use crate::fields::{Name, Scopes};

/// Seconds that a key is valid at most: 365 days.
const LONGEST_SECONDS: i64 = 365 * 86_400;

/// `POST /api-keys`.
#[derive(Clone)]
pub struct CreateApiKey {
    keys: ApiKeys,
    users: Users,
}

/// The API key to create.
#[derive(ToSchema)]
#[schema(as = NewApiKey)]
pub struct NewApiKey {
    /// Name that its owner gave it.
    #[schema(value_type = String, min_length = 1, max_length = 100, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$",
        example = "Nightly import")]
    pub name: Name,
    /// Scopes of the key. It may do no more than its owner.
    #[schema(value_type = Vec<Scope>, min_items = 1, example = json!(["profits:read"]))]
    pub scopes: Scopes,
    /// Time at which it expires, at most 365 days from now.
    #[schema(value_type = String, format = "date-time", example = "2026-12-31T00:00:00Z")]
    pub expires_at: Timestamp,
}

/// A new key with its text.
#[derive(Serialize, ToSchema)]
pub struct CreatedApiKey {
    /// The key as it is listed.
    #[serde(flatten)]
    pub api_key: ApiKeyView,
    /// The key, which the service sends as `X-API-Key`. The server does not store it, so it cannot
    /// show it again.
    #[schema(
        example = "tly_019a0000000070008000000000000000_00000000000000000000000000000000000000000000000000000000"
    )]
    pub key: String,
}

impl Input for NewApiKey {
    fn read(fields: &mut Fields) -> Option<Self> {
        let name = fields.required("name");
        let scopes = fields.required("scopes");
        let expires_at = fields.required("expires_at");
        Some(Self { name: name?, scopes: scopes?, expires_at: expires_at? })
    }
}

impl Endpoint for CreateApiKey {
    const ROUTE: Route = routes::API_KEYS_CREATE;
    const PROBLEMS: &'static [Code] = &[Code::SecretAlreadyShown, Code::TooManyApiKeys];
    type Caller = Identity;
    type Body = NewApiKey;
    type Query = ();
    type Output = CreatedApiKey;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { keys: ApiKeys::new(platform)?, users: Users::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<CreatedApiKey>, Problem> {
        let (NewApiKey { name: Name(name), scopes: Scopes(scopes), expires_at }, now) =
            (request.body, request.now);
        if !(1..=LONGEST_SECONDS).contains(&(expires_at.as_second() - now.as_second())) {
            return Err(Problem::invalid_field(
                "expires_at",
                "must be in the future, and at most 365 days away",
            ));
        }
        let text = ApiKeyText::new(ids::new_uuid(now));
        let key = ApiKey::new(&text, &request.caller.user_id, name, scopes, expires_at, now);
        self.clone().plan(request.caller, key, text.reveal(), &[], now)
    }

    async fn repeat(&self, _: Request<'_, Self>, _: &str) -> Result<Plan<CreatedApiKey>, Problem> {
        Err(Problem::secret_already_shown())
    }
}

impl CreateApiKey {
    /// The key, which is also put on its owner's list, in the place of expired keys.
    fn plan(
        self,
        caller: Identity,
        key: ApiKey,
        text: String,
        expired: &[String],
        now: Timestamp,
    ) -> Result<Plan<CreatedApiKey>, Problem> {
        let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.as_str()).collect();
        let details = AuditDetails::default()
            .resource("api_key", &key.id)
            .detail("name", key.name.as_str())
            .detail("scopes", scopes);
        let create = self.keys.create(&key)?;
        let admit = self.users.admit_key(&caller, &key, expired);
        let answer = CreatedApiKey { api_key: key.clone().into(), key: text.clone() };
        let plan = Plan::reply(answer).details(details.clone()).creates(&key.id).write(create);
        Ok(plan.write_or_retry(
            admit,
            Box::new(move |found| {
                Box::pin(async move {
                    let user = found.map(|item| self.users.read(item)).transpose()?;
                    let user = user
                        .filter(|user| user.sessions.contains_key(&caller.session_id))
                        .ok_or_else(Problem::invalid_token)?;
                    let expired = user.expired_keys(now);
                    if user.api_keys.len() - expired.len() >= API_KEYS_PER_USER {
                        return Ok(Plan::refuse(Problem::too_many_api_keys(API_KEYS_PER_USER))
                            .details(details));
                    }
                    self.plan(caller, key, text, &expired, now)
                })
            }),
        ))
    }
}

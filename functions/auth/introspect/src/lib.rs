//! `POST /auth/introspect`: whether a token is valid now, and its claims (RFC 7662). It is for
//! services that are shown tokens of this API. They ask with an API key that has the scope
//! `tokens:introspect`.

use platform::audit::AuditDetails;
use platform::identity::Principal;
use platform::input::Media;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use tally_accounts::sessions::{Held, ShownToken, ShownTokens};
use tally_accounts::tokens::Genuine;
use utoipa::ToSchema;

/// The endpoints of this function.
pub type Endpoints = (IntrospectToken,);

/// The endpoint.
pub struct IntrospectToken {
    tokens: ShownTokens,
}

/// The answer. For a token that is not valid it has only `active`.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Introspection {
    /// Whether the token is genuine, has not expired, has not been spent, and its session has not
    /// ended.
    pub active: bool,
    /// `access` or `refresh`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "access")]
    pub token_use: Option<&'static str>,
    /// `bearer`, for an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "bearer")]
    pub token_type: Option<&'static str>,
    /// User id. The answer has no roles, because a service that needs them reads the current ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "uuid", nullable = false)]
    pub sub: Option<String>,
    /// Username when the session began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "demo")]
    pub username: Option<String>,
    /// Session id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "uuid", nullable = false)]
    pub sid: Option<String>,
    /// Id of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "uuid", nullable = false)]
    pub jti: Option<String>,
    /// Issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "tally")]
    pub iss: Option<String>,
    /// Audience of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "tally-api")]
    pub aud: Option<String>,
    /// Time at which it was issued, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub iat: Option<i64>,
    /// Time at which it expires, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub exp: Option<i64>,
}

impl From<Held> for Introspection {
    fn from(Held { claims, session, is_good }: Held) -> Self {
        if !is_good {
            return Self::default();
        }
        let sub = Some(session.user_id);
        let username = Some(session.username);
        let sid = Some(session.id);
        let of_session = Self { active: true, sub, username, sid, ..Self::default() };
        match claims {
            Genuine::Access(claims) => Self {
                token_use: Some("access"),
                token_type: Some("bearer"),
                jti: Some(claims.jti),
                iss: Some(claims.iss),
                aud: Some(claims.aud),
                iat: Some(claims.iat),
                exp: Some(claims.exp),
                ..of_session
            },
            Genuine::Refresh(claims) => Self {
                token_use: Some("refresh"),
                jti: Some(claims.jti),
                iss: Some(claims.iss),
                aud: Some(claims.aud),
                iat: Some(claims.iat),
                // An unused refresh token expires with its session.
                exp: Some(session.expires_at),
                ..of_session
            },
        }
    }
}

impl Endpoint for IntrospectToken {
    const ROUTE: Route = routes::INTROSPECT;
    const MEDIA: Media = Media::Form;
    type Caller = Principal;
    type Body = ShownToken;
    type Query = ();
    type Output = Introspection;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { tokens: ShownTokens::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Introspection>, Problem> {
        let held = self.tokens.find(&request.body, request.now).await?;
        let details = held.iter().fold(AuditDetails::default(), |details, held| {
            details.resource("session", &held.session.id)
        });
        let answer = held.map(Introspection::from).unwrap_or_default();
        let details = details.detail("active", answer.active);
        Ok(Plan::reply(answer).details(details))
    }
}

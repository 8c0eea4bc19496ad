//! `auth.renew`: gives a connection a newer token. Otherwise it ends an hour after the token that
//! it came with has expired.

use futures_util::FutureExt as _;
use platform::clock::rfc3339_ms;
use platform::input::{Fields, Input};
use platform::routes::{self, ActionRoute};
use platform::socket::{Action, Message, ServerMessage};
use platform::store::Connections;
use platform::tokens::AccessTokens;
use platform::{ConfigError, Plan, Platform, Problem};
use serde::Serialize;
use utoipa::ToSchema;

/// The action.
pub struct Renew {
    tokens: AccessTokens,
    connections: Connections,
}

/// A newer access token.
#[derive(ToSchema)]
pub struct RenewBody {
    /// An access token of the session in which the connection was opened.
    pub token: String,
}

/// The connection uses the new token, or an earlier one that expires later.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Renewed {
    /// Time at which that token expires, RFC 3339 in UTC. The connection ends an hour later.
    #[schema(format = DateTime, example = "2026-01-31T09:45:00.000Z")]
    pub expires_at: String,
}

impl ServerMessage for Renewed {
    const TYPE: &'static str = "auth.renewed";
}

impl Input for RenewBody {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { token: fields.required("token")? })
    }
}

impl Action for Renew {
    const ROUTE: ActionRoute = routes::AUTH_RENEW;
    type Body = RenewBody;
    type Output = Renewed;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { tokens: AccessTokens::new(platform)?, connections: Connections::new(platform)? })
    }

    async fn handle(&self, message: Message<'_, Self>) -> Result<Plan<Option<Renewed>>, Problem> {
        let (identity, claims) = self.tokens.verify(&message.body.token).await?;
        // The owner of a connection does not change, because it may be subscribed to the owner's
        // data.
        if identity.user_id != message.caller.user_id
            || identity.session_id != message.caller.session_id
        {
            return Err(Problem::invalid_token());
        }
        let renew = self.connections.renew(&message.connection.connection_id, claims.exp);
        let connections = self.connections.clone();
        let found = move |found| {
            async move {
                let Some(item) = found else { return Err(Problem::invalid_token()) };
                Ok(Plan::reply(Some(renewed(connections.read(item)?.token_exp))))
            }
            .boxed()
        };
        Ok(Plan::reply(Some(renewed(claims.exp))).write_or_retry(renew, Box::new(found)))
    }
}

/// The answer; `token_exp` in seconds since 1970.
fn renewed(token_exp: i64) -> Renewed {
    Renewed { expires_at: rfc3339_ms(token_exp.saturating_mul(1_000)) }
}

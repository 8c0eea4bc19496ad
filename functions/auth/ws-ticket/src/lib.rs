//! `POST /auth/ws-ticket`: lets a browser open a WebSocket without putting its token into a URL.

use platform::identity::Identity;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request, ids};
use serde::Serialize;
use tally_accounts::store::{Ticket, Tickets};
use utoipa::ToSchema;

/// The endpoints of this function.
pub type Endpoints = (CreateTicket,);

/// Seconds that a ticket is valid.
const LIFETIME_SECONDS: i64 = 60;

/// The endpoint.
pub struct CreateTicket {
    tickets: Tickets,
}

/// A ticket for one WebSocket connection.
#[derive(Serialize, ToSchema)]
pub struct IssuedTicket {
    /// The ticket, for the query of the WebSocket's URL. It is valid for one use.
    #[schema(example = "Zk1uV0ZQd2Y3c3VtbWVyLW9mLTIwMjYtaXMtd2FybQ")]
    pub ticket: String,
    /// Seconds for which it is valid.
    #[schema(example = 60)]
    pub expires_in: i64,
}

impl Endpoint for CreateTicket {
    const ROUTE: Route = routes::WS_TICKET;
    type Caller = Identity;
    type Body = ();
    type Query = ();
    type Output = IssuedTicket;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { tickets: Tickets::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<IssuedTicket>, Problem> {
        // A connection lasts as long as the token behind it, so the ticket has to record when that
        // token expires.
        let token_exp = request.token_exp.ok_or_else(Problem::unauthenticated)?;
        let ticket = ids::new_secret::<32>();
        let write = self.tickets.issue(&Ticket {
            ticket_hash: ids::sha256(&ticket),
            identity: request.caller,
            token_exp,
            expires_at: request.now.as_second() + LIFETIME_SECONDS,
        })?;
        Ok(Plan::reply(IssuedTicket { ticket, expires_in: LIFETIME_SECONDS }).write(write))
    }
}

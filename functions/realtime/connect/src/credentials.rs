//! Identifies the caller of `$connect` by a ticket, or by an access token in one of the places
//! where a client can put one.

use http::header;
use jiff::Timestamp;
use platform::database::Write;
use platform::gate::bearer;
use platform::identity::Identity;
use platform::socket::SocketCall;
use platform::tokens::AccessTokens;
use platform::{ConfigError, Platform, Problem};
use tally_accounts::store::Tickets;

/// The subprotocol that is spoken.
pub const PROTOCOL: &str = "tally.v1";

/// Prefix of a subprotocol that carries a token and is not a real one: browsers can send a token in
/// no other header.
const BEARER_PROTOCOL: &str = "bearer.";

/// Identifies the caller that opens a connection.
pub struct Credentials {
    tokens: AccessTokens,
    tickets: Tickets,
    query_token: bool,
}

/// The caller that may open a connection, according to the credential. The session is read after
/// that.
pub struct Admission {
    /// The caller.
    pub identity: Identity,
    /// When the token expires, seconds since 1970. For a ticket, this is the expiry of the token
    /// that asked for it.
    pub token_exp: i64,
    /// The write that uses the ticket up, if one was sent.
    pub spend: Option<Write>,
}

/// The credential that was sent.
#[derive(Debug, PartialEq, Eq)]
enum Credential<'a> {
    Ticket(&'a str),
    Token(&'a str),
}

impl Credentials {
    /// Uses the tickets' table, the access ring and the switch `WS_QUERY_TOKEN`.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            tokens: AccessTokens::new(platform)?,
            tickets: Tickets::new(platform)?,
            query_token: platform.config.switch("WS_QUERY_TOKEN")?,
        })
    }

    /// Judges the first credential that was sent.
    pub async fn judge(&self, call: &SocketCall, now: Timestamp) -> Result<Admission, Problem> {
        match find(call, self.query_token).ok_or_else(Problem::unauthenticated)? {
            Credential::Token(token) => {
                let (identity, claims) = self.tokens.verify(token).await?;
                Ok(Admission { identity, token_exp: claims.exp, spend: None })
            }
            Credential::Ticket(ticket) => {
                let ticket =
                    self.tickets.find(ticket).await?.ok_or_else(Problem::invalid_ticket)?;
                let spend = self.tickets.spend(&ticket, now);
                Ok(Admission {
                    identity: ticket.identity,
                    token_exp: ticket.token_exp,
                    spend: Some(spend),
                })
            }
        }
    }
}

fn find(call: &SocketCall, query_token: bool) -> Option<Credential<'_>> {
    let ticket = || call.peek_query("ticket").map(Credential::Ticket);
    let header = || call.header(header::AUTHORIZATION).and_then(bearer).map(Credential::Token);
    let protocol = || {
        protocols(call)
            .find_map(|protocol| protocol.strip_prefix(BEARER_PROTOCOL))
            .map(Credential::Token)
    };
    let query = || call.peek_query("token").filter(|_| query_token).map(Credential::Token);
    ticket().or_else(header).or_else(protocol).or_else(query)
}

/// Whether the client offers a subprotocol.
pub fn offers(call: &SocketCall, protocol: &str) -> bool {
    protocols(call).any(|offered| offered == protocol)
}

fn protocols(call: &SocketCall) -> impl Iterator<Item = &str> {
    let lines = call.headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter();
    lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')).map(str::trim)
}

//! `GET /audit/verify`: a part of the audit log, compared with the sealed log.

use archive::{Check, Finding, Piece, Progress};
use platform::audit::AuditDetails;
use platform::audit_reader::refuse_empty_range;
use platform::clock::{Timestamp, rfc3339};
use platform::cursor::{Cursors, Page, Paging};
use platform::http::{Parameters, in_query};
use platform::identity::Principal;
use platform::input::{Fields, Input};
use platform::routes::{self, Route};
use platform::store::EventRange;
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use utoipa::openapi::path::Parameter;
use utoipa::{IntoParams, ToSchema};

/// `GET /audit/verify`.
pub struct VerifyAudit {
    check: Check,
    cursors: Cursors,
}

/// The query parameters.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct VerifyQuery {
    /// Start of the time range, which includes it. RFC 3339.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-01-31T00:00:00Z")]
    pub from: Option<Timestamp>,
    /// End of the time range, which excludes it. RFC 3339.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-02-01T00:00:00Z")]
    pub to: Option<Timestamp>,
    /// `next_cursor` of the previous part. Send the same range with it.
    pub cursor: Option<String>,
}

/// The result for a part of the range. The first parts go through the sealed log, and the later
/// ones through the table. Each compares events with their entries.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditVerification)]
pub struct Verification {
    /// Whether this part is as it was sealed. It says nothing about the parts that follow.
    pub ok: bool,
    /// When the newest checkpoint was signed, RFC 3339 in UTC. Null if there is none yet.
    #[schema(required, format = DateTime)]
    pub sealed_through: Option<String>,
    /// Events that this part has compared.
    pub events: usize,
    /// The first difference. The walk ends there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub first_bad: Option<Finding>,
    /// Value of `cursor` for the next part, or null on the last part.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

impl Endpoint for VerifyAudit {
    const ROUTE: Route = routes::AUDIT_VERIFY;
    type Caller = Principal;
    type Body = ();
    type Query = VerifyQuery;
    type Output = Verification;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { check: Check::new(platform)?, cursors: Cursors::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Verification>, Problem> {
        let (caller_id, call) = (&request.caller.user_id, request.call);
        let VerifyQuery { from, to, cursor } = request.query;
        let paging = Paging { limit: 1, cursor };
        let progress = self.cursors.open::<Progress>(&paging, caller_id, call).await?;
        let retention = self.check.retention();
        let piece = match EventRange::between(from, to, request.now, retention) {
            Some(range) => self.check.piece(range, progress).await?,
            None => Piece { sealed_through: None, events: 0, first_bad: None, next: None },
        };
        let Piece { sealed_through, events, first_bad, next } = piece;
        let details = AuditDetails::default().detail("rows", events);
        let details = details.detail("ok", first_bad.is_none());
        let page = self.cursors.page(Vec::<()>::new(), next, caller_id, call).await?;
        let reply = page.map(|Page { next_cursor, .. }| Verification {
            ok: first_bad.is_none(),
            sealed_through: sealed_through.map(rfc3339),
            events,
            first_bad,
            next_cursor,
        });
        Ok(Plan::reply(reply).details(details))
    }
}

impl Input for VerifyQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let from = fields.optional::<Timestamp>("from");
        let to = fields.optional::<Timestamp>("to");
        let cursor = fields.optional("cursor");
        refuse_empty_range(fields, from.flatten(), to.flatten());
        Some(Self { from: from?, to: to?, cursor: cursor? })
    }
}

impl Parameters for VerifyQuery {
    fn parameters() -> Vec<Parameter> {
        in_query::<Self>()
    }
}

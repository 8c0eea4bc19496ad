//! `GET /audit` searches the audit log, newest first unless asked otherwise, or exports it.
//! `GET /audit/{id}` reads one event with its texts. Auditors and administrators see all events.
//! All users see their own, which leaves no event. The other endpoints show the sealed log: its
//! newest checkpoint, its keys, the proof of an event, and whether the table agrees with it.

mod answer;
mod checkpoint;
mod event;
mod keys;
mod ocsf;
mod proof;
mod query;
mod verify;

use platform::clock::rfc3339;
use platform::cursor::{Cursors, Page, Paging};
use platform::identity::Principal;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::store::{AuditLog, EventRange, Found};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};

pub use answer::{AuditPage, Form, Listing};
pub use checkpoint::{CheckpointText, ReadCheckpoint};
pub use event::{EventQuery, EventView, ReadAuditEvent, TextView};
pub use keys::{KeyList, KeyView, ListKeys};
pub use proof::{ProofAnswer, ProofForm, ProofQuery, ProofView, ReadProof};
pub use query::{AuditFilters, AuditQuery};
pub use verify::{Verification, VerifyAudit, VerifyQuery};

/// The endpoints of this function.
pub type Endpoints =
    (ListAuditEvents, ReadAuditEvent, ReadCheckpoint, ListKeys, VerifyAudit, ReadProof);

/// `GET /audit`.
pub struct ListAuditEvents {
    log: AuditLog,
    cursors: Cursors,
}

impl Endpoint for ListAuditEvents {
    const ROUTE: Route = routes::AUDIT;
    const PROBLEMS: &'static [Code] = &[Code::NotAcceptable];
    type Caller = Principal;
    type Body = ();
    type Query = AuditQuery;
    type Output = Listing;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { log: AuditLog::new(platform)?, cursors: Cursors::new(platform)? })
    }

    /// An export leaves an event of its own.
    fn row(&self, request: &Request<'_, Self>) -> Route {
        let export = request.query.form.export();
        let audit = export.map_or(Self::ROUTE.audit, |_| Some("audit.exported"));
        Route { audit, ..Self::ROUTE }
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Listing>, Problem> {
        let (caller_id, call) = (&request.caller.user_id, request.call);
        let AuditQuery { filters, limit, cursor, form } = request.query;
        let paging = Paging { limit, cursor };
        let retention = self.log.retention();
        let range = match self.cursors.open::<EventRange>(&paging, caller_id, call).await? {
            Some(rest) => rest.kept(request.now, retention),
            None => EventRange::between(filters.from, filters.to, request.now, retention),
        };
        let search = filters.search(caller_id);
        let found = match range {
            Some(range) => {
                self.log.search(&search, range, limit, |event| form.weigh(event)).await?
            }
            None => Found::default(),
        };
        let Found { events, malformed, rest } = found;
        // An answer that leaves items out would look complete.
        if !malformed.is_empty() {
            return Err(Problem::internal());
        }
        let details = filters.details().detail("limit", limit).detail("rows", events.len());
        let details = match form.export() {
            Some(format) => details.detail("format", format),
            None => details,
        };
        let stopped = rest.filter(|_| events.len() < limit);
        let looked_back_to = stopped.map(|rest| rfc3339(rest.reached(search.order)));
        let reply = self.cursors.page(events, rest, caller_id, call).await?;
        let reply = reply.map(|Page { items, next_cursor }| Listing {
            form,
            page: AuditPage { items, next_cursor, looked_back_to },
        });
        Ok(Plan::reply(reply).details(details))
    }
}

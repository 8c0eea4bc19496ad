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

use platform::audit::Event;
use platform::audit_reader::{AuditPage, AuditPart, AuditReader};
use platform::cursor::{Cursors, Page, Paging};
use platform::identity::Principal;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::store::Room;
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};

pub use answer::{Form, Listing};
pub use checkpoint::{CheckpointText, ReadCheckpoint};
pub use event::{EventQuery, EventView, ReadAuditEvent, TextView};
pub use keys::{KeyList, KeyView, ListKeys};
pub use proof::{ProofAnswer, ProofForm, ProofQuery, ProofView, ReadProof};
pub use query::AuditQuery;
pub use verify::{Verification, VerifyAudit, VerifyQuery};

/// The endpoints of this function.
pub type Endpoints =
    (ListAuditEvents, ReadAuditEvent, ReadCheckpoint, ListKeys, VerifyAudit, ReadProof);

/// Bytes of events in one answer, at most: an answer of a function can have 6 MB.
const ANSWER_BYTES: usize = 4_000_000;

/// `GET /audit`.
pub struct ListAuditEvents {
    reader: AuditReader,
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
        Ok(Self { reader: AuditReader::new(platform)?, cursors: Cursors::new(platform)? })
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
        let rest = self.cursors.open(&paging, caller_id, call).await?;
        let room = Room { events: limit, bytes: ANSWER_BYTES };
        let weigh = |event: &Event| form.weigh(event);
        let caller = (caller_id.as_str(), request.now);
        let part = self.reader.read(&filters, rest, (room, weigh), caller).await?;
        let AuditPart { events, rest, looked_back_to, .. } = part;
        let details = filters.details().detail("limit", limit).detail("rows", events.len());
        let details = match form.export() {
            Some(format) => details.detail("format", format),
            None => details,
        };
        let reply = self.cursors.page(events, rest, caller_id, call).await?;
        let reply = reply.map(|Page { items, next_cursor }| Listing {
            form,
            page: AuditPage { items, next_cursor, looked_back_to },
        });
        Ok(Plan::reply(reply).details(details))
    }
}

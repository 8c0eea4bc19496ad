//! `GET /audit`: searches the audit log, newest first unless asked otherwise. Auditors and
//! administrators see all of it. All users see their own events with `actor=me`, which leaves no
//! event.

mod query;

use platform::audit::Event;
use platform::cursor::{Cursors, Page};
use platform::identity::Principal;
use platform::routes::{self, Route};
use platform::store::{AuditLog, EventRange, Found};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};

pub use query::{AuditFilters, AuditQuery};

/// The endpoints of this function.
pub type Endpoints = (ListAuditEvents,);

/// The endpoint.
pub struct ListAuditEvents {
    log: AuditLog,
    cursors: Cursors,
}

impl Endpoint for ListAuditEvents {
    const ROUTE: Route = routes::AUDIT;
    type Caller = Principal;
    type Body = ();
    type Query = AuditQuery;
    type Output = Page<Event>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { log: AuditLog::new(platform)?, cursors: Cursors::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Page<Event>>, Problem> {
        let AuditQuery { filters, paging } = &request.query;
        let range = match self
            .cursors
            .open::<EventRange>(paging, &request.caller.user_id, request.call)
            .await?
        {
            Some(rest) => rest.kept(request.now),
            None => EventRange::between(filters.from, filters.to, request.now),
        };
        let found = match range {
            Some(range) => {
                self.log
                    .search(&filters.search(&request.caller.user_id), range, paging.limit)
                    .await?
            }
            None => Found { events: Vec::new(), rest: None },
        };
        let details =
            filters.details().detail("limit", paging.limit).detail("rows", found.events.len());
        let reply = self
            .cursors
            .page(found.events, found.rest, &request.caller.user_id, request.call)
            .await?;
        Ok(Plan::reply(reply).details(details))
    }
}

//! Searches of the audit log by the filters of a caller, a page at a time.

mod filters;

use serde::Serialize;
use utoipa::ToSchema;

use crate::audit::Event;
use crate::clock::{Timestamp, rfc3339};
use crate::config::ConfigError;
use crate::platform::Platform;
use crate::problem::Problem;
use crate::store::{AuditLog, EventRange, Found, Room};

pub use filters::{AuditFilters, refuse_empty_range};

/// Reads the audit log.
#[derive(Debug, Clone)]
pub struct AuditReader {
    log: AuditLog,
}

/// One page of the audit log.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditPage {
    /// The events, in the order asked for.
    pub items: Vec<Event>,
    /// Value of `cursor` for the next page, or null on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
    /// Time of the last event that the search has looked at, RFC 3339 in UTC. It is present only if
    /// the search stopped before the page was full, because the work for one page is bounded. The
    /// next page goes on from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime, example = "2026-01-31T09:30:00.000Z")]
    pub looked_back_to: Option<String>,
}

/// A page before its cursor is sealed.
#[derive(Debug)]
pub struct AuditPart {
    /// The events, in the order asked for.
    pub events: Vec<Event>,
    /// Where the search goes on.
    pub rest: Option<EventRange>,
    /// [`AuditPage::looked_back_to`].
    pub looked_back_to: Option<String>,
    /// Whether the next event would be too large for the page.
    pub is_cut: bool,
}

impl AuditReader {
    /// Uses the table of [`AuditLog`].
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { log: AuditLog::new(platform)? })
    }

    /// The events that the filters of a caller find: the first ones, or those in the `rest` of an
    /// earlier page. `weigh` gives the bytes of an event in the page.
    pub async fn read(
        &self,
        filters: &AuditFilters,
        rest: Option<EventRange>,
        (room, weigh): (Room, impl Fn(&Event) -> usize),
        (caller_id, now): (&str, Timestamp),
    ) -> Result<AuditPart, Problem> {
        let retention = self.log.retention();
        let range = match rest {
            Some(rest) => rest.kept(now, retention),
            None => EventRange::between(filters.from, filters.to, now, retention),
        };
        let search = filters.search(caller_id);
        let found = match range {
            Some(range) => self.log.search(&search, range, room, weigh).await?,
            None => Found::default(),
        };
        let Found { events, is_cut, malformed, rest } = found;
        // An answer that leaves items out would look complete.
        if !malformed.is_empty() {
            return Err(Problem::internal());
        }
        let stopped = rest.filter(|_| events.len() < room.events);
        let looked_back_to = stopped.map(|rest| rfc3339(rest.reached(search.order)));
        Ok(AuditPart { events, rest, looked_back_to, is_cut })
    }
}

//! `query_audit`: a page of the audit log, as `GET /audit` gives it.

use platform::audit::Event;
use platform::audit_reader::{AuditFilters, AuditPage, AuditPart, AuditReader};
use platform::cursor::Cursors;
use platform::domain::Role;
use platform::identity::Scope;
use platform::limits::Policy;
use platform::store::Room;
use platform::{ConfigError, Plan, Platform, Problem};
use tally_ranges::tools::weigh;

use crate::cut::{Cut, LIST_BYTES};
use crate::input::Paged;
use crate::sentence::quoted;
use crate::tool::{About, Effect, Found, Given, Tool};

/// `query_audit`.
pub struct QueryAudit {
    reader: AuditReader,
    cursors: Cursors,
}

impl Tool for QueryAudit {
    const ABOUT: About = About {
        name: "query_audit",
        title: "Search the audit log",
        description: "Searches the audit log of all users, newest events first unless asked \
                      otherwise. An event says who did what, when and how it ended; it has no text \
                      of a prompt or a reply. A page that ends early says in looked_back_to how \
                      far the search has looked: go on with next_cursor.",
        scope: Scope::AuditRead,
        roles: &[Role::Auditor, Role::Admin],
        effect: Effect::Read,
        idempotent: false,
        action: "audit.read",
        limits: &[Policy::AUDIT],
    };
    type Input = Paged<AuditFilters>;
    type Output = Cut<AuditPage>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { reader: AuditReader::new(platform)?, cursors: Cursors::new(platform)? })
    }

    async fn preview(&self, _: Given<'_>, input: &Self::Input) -> Result<String, Problem> {
        Ok(sentence(&input.filters))
    }

    async fn handle(
        &self,
        given: Given<'_>,
        Paged { filters, paging }: Self::Input,
    ) -> Result<Plan<Found<Self::Output>>, Problem> {
        let (user_id, tool) = (given.caller.user_id.as_str(), Self::ABOUT.name);
        let limit = paging.limit;
        let rest = self.cursors.open_for_tool(user_id, tool, given.arguments).await?;
        let room = Room { events: limit, bytes: LIST_BYTES };
        let weigh = |event: &Event| weigh(event).unwrap_or(LIST_BYTES);
        let part = self.reader.read(&filters, rest, (room, weigh), (user_id, given.now)).await?;
        let AuditPart { events, rest, looked_back_to, is_cut } = part;
        let details = filters.details().detail("limit", limit).detail("rows", events.len());
        let next_cursor =
            self.cursors.seal_for_tool(rest.as_ref(), user_id, tool, given.arguments).await?;
        let page = AuditPage { items: events, next_cursor, looked_back_to };
        Ok(Plan::reply(Found::from(Cut::page(page, is_cut))).details(details))
    }
}

/// What a search with these filters does.
fn sentence(filters: &AuditFilters) -> String {
    let given = filters.given().map(|(name, text)| format!("{name} {}", quoted(&text)));
    let given: Vec<_> = given.collect();
    if given.is_empty() {
        "Search the audit log.".to_owned()
    } else {
        format!("Search the audit log ({}).", given.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use platform::input::Fields;
    use serde_json::{Value, json};

    use super::*;
    use crate::schema::schema;

    fn read(value: Value) -> Result<Paged<AuditFilters>, Problem> {
        let Value::Object(members) = value else { panic!("{value} is no object") };
        Fields::json(members).read()
    }

    #[test]
    fn arguments_are_those_of_the_route() {
        for (value, expected) in [
            (json!({}), Ok((20, "Search the audit log."))),
            (
                json!({"actor": "me", "action": "auth.", "limit": 5, "cursor": "c"}),
                Ok((5, "Search the audit log (actor “me”, action “auth.”).")),
            ),
            (
                json!({"from": "2026-01-31T00:00:00Z", "order": "asc", "limit": null}),
                Ok((20, "Search the audit log (from “2026-01-31T00:00:00.000Z”, order “asc”).")),
            ),
            (json!({"limit": 101}), Err("/limit")),
            (json!({"limit": "5"}), Err("/limit")),
            (json!({"outcome": "good"}), Err("/outcome")),
            (json!({"form": "csv"}), Err("/form")),
        ] {
            let found = read(value.clone());
            let found = found.as_ref().map(|found| (found.paging.limit, sentence(&found.filters)));
            let found = found.map_err(|problem| problem.errors[0].pointer.as_deref().unwrap());
            let expected = expected.map(|(limit, text)| (limit, text.to_owned()));
            assert_eq!(found, expected, "{value}");
        }
    }

    #[test]
    fn the_schema_describes_each_argument() {
        let schema = schema::<Paged<AuditFilters>>();
        let properties = schema["properties"].as_object().unwrap();
        let names: Vec<_> = properties.keys().collect();
        let expected = [
            "action",
            "actor",
            "cursor",
            "from",
            "ip",
            "limit",
            "order",
            "outcome",
            "request_id",
            "resource",
            "to",
        ];
        assert_eq!(names, expected);
        assert!(properties.values().all(|of| of["description"].is_string()), "{schema:#}");
        assert_eq!(properties["limit"]["maximum"], 100);
        assert_eq!(properties["outcome"]["description"], "How it ended.");
        assert!(schema.get("required").is_none());
    }
}

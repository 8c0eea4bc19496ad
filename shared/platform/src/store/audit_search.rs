//! Searches of the audit log, in order of time, a page at a time.
//!
//! An actor's events are one range of the index `by_actor`. Otherwise the search reads the shards
//! side by side, in rounds. Each shard's answer is complete up to the point where it was cut off.
//! So the events up to the nearest of these cuts are complete, and the next round begins there.
//! From round to round, and from page to page, the search carries only the span of ids that is
//! left. The first page sets the ends of the span: events that are written later are not part of
//! the walk. So in neither order an event is missed or comes twice. (An event has its id some
//! milliseconds before it is there, or some seconds if its texts or its transaction are sent again.
//! If the walk passes its place meanwhile, it comes with the next walk. The index lags the table by
//! up to a second.)
//!
//! A round looks at a number of events that follows from the limit alone. So a page costs the same
//! however many events the log holds: one round of 8 queries, or one query for an actor. With a
//! selective filter it can take up to [`ROUNDS`] rounds. Then the page comes back short, with the
//! rest of the range. So does a page of events that are too large for one answer.

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;

use super::audit::{AuditLog, SHARDS, Stored};
use super::event_range::{EventRange, Order, number, text};
use crate::audit::{Event, Outcome};
use crate::database::{Expression, StoreError, n, query, read, s};

/// Rounds of queries for one page at most.
const ROUNDS: u32 = 12;

/// Events that a round looks at if a filter may leave most of them out.
const FILTERED_AT_ONCE: usize = 800;

/// Criteria of a search: an event must meet all that are given.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// User id of the actor.
    pub actor: Option<String>,
    /// A whole action, or a prefix that ends with a dot.
    pub action: Option<String>,
    /// Its outcome.
    pub outcome: Option<Outcome>,
    /// The resource that it was done to.
    pub resource: Option<String>,
    /// Correlation id.
    pub request_id: Option<String>,
    /// The client's address as events have it.
    pub ip: Option<String>,
    /// Which end comes first.
    pub order: Order,
}

/// The most that a page has. A page has one event at least, if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Events.
    pub events: usize,
    /// Bytes of events, as the caller weighs them.
    pub bytes: usize,
}

/// A page of a search.
#[derive(Debug, Default)]
pub struct Found {
    /// The events, in the order asked for.
    pub events: Vec<Event>,
    /// Whether the next event would be too large for the page.
    pub is_cut: bool,
    /// Ids of items that are no events. Only an intruder writes such items, or a newer version of
    /// the code.
    pub malformed: Vec<String>,
    /// The rest of the span; there may be no more events in it.
    pub rest: Option<EventRange>,
}

/// Result of one round.
struct Round {
    events: Vec<Event>,
    malformed: Vec<String>,
    rest: Option<EventRange>,
}

/// Result of one query.
struct Answer {
    events: Vec<Event>,
    malformed: Vec<String>,
    /// The id up to which the query has looked, if the rest of its range was cut off.
    cut: Option<u128>,
}

impl Room {
    /// Room for so many events of any size.
    pub fn of(events: usize) -> Self {
        Self { events, bytes: usize::MAX }
    }
}

impl AuditLog {
    /// The next events of a span, as many as there is room for. `weigh` gives the bytes of an
    /// event.
    pub async fn search(
        &self,
        search: &Search,
        range: EventRange,
        room: Room,
        weigh: impl Fn(&Event) -> usize,
    ) -> Result<Found, StoreError> {
        // One more than the limit tells whether this is the last page.
        let look_at = search.look_at(room.events + 1);
        let mut events: Vec<Event> = Vec::new();
        let mut malformed = Vec::new();
        let mut bytes = 0;
        let mut rest = Some(range);
        for _ in 0..ROUNDS {
            let Some(left) = rest else { break };
            let round = self.round(search, left, look_at).await?;
            rest = round.rest;
            malformed.extend(round.malformed);
            for event in round.events {
                bytes += weigh(&event);
                let is_full = events.len() == room.events;
                let is_cut = !is_full && bytes > room.bytes;
                if let Some(last) = events.last().filter(|_| is_full || is_cut) {
                    let rest = range.beyond(number(&last.id), search.order);
                    return Ok(Found { events, is_cut, malformed, rest });
                }
                events.push(event);
            }
        }
        Ok(Found { events, is_cut: false, malformed, rest })
    }

    async fn round(
        &self,
        search: &Search,
        range: EventRange,
        look_at: usize,
    ) -> Result<Round, StoreError> {
        let answers = if let Some(actor) = &search.actor {
            vec![self.part(search, ("actor_id", s(actor)), range, look_at).await?]
        } else {
            let shards = (0..SHARDS).map(|shard| ("shard", n(shard)));
            try_join_all(shards.map(|shard| self.part(search, shard, range, look_at))).await?
        };
        let cuts = answers.iter().filter_map(|answer| answer.cut);
        let reached = match search.order {
            Order::Ascending => cuts.min().unwrap_or(range.last),
            Order::Descending => cuts.max().unwrap_or(range.first),
        };
        let is_complete = |event: &Event| match search.order {
            Order::Ascending => number(&event.id) <= reached,
            Order::Descending => number(&event.id) >= reached,
        };
        let mut events = Vec::new();
        let mut malformed = Vec::new();
        for answer in answers {
            events.extend(answer.events.into_iter().filter(is_complete));
            malformed.extend(answer.malformed);
        }
        events.sort_unstable_by(|a, b| match search.order {
            Order::Ascending => a.id.cmp(&b.id),
            Order::Descending => b.id.cmp(&a.id),
        });
        Ok(Round { events, malformed, rest: range.beyond(reached, search.order) })
    }

    /// The matching events of one shard or actor, among the first `look_at` of them.
    async fn part(
        &self,
        search: &Search,
        (key, value): (&str, AttributeValue),
        range: EventRange,
        look_at: usize,
    ) -> Result<Answer, StoreError> {
        let expression = Expression::default()
            .name("key", key)
            .name("id", "id")
            .value("key", value)
            .value("first", s(text(range.first)))
            .value("last", s(text(range.last)));
        let (filter, expression) = search.filter(expression);
        let answer = query(
            self.database
                .client()
                .query()
                .table_name(&self.table)
                .set_index_name(search.actor.as_ref().map(|_| "by_actor".to_owned()))
                // An index cannot be read consistently. The table can, so that the search finds an
                // event as soon as it is there.
                .consistent_read(search.actor.is_none())
                .key_condition_expression("#key = :key AND #id BETWEEN :first AND :last")
                .set_filter_expression(filter)
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values())
                .scan_index_forward(search.order == Order::Ascending)
                .limit(i32::try_from(look_at).unwrap_or(i32::MAX)),
        )
        .await?;
        let cut = answer
            .last_evaluated_key
            .as_ref()
            .and_then(|key| Some(range.up_to(key.get("id")?.as_s().ok()?, search.order)));
        let (mut events, mut malformed) = (Vec::new(), Vec::new());
        for item in answer.items.unwrap_or_default() {
            let id = item.get("id").and_then(|id| id.as_s().ok()).cloned().unwrap_or_default();
            match read::<Stored>(item).and_then(Stored::event) {
                Ok(event) => events.push(event),
                Err(error) => {
                    tracing::error!(%error, id, "failed to read an item of the audit log");
                    malformed.push(id);
                }
            }
        }
        Ok(Answer { events, malformed, cut })
    }
}

impl Search {
    /// Events that each query of a round looks at, so that one round has the first `wanted` events.
    fn look_at(&self, wanted: usize) -> usize {
        let (queries, share) =
            if self.actor.is_some() { (1, wanted) } else { (usize::from(SHARDS), share(wanted)) };
        if self.is_selective() { share.max(FILTERED_AT_ONCE / queries) } else { share }
    }

    /// Whether it may leave out events that it looks at.
    fn is_selective(&self) -> bool {
        self.action.is_some()
            || self.outcome.is_some()
            || self.resource.is_some()
            || self.request_id.is_some()
            || self.ip.is_some()
    }

    /// The filter expression, if there is one, with its names and values.
    fn filter(&self, mut expression: Expression) -> (Option<String>, Expression) {
        let outcome = self.outcome.and_then(|outcome| {
            serde_dynamo::to_attribute_value::<_, AttributeValue>(outcome).ok()
        });
        let values = [
            ("action", self.action.clone().map(s)),
            ("outcome", outcome),
            ("resource", self.resource.clone().map(s)),
            ("request_id", self.request_id.clone().map(s)),
            ("ip", self.ip.clone().map(s)),
        ];
        let is_prefix = self.action.as_ref().is_some_and(|action| action.ends_with('.'));
        let mut clauses = Vec::new();
        for (name, value) in values.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            expression = expression.name(name, name).value(name, value);
            clauses.push(match name {
                "action" if is_prefix => "begins_with(#action, :action)".to_owned(),
                _ => format!("#{name} = :{name}"),
            });
        }
        ((!clauses.is_empty()).then(|| clauses.join(" AND ")), expression)
    }
}

/// Events that each shard looks at, so that the shards together have the first `wanted`: an eighth
/// of them and five standard deviations. Of 100,000 pages one needs a second round.
fn share(wanted: usize) -> usize {
    let mean = wanted.div_ceil(usize::from(SHARDS));
    wanted.min(mean + 5 * mean.isqrt() + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_looks_at_what_the_limit_says() {
        let all = Search::default();
        let denied = Search { outcome: Some(Outcome::Denied), ..all.clone() };
        let actors = Search { actor: Some("u-1".into()), ..all.clone() };
        let actors_denied = Search { actor: Some("u-1".into()), ..denied.clone() };
        for (search, wanted, expected) in [
            (&all, 2, 2),
            (&all, 21, 12),
            (&all, 51, 21),
            (&all, 101, 32),
            (&all, 5001, 755),
            (&denied, 21, 100),
            (&denied, 101, 100),
            (&denied, 5001, 755),
            (&actors, 21, 21),
            (&actors, 101, 101),
            (&actors_denied, 21, 800),
        ] {
            assert_eq!(search.look_at(wanted), expected, "{search:?} {wanted}");
        }
    }
}

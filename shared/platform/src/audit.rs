//! The audit log: its events and their fingerprints.

mod actor;
mod texts;

use std::collections::BTreeMap;

use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::clock::rfc3339;
use crate::context::Context;
use crate::domain::Fingerprint;
use crate::identity::Principal;
use crate::ids;
use crate::problem::Problem;

pub use actor::Actor;
pub use texts::{EventTexts, TextReference};

/// Version of the event's shape, so that an event can be verified by the rules it was written
/// under.
const VERSION: u32 = 1;

/// One entry of the audit log. It has no member for a raw body: each detail has its own name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditEvent)]
pub struct Event {
    /// Version of this shape.
    pub v: u32,
    /// UUIDv7.
    #[schema(format = "uuid")]
    pub id: String,
    /// Time of the event, RFC 3339 in UTC with milliseconds.
    #[schema(format = DateTime, example = "2026-01-31T09:30:00.000Z")]
    pub time: String,
    /// The user who acted. Absent if the user is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub actor: Option<Actor>,
    /// Name of the action, `auth.login`.
    #[schema(example = "auth.login")]
    pub action: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Resource of the action, `user:<id>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub resource: Option<String>,
    /// The client's address; for IPv6 its /64.
    pub ip: String,
    /// The client's `User-Agent`.
    pub user_agent: String,
    /// Correlation id of the request.
    pub request_id: String,
    /// Milliseconds from the request's arrival to this event.
    pub latency_ms: u64,
    /// Further details of this action.
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    pub detail: BTreeMap<String, Value>,
    /// The texts that belong to the event, encrypted under a key of its actor. Absent if there are
    /// none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(nullable = false)]
    pub texts: Vec<TextReference>,
    /// SHA-256 over the RFC 8785 form of all the other fields, URL-safe base64.
    #[serde(default)]
    #[schema(required)]
    pub hash: String,
}

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was tried, and it failed.
    Failure,
    /// It was not allowed.
    Denied,
}

impl Outcome {
    /// The name that events have.
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Denied => "denied",
        }
    }
}

/// Data that a handler adds to the event of its action.
#[derive(Debug, Clone, Default)]
pub struct AuditDetails {
    action: Option<&'static str>,
    actor: Option<Actor>,
    resource: Option<String>,
    of_path: Option<String>,
    detail: BTreeMap<String, Value>,
    texts: Option<EventTexts>,
    failed: bool,
    is_silent: bool,
}

impl AuditDetails {
    /// An event of this action instead of the route's own.
    pub fn action(action: &'static str) -> Self {
        Self { action: Some(action), ..Self::default() }
    }

    /// The actor, if the route itself knows no caller.
    #[must_use]
    pub fn actor(mut self, actor: Actor) -> Self {
        self.actor = Some(actor);
        self
    }

    /// The resource of the action: a kind and an id.
    #[must_use]
    pub fn resource(mut self, kind: &str, id: &str) -> Self {
        self.resource = Some(format!("{kind}:{id}"));
        self
    }

    /// The resource that the path of the request names. The event names it if the details name no
    /// resource.
    #[must_use]
    pub(crate) fn of_path(mut self, resource: Option<String>) -> Self {
        self.of_path = resource;
        self
    }

    /// Takes over the path resource of earlier details of the same request.
    #[must_use]
    pub(crate) fn of_path_as(self, earlier: &Self) -> Self {
        self.of_path(earlier.of_path.clone())
    }

    /// One more detail: text, a number, a Boolean or a list of them. Whole numbers beyond 2^53 go
    /// in as text (RFC 8785).
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }

    /// Texts that are stored for this event. The event gets the id to which they are bound, and the
    /// time of that id. So searches by time, which go by ids, find it at the time that it shows.
    #[must_use]
    pub fn texts(mut self, texts: EventTexts) -> Self {
        self.texts = Some(texts);
        self
    }

    /// Leaves no event, because the answer has only data of the caller, or the request attempted
    /// nothing. The former is for routes whose parameters do not say whose data it is.
    #[must_use]
    pub fn silent(mut self) -> Self {
        self.is_silent = true;
        self
    }

    /// The identifier that the caller gave, as a fingerprint. It may belong to no account. The
    /// fingerprint lets you recognise it, but not read it.
    #[must_use]
    pub fn identifier(self, fingerprint: &Fingerprint) -> Self {
        self.detail("identifier_hmac", fingerprint.as_str())
    }

    /// Sets whether the event is a failure. It can be one even if the caller gets a normal answer.
    #[must_use]
    pub fn failed(mut self, failed: bool) -> Self {
        self.failed = failed;
        self
    }

    /// The outcome of the event of an answer. Invalid input (422) is not an attempt at anything,
    /// unless the details are marked as failed.
    pub fn outcome(&self, problem: Option<&Problem>) -> Option<Outcome> {
        match problem.map(|problem| problem.status) {
            None if self.failed => Some(Outcome::Failure),
            None => Some(Outcome::Success),
            Some(StatusCode::FORBIDDEN) => Some(Outcome::Denied),
            Some(StatusCode::UNPROCESSABLE_ENTITY) if !self.failed => None,
            Some(_) => Some(Outcome::Failure),
        }
    }

    /// The event itself; `None` if neither the details nor the route name an action, or if the
    /// details want none.
    pub fn event(
        self,
        route_action: Option<&str>,
        outcome: Outcome,
        caller: Option<&Principal>,
        context: &Context,
        now: Timestamp,
        latency_ms: u64,
    ) -> Option<Event> {
        let action = self.action.or(route_action).filter(|_| !self.is_silent)?;
        let (id, texts) = match self.texts {
            Some(EventTexts { event_id, texts }) => (event_id, texts),
            None => (ids::new_id(now), Vec::new()),
        };
        let event = Event {
            v: VERSION,
            time: rfc3339(ids::made_at(&id).unwrap_or(now)),
            id,
            actor: self.actor.or_else(|| caller.map(Actor::from)),
            action: action.to_owned(),
            outcome,
            resource: self.resource.or(self.of_path),
            ip: context.address.clone(),
            user_agent: context.user_agent.clone(),
            request_id: context.request_id.clone(),
            latency_ms,
            detail: self.detail,
            texts,
            hash: String::new(),
        };
        let hash = event.fingerprint();
        Some(Event { hash, ..event })
    }
}

impl Event {
    /// Adds how many denials the event stands for. `routes` are the routes of the denials that no
    /// event has counted yet, if there are any.
    #[must_use]
    pub fn counting(mut self, count: u64, routes: Vec<String>) -> Self {
        self.detail.insert("count".to_owned(), count.into());
        if !routes.is_empty() {
            self.detail.insert("routes".to_owned(), routes.into());
        }
        self.hash = self.fingerprint();
        self
    }

    /// A new event at `now` that stands for `count` more denials of the same kind.
    #[must_use]
    pub fn again(self, count: u64, routes: Vec<String>, now: Timestamp) -> Self {
        Self { id: ids::new_id(now), time: rfc3339(now), ..self }.counting(count, routes)
    }

    /// SHA-256 over the [`Event::canonical`] form.
    pub fn fingerprint(&self) -> String {
        ids::sha256(&self.canonical())
    }

    /// The canonical JSON (RFC 8785) of the event without its hash. The sealed log has this text.
    pub fn canonical(&self) -> String {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(object) = value.as_object_mut() {
            object.remove("hash");
        }
        serde_json_canonicalizer::to_string(&value).unwrap_or_default()
    }

    /// An event that no request has caused, with this id and its time. `cause` stands in the place
    /// of the request id.
    pub fn of_system(
        details: AuditDetails,
        outcome: Outcome,
        id: String,
        cause: String,
    ) -> Option<Self> {
        let context = Context { request_id: cause, ..Context::default() };
        let texts = EventTexts { event_id: id, texts: Vec::new() };
        details.texts(texts).event(None, outcome, None, &context, Timestamp::UNIX_EPOCH, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text that was stored a second before the event of [`sample`].
    fn stored() -> EventTexts {
        let text = TextReference {
            name: "prompt".into(),
            sha256: ids::sha256("ciphertext"),
            bytes: 10,
            key_id: "k-1".into(),
        };
        let early = Timestamp::from_millisecond(1_800_000_000_123 - 1_000).unwrap();
        EventTexts { event_id: ids::new_id(early), texts: vec![text] }
    }

    fn sample(texts: Option<EventTexts>) -> Event {
        let context = Context {
            request_id: "r-1".into(),
            address: "203.0.113.7".into(),
            user_agent: "test/1".into(),
            base_url: String::new(),
        };
        let now = Timestamp::from_millisecond(1_800_000_000_123).unwrap();
        let details = AuditDetails::default()
            .resource("user", "u-1")
            .detail("rows", 12)
            .detail("sort", vec!["company", "-year"]);
        let details = texts.into_iter().fold(details, AuditDetails::texts);
        details.event(Some("profits.read"), Outcome::Success, None, &context, now, 7).unwrap()
    }

    #[test]
    fn a_hash_covers_every_field() {
        let event = sample(Some(stored()));
        assert_eq!(event.hash, event.fingerprint());
        let edits: [fn(&mut Event); 17] = [
            |event| event.v += 1,
            |event| event.id.push('0'),
            |event| event.time.push('0'),
            |event| event.actor = Some(Actor::user("u-2", "bob")),
            |event| event.user_agent.push('x'),
            |event| event.request_id.push('x'),
            |event| event.action.push('x'),
            |event| event.outcome = Outcome::Denied,
            |event| event.latency_ms += 1,
            |event| event.resource = None,
            |event| event.ip.push('1'),
            |event| {
                event.detail.insert("rows".into(), 13.into());
            },
            |event| event.texts[0].name.push('x'),
            |event| event.texts[0].sha256.push('x'),
            |event| event.texts[0].bytes += 1,
            |event| event.texts[0].key_id.push('x'),
            |event| event.texts.clear(),
        ];
        for edit in edits {
            let mut edited = event.clone();
            edit(&mut edited);
            assert_ne!(edited.fingerprint(), event.hash);
        }
    }

    #[test]
    fn an_event_with_texts_has_the_id_and_the_time_to_which_they_are_bound() {
        let plain = sample(None);
        assert_eq!(plain.time, "2027-01-15T08:00:00.123Z");
        assert!(serde_json::to_value(&plain).unwrap().get("texts").is_none());
        let texts = stored();
        let event = sample(Some(texts.clone()));
        assert_eq!((event.id, event.texts), (texts.event_id, texts.texts));
        assert_eq!(event.time, "2027-01-15T07:59:59.123Z");
    }

    #[test]
    fn a_hash_does_not_depend_on_how_the_event_was_stored() {
        let event = sample(Some(stored()));
        let stored: BTreeMap<String, Value> =
            serde_json::from_str(&serde_json::to_string(&event).unwrap()).unwrap();
        let read: Event = serde_json::from_value(serde_json::to_value(stored).unwrap()).unwrap();
        assert_eq!(read.fingerprint(), event.hash);
    }

    #[test]
    fn an_action_that_is_not_audited_leaves_no_event() {
        let now = Timestamp::UNIX_EPOCH;
        for (details, action) in [
            (AuditDetails::default(), None),
            (AuditDetails::default().silent(), Some("audit.read")),
            (AuditDetails::action("audit.text_read").silent(), Some("audit.read")),
        ] {
            let event = details.event(action, Outcome::Success, None, &Context::default(), now, 0);
            assert!(event.is_none(), "{action:?}");
        }
    }
}

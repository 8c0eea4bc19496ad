//! The forms of an answer: a page in JSON, or an export in lines.

use cells::csv::Line;
use platform::audit::Event;
use platform::audit_reader::AuditPage;
use platform::http::{Answer, Output, Rendered};
use serde::Serialize;

use crate::ocsf;

/// The media type of events in the form of OCSF.
const OCSF: &str = "application/x-ndjson; profile=ocsf";

/// Columns of an export as CSV. Their names and order stay, and later columns follow behind them.
const COLUMNS: [&str; 17] = [
    "v",
    "id",
    "time",
    "actor_user_id",
    "actor_username",
    "actor_session_id",
    "actor_key_id",
    "action",
    "outcome",
    "resource",
    "ip",
    "user_agent",
    "request_id",
    "latency_ms",
    "detail",
    "hash",
    "texts",
];

/// The form of an answer, which the caller chooses by `Accept`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A page in JSON.
    Page,
    /// Comma-separated values.
    Csv,
    /// A JSON object in each line.
    Ndjson,
    /// An event of OCSF in each line, in JSON.
    Ocsf,
}

/// A page in the form that the caller has chosen.
pub struct Listing {
    /// The form.
    pub form: Form,
    /// The page. An export leaves out its members other than the events.
    pub page: AuditPage,
}

impl Form {
    /// The media type of each form.
    pub const OFFERS: &'static [(&'static str, Self)] = &[
        ("application/json", Self::Page),
        ("text/csv", Self::Csv),
        ("application/x-ndjson", Self::Ndjson),
        (OCSF, Self::Ocsf),
    ];

    /// The name of an export; `None` for a page.
    pub fn export(self) -> Option<&'static str> {
        match self {
            Self::Page => None,
            Self::Csv => Some("csv"),
            Self::Ndjson => Some("ndjson"),
            Self::Ocsf => Some("ocsf"),
        }
    }

    /// Bytes of an event in the answer of a function, whose body is counted as a JSON string.
    pub fn weigh(self, event: &Event) -> usize {
        let text = match self {
            Self::Page | Self::Ndjson => json(event),
            Self::Csv => line(event),
            Self::Ocsf => json(&ocsf::render(event)),
        };
        json(&text).len()
    }
}

impl Output for Listing {
    fn render(self) -> Result<Rendered, serde_json::Error> {
        let (content_type, body) = match self.form {
            Form::Page => return Rendered::json(&self.page),
            Form::Csv => ("text/csv; charset=utf-8", csv(&self.page.items)),
            Form::Ndjson => ("application/x-ndjson", lines(&self.page.items)),
            Form::Ocsf => (OCSF, lines(self.page.items.iter().map(ocsf::render))),
        };
        Ok(Rendered { content_type, body: body.into_bytes() })
    }

    fn describe() -> Vec<Answer> {
        let columns = format!(
            "A line of names, then a line for each event (RFC 4180). The columns are `{}`. \
             `detail` and `texts` are JSON. An apostrophe stands before text that a spreadsheet \
             would run as a formula. Later columns will follow behind these. The header `Link` \
             leads to the next part.",
            COLUMNS.join(",")
        );
        let plain = "A JSON object (`AuditEvent`) in each line, for an event each. The header \
                     `Link` leads to the next part.";
        let ocsf = "An event of OCSF 1.9.0-dev (schema.ocsf.io) in each line, in JSON. Its class \
                    is 3001, 3002, 3005, 6003 or 6005, with the profile `record_integrity`, and \
                    for `chat.*` also `ai_operation`. `raw_data` is the event itself in its RFC \
                    8785 form without `hash`, and `raw_data_hash` is that hash. The header \
                    `Link` leads to the next part.";
        let page = Answer::json::<AuditPage>().or_lines("text/csv", &columns);
        vec![page.or_lines("application/x-ndjson", plain).or_lines(OCSF, ocsf)]
    }
}

/// The events as CSV. A part of an export is a file by itself, so each has the names.
fn csv(events: &[Event]) -> String {
    let names = COLUMNS.iter().fold(Line::default(), |line, name| line.text(name)).end();
    std::iter::once(names).chain(events.iter().map(line)).collect()
}

/// A line of CSV, with a cell for each of [`COLUMNS`].
fn line(event: &Event) -> String {
    let actor = event.actor.as_ref();
    Line::default()
        .number(event.v)
        .text(&event.id)
        .text(&event.time)
        .text(actor.map_or("", |actor| actor.user_id.as_str()))
        .text(actor.map_or("", |actor| actor.username.as_str()))
        .text(actor.and_then(|actor| actor.session_id.as_deref()).unwrap_or_default())
        .text(actor.and_then(|actor| actor.key_id.as_deref()).unwrap_or_default())
        .text(&event.action)
        .text(event.outcome.name())
        .text(event.resource.as_deref().unwrap_or_default())
        .text(&event.ip)
        .text(&event.user_agent)
        .text(&event.request_id)
        .number(event.latency_ms)
        .text(&json(&event.detail))
        .text(&event.hash)
        .text(&json(&event.texts))
        .end()
}

/// Values in JSON, each in a line.
fn lines(values: impl IntoIterator<Item: Serialize>) -> String {
    values.into_iter().map(|value| json(&value) + "\n").collect()
}

/// A value as JSON. Events and their texts have no part that is not valid in it.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use platform::audit::{Actor, AuditDetails, Outcome, TextReference};
    use platform::clock::Timestamp;
    use platform::context::Context;
    use serde_json::{Value, json};

    use super::*;

    fn event(actor: Option<Actor>) -> Event {
        let details = AuditDetails::default()
            .resource("user", "=u-1")
            .detail("text", "a \"b\",\n=c")
            .detail("count", 3);
        let context = Context {
            request_id: "r-1".into(),
            address: "2001:db8::/64".into(),
            user_agent: "=cmd|'/C calc'!A0".into(),
            ..Context::default()
        };
        let details = actor.into_iter().fold(details, AuditDetails::actor);
        let now = Timestamp::from_millisecond(1_800_000_000_123).unwrap();
        details.event(Some("test.read"), Outcome::Denied, None, &context, now, 7).unwrap()
    }

    /// The cells of a line (RFC 4180).
    fn cells(line: &str) -> Vec<String> {
        let mut cells = vec![String::new()];
        let mut is_quoted = false;
        for sign in line.strip_suffix("\r\n").unwrap().replace("\"\"", "\u{1}").chars() {
            match sign {
                '"' => is_quoted = !is_quoted,
                ',' if !is_quoted => cells.push(String::new()),
                '\u{1}' => cells.last_mut().unwrap().push('"'),
                other => cells.last_mut().unwrap().push(other),
            }
        }
        cells
    }

    #[test]
    fn a_line_has_every_member_of_its_event_under_its_name() {
        let actor = Actor {
            user_id: "u-1".into(),
            username: "-ann".into(),
            session_id: Some("s-1".into()),
            key_id: Some("k-1".into()),
        };
        let text = TextReference {
            name: "prompt".into(),
            sha256: "s".into(),
            bytes: 30,
            key_id: "k-2".into(),
        };
        let event = Event { hash: "=hash".into(), texts: vec![text], ..event(Some(actor)) };
        let text = csv(std::slice::from_ref(&event));
        let (names, line) = text.split_once("\r\n").unwrap();
        let cells = cells(line);
        assert_eq!(names.split(',').count(), cells.len());
        let mut members = serde_json::to_value(&event).unwrap();
        let actor = members.as_object_mut().unwrap().remove("actor").unwrap();
        for (name, value) in actor.as_object().unwrap() {
            members[format!("actor_{name}")] = value.clone();
        }
        assert_eq!(members.as_object().unwrap().len(), COLUMNS.len(), "{members}");
        for (name, cell) in names.split(',').zip(cells) {
            match &members[name] {
                Value::String(text) if text.starts_with(['=', '-']) => {
                    assert_eq!(cell, format!("'{text}"), "{name}");
                }
                Value::String(text) => assert_eq!(&cell, text, "{name}"),
                other => assert_eq!(cell.parse::<Value>().unwrap(), *other, "{name}"),
            }
        }
    }

    #[test]
    fn an_event_without_an_actor_has_empty_cells() {
        let cells = cells(&line(&event(None)));
        assert_eq!(cells.len(), COLUMNS.len());
        assert!(cells[3..=6].iter().all(String::is_empty), "{cells:?}");
    }

    #[test]
    fn an_event_weighs_no_less_than_it_is_in_an_answer() {
        let events = vec![event(None), event(Some(Actor::user("u-1", "ann")))];
        for (_, form) in Form::OFFERS {
            let weights = events.iter().map(|event| form.weigh(event)).sum::<usize>();
            let page = AuditPage { items: events.clone(), next_cursor: None, looked_back_to: None };
            let body = Listing { form: *form, page }.render().unwrap().body;
            let sent = json!(String::from_utf8(body).unwrap()).to_string().len();
            // Names of members and columns are not counted.
            assert!(weights + 400 >= sent && weights <= sent + 10, "{form:?} {weights} {sent}");
        }
    }

    #[test]
    fn ndjson_has_an_event_in_each_line() {
        let events = vec![event(None), event(Some(Actor::user("u-1", "ann")))];
        let text = lines(&events);
        assert!(text.ends_with('\n'));
        let read: Vec<Event> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, events);
    }
}

//! Records of the audit table's stream, and the meaning of each of them for the log.

use std::time::Duration;

use archive::Entry;
use jiff::Timestamp;
use platform::audit::{AuditDetails, Event, Outcome};
use platform::ids;
use platform::store::{AuditLog, Retention};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The service that deletes items past their time to live.
const TTL: &str = "dynamodb.amazonaws.com";

/// Names of changed attributes that an event has at most, and characters of each. An intruder
/// chooses them, and the event must fit into an entry of the log.
const NAMES: usize = 32;
const NAME_LENGTH: usize = 64;

/// A record of the stream.
#[derive(Debug, Deserialize)]
pub struct Record {
    #[serde(rename = "eventID")]
    id: String,
    #[serde(rename = "eventName")]
    name: Name,
    #[serde(rename = "userIdentity", default)]
    user_identity: Option<UserIdentity>,
    dynamodb: Change,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Name {
    Insert,
    Modify,
    Remove,
}

/// The local stack sends the names of its members in lower case too.
#[derive(Debug, Deserialize)]
struct UserIdentity {
    #[serde(rename = "principalId", alias = "PrincipalId", default)]
    principal_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
    #[serde(default)]
    approximate_creation_date_time: f64,
    sequence_number: String,
    #[serde(default)]
    keys: Map<String, Value>,
    #[serde(default)]
    old_image: Map<String, Value>,
    #[serde(default)]
    new_image: Map<String, Value>,
}

/// The meaning of a record for the log.
#[derive(Debug)]
pub enum Meaning {
    /// An event is new.
    New(Entry),
    /// An item was changed or deleted, or is no event. This new event tells of it.
    Tampered(Box<Event>),
    /// An event is past its time, or nothing has changed.
    Nothing,
}

impl Record {
    /// Its number in the stream.
    pub fn sequence_number(&self) -> &str {
        &self.dynamodb.sequence_number
    }

    /// Id of the audit event that was written.
    pub fn event_id(&self) -> Option<&str> {
        self.dynamodb.keys.get("id")?["S"].as_str()
    }

    /// When the event was made, if the record brings a new one.
    pub fn made_at(&self) -> Option<Timestamp> {
        if self.name == Name::Insert { ids::made_at(self.event_id()?) } else { None }
    }

    /// The meaning of the record. An item that is no event, or too large for the log, counts as
    /// tampered.
    pub fn meaning(&self, retention: Retention) -> Meaning {
        let Change { old_image: old, new_image: new, .. } = &self.dynamodb;
        match self.name {
            Name::Insert => match read(new).and_then(|event| Entry::new(&event, false).ok()) {
                Some(entry) => Meaning::New(entry),
                None => self.tampered("inserted"),
            },
            Name::Modify if old == new => Meaning::Nothing,
            Name::Modify => self.tampered("edited"),
            Name::Remove => match &self.user_identity {
                Some(identity) if identity.principal_id == TTL && self.is_past(retention) => {
                    Meaning::Nothing
                }
                _ => self.tampered("deleted"),
            },
        }
    }

    /// The event about a change. It has the same id at each delivery of the record.
    fn tampered(&self, change: &str) -> Meaning {
        let Change { old_image: old, new_image: new, .. } = &self.dynamodb;
        let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
        let mut changed: Vec<String> = names
            .filter(|name| old.get(*name) != new.get(*name))
            .map(|name| name.chars().take(NAME_LENGTH).collect())
            .collect();
        changed.sort_unstable();
        changed.truncate(NAMES);
        let details = AuditDetails::action("audit.tampered")
            .resource("event", self.event_id().unwrap_or("unknown"))
            .detail("change", change)
            .detail("attributes", changed);
        let details = [("hash_before", old), ("hash_after", new)].into_iter().fold(
            details,
            |details, (name, image)| match image.get("hash").and_then(|hash| hash["S"].as_str()) {
                Some(hash) => {
                    details.detail(name, hash.chars().take(NAME_LENGTH).collect::<String>())
                }
                None => details,
            },
        );
        let seed = format!("audit.tampered {}", self.id);
        let new_id = ids::derived_id(self.written_at(), &seed);
        Event::of_system(details, Outcome::Failure, new_id, self.id.clone())
            .map_or(Meaning::Nothing, |event| Meaning::Tampered(Box::new(event)))
    }

    /// Whether the event was past its retention at the time of the change. The item's own time to
    /// live does not count: an intruder can shorten it, or choose another attribute for it.
    fn is_past(&self, retention: Retention) -> bool {
        let made_at = self.event_id().and_then(ids::made_at);
        let now = self.written_at().as_second();
        made_at.is_some_and(|made_at| retention.expires_at(made_at) <= now)
    }

    /// The time of the change, to the second.
    fn written_at(&self) -> Timestamp {
        let seconds = self.dynamodb.approximate_creation_date_time;
        let time = Duration::try_from_secs_f64(seconds).map(|time| time.as_secs());
        let seconds = time.ok().and_then(|seconds| i64::try_from(seconds).ok());
        let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
        time.unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// The event of an image.
fn read(image: &Map<String, Value>) -> Option<Event> {
    AuditLog::event_of(Value::Object(image.clone())).ok()
}

#[cfg(test)]
mod tests {
    use platform::config::Config;
    use serde_json::json;

    use super::*;

    const ID: &str = "019a0000-0000-7000-8000-000000000001";

    fn image(action: &str) -> Value {
        json!({
            "shard": {"N": "1"}, "id": {"S": ID}, "expires_at": {"N": "1"}, "v": {"N": "1"},
            "time": {"S": "2026-01-31T09:30:00.000Z"}, "action": {"S": action},
            "outcome": {"S": "success"}, "ip": {"S": ""}, "user_agent": {"S": ""},
            "request_id": {"S": "r"}, "latency_ms": {"N": "3"},
            "detail": {"M": {"rows": {"N": "2"}, "ratio": {"N": "0.5"}}}, "hash": {"S": action},
        })
    }

    fn retention() -> Retention {
        Retention::new(&Config::default()).unwrap()
    }

    fn record(name: &str, old: &Value, new: &Value, principal: Option<&str>) -> Record {
        let mut record = json!({
            "eventID": "e-1", "eventName": name, "awsRegion": "us-east-1",
            "dynamodb": {
                "SequenceNumber": "7", "ApproximateCreationDateTime": 1_800_000_000.0,
                "Keys": {"shard": {"N": "1"}, "id": {"S": ID}}, "StreamViewType": "X",
            },
        });
        for (image, name) in [(old, "OldImage"), (new, "NewImage")] {
            if !image.is_null() {
                record["dynamodb"][name] = image.clone();
            }
        }
        if let Some(principal) = principal {
            record["userIdentity"] = json!({"principalId": principal, "type": "Service"});
        }
        serde_json::from_value(record).unwrap()
    }

    #[test]
    fn a_new_event_becomes_an_entry_without_its_hash() {
        let Meaning::New(entry) =
            record("INSERT", &Value::Null, &image("a.b"), None).meaning(retention())
        else {
            panic!("no entry")
        };
        assert_eq!(entry.id, ID);
        let text: Value = serde_json::from_str(&entry.text).unwrap();
        assert_eq!(text["detail"], json!({"ratio": 0.5, "rows": 2}));
        assert_eq!((text.get("hash"), text.get("shard")), (None, None));
        assert!(entry.text.starts_with("{\"action\":\"a.b\",\"detail\":{\"ratio\":0.5,"));
    }

    #[test]
    fn a_change_that_is_not_the_service_s_own_is_told_once() {
        let (a, b, none) = (image("a.b"), image("a.c"), Value::Null);
        let mut long = a.clone();
        long["request_id"] = json!({"S": "r".repeat(70_000)});
        for (name, old, new, principal, expected) in [
            ("MODIFY", &a, &b, None, Some(("edited", vec!["action", "hash"]))),
            ("MODIFY", &a, &a, None, None),
            ("REMOVE", &a, &none, Some(TTL), None),
            ("INSERT", &none, &json!({"id": {"S": ID}}), None, Some(("inserted", vec!["id"]))),
        ] {
            let told = match record(name, old, new, principal).meaning(retention()) {
                Meaning::Tampered(event) => Some(event),
                Meaning::Nothing => None,
                Meaning::New(entry) => panic!("{entry:?}"),
            };
            let found = told.as_ref().map(|event| {
                let attributes = event.detail["attributes"].as_array().unwrap();
                let names: Vec<_> = attributes.iter().map(|name| name.as_str().unwrap()).collect();
                (event.detail["change"].as_str().unwrap(), names)
            });
            assert_eq!(found, expected, "{name}");
        }
        for principal in [None, Some("AROA:somebody")] {
            let told = || match record("REMOVE", &a, &none, principal).meaning(retention()) {
                Meaning::Tampered(event) => event,
                other => panic!("{other:?}"),
            };
            let event = told();
            assert_eq!(event.detail["change"], "deleted");
            assert_eq!(event.detail["hash_before"], "a.b");
            assert_eq!(event.detail.get("hash_after"), None);
            assert_eq!(event.resource, Some(format!("event:{ID}")));
            assert_eq!(event.time, "2027-01-15T08:00:00.000Z");
            assert_eq!(event.hash, event.fingerprint());
            assert_eq!(told().id, event.id);
        }
        assert!(matches!(
            record("INSERT", &none, &long, None).meaning(retention()),
            Meaning::Tampered(_)
        ));
    }

    #[test]
    fn a_deletion_before_its_time_is_told_even_if_the_service_makes_it() {
        let a = image("a.b");
        let made_at = ids::made_at(ID).unwrap();
        let expires_at = retention().expires_at(made_at);
        for (seconds, is_told) in [(expires_at - 1, true), (expires_at, false)] {
            let mut record = record("REMOVE", &a, &Value::Null, Some(TTL));
            record.dynamodb.approximate_creation_date_time =
                Duration::from_secs(seconds.unsigned_abs()).as_secs_f64();
            assert_eq!(
                matches!(record.meaning(retention()), Meaning::Tampered(_)),
                is_told,
                "{seconds}"
            );
        }
    }

    #[test]
    fn the_event_about_a_change_of_any_size_fits_into_the_log() {
        let mut item = json!({"id": {"S": ID}, "hash": {"S": "h".repeat(400_000)}});
        for number in 0..40 {
            item[format!("{number}{}", "\u{1f600}".repeat(2_000))] = json!({"NULL": true});
        }
        let Meaning::Tampered(event) =
            record("INSERT", &Value::Null, &item, None).meaning(retention())
        else {
            panic!("it is no event")
        };
        assert_eq!(event.detail["attributes"].as_array().unwrap().len(), 32);
        assert!(event.canonical().len() < 16_000);
        assert!(Entry::new(&event, false).is_ok());
    }
}

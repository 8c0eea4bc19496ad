//! A file as it is stored, and its way through the statuses.

use jiff::Timestamp;
use platform::clock::rfc3339_ms;
use platform::context::Context;
use platform::database::{Item, StoreError, read};
use platform::identity::Principal;
use platform::ids;
use serde::{Deserialize, Serialize};

use crate::domain::{
    File, FileName, FileStatus, MOST_SKIPPED, MOST_SKIPPED_BYTES, MediaType, NewFile, Prepare,
    Prepared, Reason, Sha256, Skipped,
};

/// Seconds for which an announced file waits for its upload. The bucket keeps the bytes as long.
const PENDING_SECONDS: i64 = 86_400;

/// Milliseconds after which a preparation counts as dead. Lambda begins it within 60 s or not at
/// all, it lasts 60 s at most, and its end takes some seconds.
const PREPARING_MS: i64 = 150_000;

/// Settings of the deployment for files.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Bytes of a file, at most.
    pub most_bytes: u64,
    /// Seconds for which a file is kept once its upload is complete.
    pub kept_seconds: i64,
}

/// Who completed an upload, and from where. `file-end` leaves its event with this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The caller.
    pub caller: Principal,
    /// The circumstances of the request.
    pub context: Context,
}

/// A file as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Id of its user.
    pub user_id: String,
    /// UUIDv7.
    pub id: String,
    /// The name.
    pub name: FileName,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes.
    pub sha256: Sha256,
    /// Media type.
    pub media_type: MediaType,
    /// How far it has come. See [`Record::status_at`].
    pub status: FileStatus,
    /// Why it is rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Pages of a PDF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<u32>,
    /// Parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<u32>,
    /// Entries of an archive that have no part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Time to live, seconds since 1970. DynamoDB deletes some items later, so readers compare it.
    pub expires_at: i64,
    /// Milliseconds since 1970 at which the preparation counts as dead, while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<i64>,
    /// Who completed the upload, while the preparation runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Counts its changes, from 1.
    pub version: u64,
}

impl Record {
    /// A new file.
    pub fn new(user_id: &str, file: NewFile, now: Timestamp) -> Self {
        Self {
            user_id: user_id.to_owned(),
            id: ids::new_id(now),
            name: file.name,
            size: file.size,
            sha256: file.sha256,
            media_type: file.media_type,
            status: FileStatus::Pending,
            reason: None,
            pages: None,
            parts: None,
            skipped: Vec::new(),
            created_at: now.as_millisecond(),
            expires_at: now.as_second() + PENDING_SECONDS,
            deadline: None,
            origin: None,
            version: 1,
        }
    }

    /// The file of an item.
    pub fn read(item: Item) -> Result<Self, StoreError> {
        read(item)
    }

    /// Whether it has not expired yet.
    pub fn is_kept(&self, now: Timestamp) -> bool {
        now.as_second() < self.expires_at
    }

    /// How far it has come. A preparation whose deadline is over counts as dead.
    pub fn status_at(&self, now: Timestamp) -> FileStatus {
        if self.is_dead(now) { FileStatus::Rejected } else { self.status }
    }

    /// Whether its preparation has missed its deadline.
    fn is_dead(&self, now: Timestamp) -> bool {
        let is_over = self.deadline.is_none_or(|deadline| deadline <= now.as_millisecond());
        self.status == FileStatus::Processing && is_over
    }

    /// The file after the completion of its upload, or a repeated one: its preparation begins.
    #[must_use]
    pub fn processing(&self, origin: Origin, terms: Terms, now: Timestamp) -> Self {
        Self {
            status: FileStatus::Processing,
            expires_at: now.as_second().saturating_add(terms.kept_seconds),
            deadline: Some(now.as_millisecond() + PREPARING_MS),
            origin: Some(origin),
            version: self.version + 1,
            ..self.clone()
        }
    }

    /// The file after its preparation. Readers have seen it as rejected if the deadline is over, so
    /// it is rejected then.
    #[must_use]
    pub fn ended(&self, prepared: Prepared, now: Timestamp) -> Self {
        let prepared = if self.is_dead(now) {
            Prepared::Rejected { reason: Reason::Unreadable }
        } else {
            prepared
        };
        let ended =
            Self { deadline: None, origin: None, version: self.version + 1, ..self.clone() };
        match prepared {
            Prepared::Ready { parts, pages, skipped } => Self {
                status: FileStatus::Ready,
                parts: Some(parts),
                pages,
                skipped: bounded(skipped),
                ..ended
            },
            Prepared::Rejected { reason } => {
                Self { status: FileStatus::Rejected, reason: Some(reason), ..ended }
            }
        }
    }

    /// The payload of its preparation.
    pub fn prepare(&self) -> Prepare {
        Prepare {
            user_id: self.user_id.clone(),
            file_id: self.id.clone(),
            size: self.size,
            sha256: self.sha256.as_str().to_owned(),
            media_type: self.media_type.as_str().to_owned(),
        }
    }

    /// The file as its user sees it at this time.
    pub fn shown(&self, now: Timestamp) -> File {
        let reason = if self.is_dead(now) { Some(Reason::Unreadable) } else { self.reason };
        File {
            id: self.id.clone(),
            name: self.name.as_str().to_owned(),
            size: self.size,
            sha256: self.sha256.as_str().to_owned(),
            media_type: self.media_type.as_str().to_owned(),
            status: self.status_at(now),
            reason,
            pages: self.pages,
            parts: self.parts,
            skipped: Some(self.skipped.clone()),
            created_at: rfc3339_ms(self.created_at),
            expires_at: rfc3339_ms(self.expires_at.saturating_mul(1_000)),
        }
    }
}

/// The first of these entries, as many as an item has room for. The function that made the list
/// reads hostile bytes, so nothing relies on its bounds.
fn bounded(skipped: Vec<Skipped>) -> Vec<Skipped> {
    let mut room = MOST_SKIPPED_BYTES;
    let has_room = |entry: &Skipped| {
        let rest = room.checked_sub(entry.path.len());
        room = rest.unwrap_or_default();
        rest.is_some()
    };
    skipped.into_iter().take(MOST_SKIPPED).take_while(has_room).collect()
}

#[cfg(test)]
pub(super) mod samples {
    use platform::identity::Credential;
    use platform::input::Fields;
    use serde_json::json;

    use super::*;

    pub fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    pub fn file() -> Record {
        let body = json!({
            "name": "a.txt", "size": 7, "sha256": "0".repeat(64), "media_type": "text/plain",
        });
        let new = Fields::json(body.as_object().unwrap().clone()).read().unwrap();
        Record::new("u", new, at(1_000))
    }

    pub fn origin() -> Origin {
        let caller = Principal {
            user_id: "u".into(),
            username: "ann".into(),
            credential: Credential::KeyId("k".into()),
        };
        Origin { caller, context: Context::default() }
    }
}

#[cfg(test)]
mod tests {
    use platform::database::item;

    use super::samples::{at, file, origin};
    use super::*;
    use crate::domain::SkippedBecause;

    const TERMS: Terms = Terms { most_bytes: 100, kept_seconds: 30 * 86_400 };

    fn skipped(paths: &[usize]) -> Vec<Skipped> {
        let entry =
            |length: &usize| Skipped { path: "x".repeat(*length), reason: SkippedBecause::Binary };
        paths.iter().map(entry).collect()
    }

    fn ready(skipped: Vec<Skipped>) -> Prepared {
        Prepared::Ready { parts: 3, pages: Some(2), skipped }
    }

    #[test]
    fn a_file_is_stored_and_read_back_as_it_was() {
        let pending = file();
        let processing = pending.processing(origin(), TERMS, at(2_000));
        let rejected = Prepared::Rejected { reason: Reason::NotText };
        let ends = [ready(skipped(&[7])), rejected];
        let ends = ends.map(|prepared| processing.ended(prepared, at(2_001)));
        for record in [&pending, &processing].into_iter().chain(&ends) {
            assert_eq!(Record::read(item(record).unwrap()).unwrap(), *record);
        }
        assert_eq!((pending.version, processing.version, ends[0].version), (1, 2, 3));
    }

    #[test]
    fn a_file_is_kept_for_a_day_and_longer_once_it_is_uploaded() {
        let pending = file();
        assert!(pending.is_kept(at(1_000 + 86_399)) && !pending.is_kept(at(1_000 + 86_400)));
        let processing = pending.processing(origin(), TERMS, at(2_000));
        assert_eq!(processing.expires_at, 2_000 + 30 * 86_400);
        let ended = processing.ended(ready(Vec::new()), at(2_100));
        assert_eq!(ended.expires_at, processing.expires_at);
        assert_eq!((ended.origin, ended.deadline), (None, None));
    }

    #[test]
    fn a_preparation_that_misses_its_deadline_is_dead() {
        let processing = file().processing(origin(), TERMS, at(2_000));
        for (second, is_dead) in [(2_000, false), (2_149, false), (2_150, true), (9_000, true)] {
            let now = at(second);
            let (status, reason) = if is_dead {
                (FileStatus::Rejected, Some(Reason::Unreadable))
            } else {
                (FileStatus::Processing, None)
            };
            let shown = processing.shown(now);
            assert_eq!((processing.status_at(now), shown.status), (status, status), "{second}");
            assert_eq!(shown.reason, reason, "{second}");
            // An end that comes too late does not change what readers have seen.
            let ended = processing.ended(ready(Vec::new()), now).shown(now);
            let expected = if is_dead { FileStatus::Rejected } else { FileStatus::Ready };
            assert_eq!((ended.status, ended.reason), (expected, reason), "{second}");
        }
        // A repeated completion gives the preparation its time again.
        let again = processing.processing(origin(), TERMS, at(2_100));
        assert_eq!(again.status_at(at(2_200)), FileStatus::Processing);
        assert_eq!(file().status_at(at(9_000)), FileStatus::Pending);
    }

    #[test]
    fn skipped_entries_are_bounded() {
        for (paths, kept) in [
            (vec![], 0),
            (vec![10; 200], 200),
            (vec![10; 300], 200),
            (vec![200; 150], 100),
            (vec![20_000, 1], 1),
            (vec![20_001, 1], 0),
        ] {
            assert_eq!(bounded(skipped(&paths)).len(), kept, "{paths:?}");
        }
    }
}

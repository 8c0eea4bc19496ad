//! Stores the texts of an event to come, and reads those of an event.

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join, try_join_all};
use platform::audit::{Event, EventTexts, TextReference};
use platform::clock::Clock;
use platform::store::Retention;
use platform::{ConfigError, Platform, ids};
use serde::Serialize;
use utoipa::ToSchema;

use crate::data_key::DataKey;
use crate::data_keys::DataKeys;
use crate::error::TextError;
use crate::pieces::{self, Pieces};
use crate::store::TextPieces;

/// Name of the text that lists, in JSON, the sources of the other texts of its event. A reader who
/// may not read all of it is shown no text of the event.
pub const SOURCES: &str = "sources";

/// The texts of audit events.
#[derive(Clone)]
pub struct Texts {
    keys: DataKeys,
    pieces: TextPieces,
    retention: Retention,
    clock: Clock,
}

/// Why a text of an event cannot be read. `missing`: a part of it, or the key that the event names,
/// is not there. `altered`: it, or the key of its user, differs from what was stored. `erased`: the
/// key of its user was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = UnreadableText)]
pub enum Unreadable {
    /// A part of it, or the key that the event names, is not there.
    Missing,
    /// It, or the key of its user, differs from what was stored.
    Altered,
    /// The key of its user was erased.
    Erased,
}

impl Texts {
    /// Uses the tables that `AUDIT_TEXTS_TABLE` and `DATA_KEYS_TABLE` name, and the key of KMS that
    /// `TEXT_KEY_ARN` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            keys: DataKeys::new(platform)?,
            pieces: TextPieces::new(platform)?,
            retention: Retention::new(&platform.config)?,
            clock: platform.clock.clone(),
        })
    }

    /// Gets a user's key ready, before the effect whose texts are to be stored. If this fails, the
    /// texts could not be stored either.
    pub fn prepare<'a>(&'a self, user_id: &'a str) -> BoxFuture<'a, Result<(), TextError>> {
        async move { self.keys.obtain(user_id).await.map(drop) }.boxed()
    }

    /// Stores texts of a user, by their names, for an event to come. A name has no `#`.
    ///
    /// The event gets a new id, just before its texts are stored. So the id is hardly older than
    /// the event, and a walk through the log by ids does not pass its place before it is there. A
    /// caller whose transaction fails stores the texts again, for another event. Those of the first
    /// one expire.
    pub fn store<'a>(
        &'a self,
        user_id: &'a str,
        texts: &'a [(&'static str, &'a str)],
    ) -> BoxFuture<'a, Result<EventTexts, TextError>> {
        async move {
            let key = self.keys.obtain(user_id).await?;
            let now = self.clock.now();
            let event_id = ids::new_id(now);
            let expires_at = self.retention.expires_at(now);
            let mut sealed = Vec::new();
            for (name, text) in texts {
                sealed.push((*name, key.seal(&event_id, name, text)?));
            }
            let cut = sealed.iter().flat_map(|(name, sealed)| pieces::cut(name, sealed));
            let puts =
                cut.map(|(piece, bytes)| self.pieces.add(&event_id, piece, bytes, expires_at));
            try_join_all(puts).await?;
            let texts = sealed.iter().map(|(name, sealed)| reference(&key, name, sealed)).collect();
            Ok(EventTexts { event_id, texts })
        }
        .boxed()
    }

    /// The texts of an event in clear, in the order of its references. An unreadable text does not
    /// keep the others from being read.
    pub fn read<'a>(
        &'a self,
        event: &'a Event,
    ) -> BoxFuture<'a, Result<Vec<Result<String, Unreadable>>, TextError>> {
        async move {
            let none = |why| Ok(vec![Err(why); event.texts.len()]);
            let Some(actor) = event.actor.as_ref().filter(|_| !event.texts.is_empty()) else {
                return none(Unreadable::Missing);
            };
            let (key, pieces) =
                join(self.keys.find(&actor.user_id), self.pieces.of(&event.id)).await;
            let key = match key {
                Ok(Some(key)) => key,
                Ok(None) => return none(Unreadable::Missing),
                Err(TextError::Erased) => return none(Unreadable::Erased),
                Err(TextError::Refused) => return none(Unreadable::Altered),
                Err(error) => return Err(error),
            };
            let pieces = pieces?;
            let open = |text| open(&key, &event.id, text, &pieces);
            Ok(event.texts.iter().map(open).collect())
        }
        .boxed()
    }
}

/// The reference to an encrypted text.
fn reference(key: &DataKey, name: &str, sealed: &[u8]) -> TextReference {
    TextReference {
        name: name.to_owned(),
        sha256: ids::sha256_of(sealed),
        bytes: sealed.len() as u64,
        key_id: key.id().to_owned(),
    }
}

/// A text in clear.
fn open(
    key: &DataKey,
    event_id: &str,
    text: &TextReference,
    pieces: &Pieces,
) -> Result<String, Unreadable> {
    if key.id() != text.key_id {
        return Err(Unreadable::Missing);
    }
    let sealed = pieces::join(&text.name, text.bytes, pieces).ok_or(Unreadable::Missing)?;
    if sealed.len() as u64 != text.bytes || ids::sha256_of(&sealed) != text.sha256 {
        return Err(Unreadable::Altered);
    }
    key.open(event_id, &text.name, sealed).ok_or(Unreadable::Altered)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = "019a0000-0000-7000-8000-000000000001";
    const OTHER: &str = "019a0000-0000-7000-8000-000000000002";

    /// A text of two pieces, with its reference.
    fn stored(event_id: &str, name: &str, letter: &str) -> (TextReference, Pieces) {
        let sealed = DataKey::of(1).seal(event_id, name, &letter.repeat(400_000)).unwrap();
        let pieces = pieces::cut(name, &sealed).map(|(key, piece)| (key, piece.to_vec()));
        (reference(&DataKey::of(1), name, &sealed), pieces.collect())
    }

    type Edit = fn(&mut Pieces);

    #[test]
    fn a_text_is_what_was_stored_or_says_why_it_is_not() {
        let (text, whole) = stored(EVENT, "reply", "a");
        assert_eq!(whole.len(), 2);
        let read = |text: &TextReference, pieces: &Pieces| {
            open(&DataKey::of(1), EVENT, text, pieces).map(|text| text.len())
        };
        assert_eq!(read(&text, &whole), Ok(400_000));

        let edits: [(&str, Edit, Unreadable); 6] = [
            ("no first piece", |pieces| drop(pieces.remove("reply#0")), Unreadable::Missing),
            ("no last piece", |pieces| drop(pieces.remove("reply#1")), Unreadable::Missing),
            ("swapped pieces", swap, Unreadable::Altered),
            ("a shorter piece", |pieces| shorten(pieces, "reply#1"), Unreadable::Altered),
            ("a shorter first piece", |pieces| shorten(pieces, "reply#0"), Unreadable::Altered),
            (
                "another bit",
                |pieces| pieces.get_mut("reply#1").unwrap()[7] ^= 1,
                Unreadable::Altered,
            ),
        ];
        for (name, edit, expected) in edits {
            let mut pieces = whole.clone();
            edit(&mut pieces);
            assert_eq!(read(&text, &pieces), Err(expected), "{name}");
        }

        // An attacker who can write both tables makes the reference fit the pieces.
        for (name, event_id, text_name) in
            [("another event's", OTHER, "reply"), ("another text's", EVENT, "prompt")]
        {
            let (other, pieces) = stored(event_id, text_name, "b");
            let renamed =
                |(piece, bytes): (String, Vec<u8>)| (piece.replace(text_name, "reply"), bytes);
            let pieces: Pieces = pieces.into_iter().map(renamed).collect();
            let moved = TextReference { name: "reply".into(), ..other };
            assert_eq!(read(&moved, &pieces), Err(Unreadable::Altered), "{name}");
        }
        let of_another_key = TextReference { key_id: "k-2".into(), ..text.clone() };
        assert_eq!(read(&of_another_key, &whole), Err(Unreadable::Missing));
        for bytes in [0, text.bytes - 1, text.bytes + 1] {
            let other = TextReference { bytes, ..text.clone() };
            assert_eq!(read(&other, &whole), Err(Unreadable::Altered), "{bytes}");
        }
    }

    fn swap(pieces: &mut Pieces) {
        let first = pieces.remove("reply#0").unwrap();
        let last = pieces.insert("reply#1".into(), first).unwrap();
        pieces.insert("reply#0".into(), last);
    }

    fn shorten(pieces: &mut Pieces, piece: &str) {
        pieces.get_mut(piece).unwrap().pop();
    }
}

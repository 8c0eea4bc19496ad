//! The texts of a ring's keys, and how one ring follows from another.

use std::time::Duration;

use platform::ids;
use platform::secrets::{BELIEVED_FOR, Secret};
use serde::Serialize;

/// The members of a ring's secret. There is no `Debug`: keys must not reach a log.
#[derive(Clone, Serialize)]
pub struct Keys {
    /// The key that signs.
    current: String,
    /// A key that is published, so that every function knows it by the time it signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// A key that signed before, and still verifies.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
}

impl Keys {
    /// The usable keys of a secret; `None` if no key of it signs.
    pub fn of(secret: &Secret) -> Option<Self> {
        let member = |name| secret.get(name).map(str::to_owned);
        Some(Self {
            current: member("current")?,
            next: member("next"),
            previous: member("previous"),
        })
    }

    /// A ring without any of the earlier keys.
    pub fn fresh() -> Self {
        Self { current: fresh_key(), next: Some(fresh_key()), previous: None }
    }

    /// The ring shifted by one: next -> current -> previous. Only a ring that has never been
    /// rotated has no next key.
    #[must_use]
    pub fn shifted(self) -> Self {
        Self {
            current: self.next.unwrap_or_else(fresh_key),
            next: Some(fresh_key()),
            previous: Some(self.current),
        }
    }

    /// Whether this ring is `before` shifted by one, with a next key that was not in it.
    pub fn follow(&self, before: &Self) -> bool {
        let was_there = |key: &str| before.all().any(|known| ids::same(known, key));
        self.previous.as_deref().is_some_and(|previous| ids::same(previous, &before.current))
            && before
                .next
                .as_deref()
                .map_or(!was_there(&self.current), |next| ids::same(next, &self.current))
            && self
                .next
                .as_deref()
                .is_some_and(|next| !was_there(next) && !ids::same(next, &self.current))
    }

    /// How long the next shift has to wait after the last one. A shift drops `previous`, whose
    /// tokens are valid for `needed` after it stopped signing. It also lets `next` sign, which
    /// functions that read the ring earlier may not know yet.
    pub fn settling(&self, needed: Duration) -> Duration {
        match (&self.next, &self.previous) {
            (_, Some(_)) => needed,
            (Some(_), None) => BELIEVED_FOR,
            (None, None) => Duration::ZERO,
        }
    }

    /// The secret's text.
    pub fn to_text(&self) -> String {
        serde_json::json!(self).to_string()
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        [Some(&self.current), self.next.as_ref(), self.previous.as_ref()]
            .into_iter()
            .flatten()
            .map(String::as_str)
    }
}

/// 384 random bits in 64 characters.
fn fresh_key() -> String {
    ids::new_secret::<48>()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(name: &str) -> String {
        name.repeat(64)
    }

    fn keys(current: &str, next: Option<&str>, previous: Option<&str>) -> Keys {
        Keys { current: key(current), next: next.map(key), previous: previous.map(key) }
    }

    #[test]
    fn a_shift_makes_next_current_and_current_previous() {
        let before = keys("b", Some("c"), Some("a"));
        let after = before.clone().shifted();
        assert_eq!((&after.current, after.previous.as_ref()), (&key("c"), Some(&key("b"))));
        assert_eq!(after.next.as_ref().unwrap().len(), 64);
        assert!(after.follow(&before));
        assert!(after.clone().shifted().follow(&after));

        let first = keys("a", None, None);
        let second = first.clone().shifted();
        assert_eq!((second.current.len(), second.previous.as_ref()), (64, Some(&key("a"))));
        assert!(second.follow(&first));
    }

    #[test]
    fn a_ring_that_does_not_follow_is_told_from_one_that_does() {
        let before = keys("b", Some("c"), Some("a"));
        for (what, after) in [
            ("the same", before.clone()),
            ("not the next key", keys("d", Some("e"), Some("b"))),
            ("the next key is not published", keys("c", None, Some("b"))),
            ("a next key that was there", keys("c", Some("a"), Some("b"))),
            ("a next key that signs", keys("c", Some("c"), Some("b"))),
            ("the current key dropped", keys("c", Some("d"), None)),
            ("another key kept", keys("c", Some("d"), Some("a"))),
            ("made before an emergency", keys("x", Some("y"), None).shifted()),
            ("an emergency", Keys::fresh()),
        ] {
            assert!(!after.follow(&before), "{what}");
        }
        assert!(
            !keys("a", Some("b"), Some("a")).follow(&keys("a", None, None)),
            "the same key goes on signing"
        );
    }

    #[test]
    fn a_shift_waits_for_what_it_would_drop_and_for_what_it_would_let_sign() {
        let needed = Duration::from_hours(170);
        for (ring, expected) in [
            (keys("a", None, None), Duration::ZERO),
            (keys("a", Some("b"), None), BELIEVED_FOR),
            (keys("b", Some("c"), Some("a")), needed),
            (Keys::fresh(), BELIEVED_FOR),
            (keys("a", None, None).shifted(), needed),
        ] {
            assert_eq!(ring.settling(needed), expected);
        }
    }

    #[test]
    fn a_secret_gives_back_the_keys_that_were_written() {
        let read =
            |text: &str| serde_json::from_str(text).ok().and_then(|secret| Keys::of(&secret));
        let ring = keys("b", Some("c"), Some("a"));
        assert_eq!(read(&ring.to_text()).unwrap().to_text(), ring.to_text());
        // An unusable member that was left behind is no key, because a shift would make it sign.
        let ring = read(&json!({"current": key("a"), "next": "", "previous": "short"}).to_string())
            .unwrap();
        assert_eq!(ring.to_text(), keys("a", None, None).to_text());
        for text in [
            json!({}).to_string(),
            json!({"current": "short"}).to_string(),
            json!({"next": key("a")}).to_string(),
        ] {
            assert!(read(&text).is_none(), "{text}");
        }
    }
}

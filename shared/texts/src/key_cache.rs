//! The plain data keys that a process keeps, for a few minutes and for few users.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::data_key::DataKey;

/// How long a plain key is used. A warm process still uses a key for so long after it was erased.
pub const KEPT_FOR: Duration = Duration::from_mins(5);

/// Keys that are kept at most. One more evicts the key that was read first.
const CAPACITY: usize = 256;

/// Plain keys by their users.
#[derive(Default)]
pub struct KeyCache(HashMap<String, Kept>);

struct Kept {
    key: Arc<DataKey>,
    read_at: Timestamp,
}

impl KeyCache {
    /// The key of a user, if it has been read within the last minutes.
    pub fn get(&mut self, user_id: &str, now: Timestamp) -> Option<Arc<DataKey>> {
        self.forget_old(now);
        self.0.get(user_id).map(|kept| Arc::clone(&kept.key))
    }

    /// Lets go of old keys.
    pub fn forget_old(&mut self, now: Timestamp) {
        self.0.retain(|_, kept| now.duration_since(kept.read_at).unsigned_abs() < KEPT_FOR);
    }

    /// Keeps the key of a user, which was read after `read_at`.
    pub fn keep(&mut self, user_id: &str, key: DataKey, read_at: Timestamp) -> Arc<DataKey> {
        let first = self.0.iter().min_by_key(|(_, kept)| kept.read_at).map(|(id, _)| id.clone());
        if let Some(first) = first.filter(|_| self.0.len() >= CAPACITY) {
            self.0.remove(&first);
        }
        let key = Arc::new(key);
        self.0.insert(user_id.to_owned(), Kept { key: Arc::clone(&key), read_at });
        key
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{CAPACITY, KeyCache};
    use crate::data_key::DataKey;
    use jiff::Timestamp;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + milliseconds).unwrap()
    }

    #[test]
    fn a_key_is_kept_for_five_minutes_and_then_gone() {
        let mut cache = KeyCache::default();
        let kept = cache.keep("a", DataKey::of(1), at(0));
        cache.keep("b", DataKey::of(2), at(1_000));
        for (user_id, milliseconds, found) in [
            ("a", 0, Some("k-1")),
            ("c", 0, None),
            ("a", 299_999, Some("k-1")),
            ("a", 300_000, None),
            ("b", 300_000, Some("k-2")),
            // A clock that was set back keeps no key for longer.
            ("b", -299_000, None),
        ] {
            let key = cache.get(user_id, at(milliseconds));
            assert_eq!(key.as_ref().map(|key| key.id()), found, "{user_id} {milliseconds}");
        }
        assert!(cache.0.is_empty());
        assert_eq!(Arc::strong_count(&kept), 1, "the cache has let go of the key");
    }

    #[test]
    fn a_full_cache_evicts_the_key_that_was_read_first() {
        let mut cache = KeyCache::default();
        for number in 0..=CAPACITY {
            let read_at = at(i64::try_from(number).unwrap());
            cache.keep(&number.to_string(), DataKey::of(0), read_at);
        }
        assert_eq!(cache.0.len(), CAPACITY);
        let found = |cache: &mut KeyCache, user_id: &str| cache.get(user_id, at(300)).is_some();
        assert!(!found(&mut cache, "0"));
        assert!(found(&mut cache, "1") && found(&mut cache, &CAPACITY.to_string()));
    }
}

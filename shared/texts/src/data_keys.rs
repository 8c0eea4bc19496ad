//! The data keys of users: where they come from, and the race of two functions for the first one.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use platform::clock::Clock;
use platform::database::StoreError;
use platform::{ConfigError, Platform, ids};
use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::data_key::DataKey;
use crate::error::TextError;
use crate::key_cache::{KEPT_FOR, KeyCache};
use crate::kms::Kms;
use crate::store::{StoredKey, WrappedKeys};

/// The data keys of users, with a cache for the process.
#[derive(Clone)]
pub struct DataKeys(Arc<Shared>);

struct Shared {
    kms: Kms,
    wrapped: WrappedKeys,
    /// Locked while a key is read. A caller who comes meanwhile waits, and finds the key.
    cache: Arc<Mutex<KeyCache>>,
    clock: Clock,
}

impl DataKeys {
    /// Uses the table that `DATA_KEYS_TABLE` names and the key of KMS that `TEXT_KEY_ARN` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self(Arc::new(Shared {
            kms: Kms::new(platform)?,
            wrapped: WrappedKeys::new(platform)?,
            cache: Arc::default(),
            clock: platform.clock.clone(),
        })))
    }

    /// The key of a user. If there has never been one, it is made. Two functions may make one at
    /// the same time: the key that is stored first counts, and both get it.
    pub fn obtain<'a>(
        &'a self,
        user_id: &'a str,
    ) -> BoxFuture<'a, Result<Arc<DataKey>, TextError>> {
        async move {
            let Shared { kms, wrapped, cache, clock } = &*self.0;
            let mut cache = cache.lock().await;
            let now = clock.now();
            if let Some(key) = self.known(user_id, &mut cache, now).await? {
                return Ok(key);
            }
            let new = kms.generate(user_id).await?;
            let key_id = ids::new_id(now);
            if wrapped.add(user_id, &key_id, new.wrapped, now).await? {
                return Ok(self.keep(user_id, DataKey::new(key_id, new.plain), &mut cache, now));
            }
            let first = self.known(user_id, &mut cache, now).await?;
            let gone = || StoreError::Unavailable("a data key has gone".to_owned()).into();
            first.ok_or_else(gone)
        }
        .boxed()
    }

    /// The key of a user as it is now; `None` if there has never been one. The table is read each
    /// time, so a process that still has the plain key of an erased user does not use it.
    pub fn find<'a>(
        &'a self,
        user_id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Arc<DataKey>>, TextError>> {
        async move {
            let stored = self.0.wrapped.get(user_id).await?;
            let mut cache = self.0.cache.lock().await;
            let now = self.0.clock.now();
            let kept = match &stored {
                Some(StoredKey::Wrapped { key_id, .. }) => {
                    cache.get(user_id, now).filter(|key| key.id() == key_id)
                }
                _ => None,
            };
            match kept {
                Some(key) => Ok(Some(key)),
                None => self.open(user_id, stored, &mut cache, now).await,
            }
        }
        .boxed()
    }

    /// The key of a user from the cache, or from the table and KMS.
    async fn known(
        &self,
        user_id: &str,
        cache: &mut KeyCache,
        now: Timestamp,
    ) -> Result<Option<Arc<DataKey>>, TextError> {
        if let Some(key) = cache.get(user_id, now) {
            return Ok(Some(key));
        }
        let stored = self.0.wrapped.get(user_id).await?;
        self.open(user_id, stored, cache, now).await
    }

    /// The key of a user as it is stored, unwrapped by KMS.
    async fn open(
        &self,
        user_id: &str,
        stored: Option<StoredKey>,
        cache: &mut KeyCache,
        now: Timestamp,
    ) -> Result<Option<Arc<DataKey>>, TextError> {
        match stored {
            None => Ok(None),
            Some(StoredKey::Erased) => Err(TextError::Erased),
            Some(StoredKey::Wrapped { key_id, wrapped }) => {
                let plain = self.0.kms.decrypt(user_id, wrapped).await?;
                Ok(Some(self.keep(user_id, DataKey::new(key_id, plain), cache, now)))
            }
        }
    }

    /// Keeps a key until it is old.
    fn keep(
        &self,
        user_id: &str,
        key: DataKey,
        cache: &mut KeyCache,
        now: Timestamp,
    ) -> Arc<DataKey> {
        let Shared { cache: shared, clock, .. } = &*self.0;
        tokio::spawn(forget_later(Arc::clone(shared), clock.clone(), KEPT_FOR));
        cache.keep(user_id, key, now)
    }
}

/// Lets go of the keys that are old after `wait`, even if no key is asked for then. A process that
/// Lambda has frozen does so once it goes on.
async fn forget_later(cache: Arc<Mutex<KeyCache>>, clock: Clock, wait: Duration) {
    sleep(wait).await;
    cache.lock().await.forget_old(clock.now());
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[tokio::test]
    async fn an_old_key_goes_although_no_key_is_asked_for() {
        let time = Arc::new(AtomicI64::new(1_800_000_000_000));
        let clock = Clock::Manual(Arc::clone(&time));
        let cache = Arc::<Mutex<KeyCache>>::default();
        let key = cache.lock().await.keep("u-1", DataKey::of(1), clock.now());
        for (milliseconds, holders) in [(299_999, 2), (1, 1)] {
            time.fetch_add(milliseconds, Ordering::Relaxed);
            forget_later(Arc::clone(&cache), clock.clone(), Duration::ZERO).await;
            assert_eq!(Arc::strong_count(&key), holders, "{milliseconds}");
        }
    }
}

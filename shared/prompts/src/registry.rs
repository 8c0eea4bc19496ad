//! Finds the version that a reference names, with a cache.
//!
//! The production version of a prompt is cached for `PROMPT_CACHE_SECONDS`. So a move of the label
//! is in force everywhere within that time. Other versions never change, so they are cached until
//! newer ones take their place. A reference with a label or a number reads the head each time. If
//! the table can't be read, what was read within the last minute is used. A name without a version
//! is not cached, because callers choose the names.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use platform::clock::{Clock, Timestamp};
use platform::config::invalid;
use platform::database::StoreError;
use platform::{ConfigError, Platform, Problem};

use crate::builtin::built_in;
use crate::domain::{Kind, PromptName, PromptRef, Version};
use crate::store::{Current, Head, Prompts};

/// Seconds after the last read for which its result is used while the table cannot be read.
const STALE_SECONDS: i64 = 60;

/// Names and versions in the cache, at most. A version has up to 360 KB. A production version is
/// shared with the list of versions while it is there.
const NAMES: usize = 64;
const VERSIONS: usize = 64;

/// Seconds of the cache, unless the setting says otherwise, and at most.
const CACHE_SECONDS: i64 = 5;
const LONGEST_CACHE_SECONDS: i64 = 60;

/// The setting of these seconds.
const SETTING: &str = "PROMPT_CACHE_SECONDS";

/// Finds versions of prompts.
#[derive(Clone)]
pub struct Registry {
    prompts: Prompts,
    clock: Clock,
    cache_millis: i64,
    cache: Arc<Mutex<Cache>>,
}

#[derive(Default)]
struct Cache {
    /// The production versions.
    production: Recent<Arc<Version>>,
    /// The heads of prompts that references have named with a label or a number.
    heads: Recent<Arc<Head>>,
    /// The last ones that were asked for, newest last.
    versions: Vec<Arc<Version>>,
}

/// What was read last of some prompts, each with the time at which it was read.
struct Recent<T>(HashMap<PromptName, (T, Timestamp)>);

impl Registry {
    /// Uses the table that `PROMPTS_TABLE` names, and the setting `PROMPT_CACHE_SECONDS`.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let seconds = match platform.config.get(SETTING) {
            None => CACHE_SECONDS,
            Some(text) => {
                let seconds = text
                    .parse()
                    .ok()
                    .filter(|seconds| (0..=LONGEST_CACHE_SECONDS).contains(seconds));
                seconds.ok_or_else(|| invalid(SETTING, text, "it must be 0 to 60"))?
            }
        };
        Ok(Self {
            prompts: Prompts::new(platform)?,
            clock: platform.clock.clone(),
            cache_millis: seconds * 1000,
            cache: Arc::default(),
        })
    }

    /// The version that a reference names. `None` if there is no such prompt, label or version, or
    /// the prompt is archived.
    pub async fn find(&self, reference: &PromptRef) -> Result<Option<Arc<Version>>, Problem> {
        let PromptRef { name, which } = reference;
        if which.is_none() {
            return self.production(name).await;
        }
        let head = self.head(name).await?;
        let Some(head) = head.filter(|head| !head.archived) else { return Ok(None) };
        match head.number(which.as_ref()) {
            Some(number) => self.version(name, number).await,
            None => Ok(None),
        }
    }

    /// The same for a reply: the version has to be of the kind `chat`.
    pub async fn find_for_chat(
        &self,
        reference: &PromptRef,
    ) -> Result<Option<Arc<Version>>, Problem> {
        let found = self.find(reference).await?;
        Ok(found.filter(|version| version.content.kind == Kind::Chat))
    }

    /// The version with this number. 0 is the one that is built in. It is found also if its prompt
    /// is archived, because replies keep the version that they began with.
    pub async fn version(
        &self,
        name: &PromptName,
        number: u32,
    ) -> Result<Option<Arc<Version>>, Problem> {
        if number == 0 {
            return Ok(built_in(name));
        }
        if let Some(known) = self.cache().version(name, number) {
            return Ok(Some(known));
        }
        let found = self.prompts.version(name, number).await?.map(Arc::new);
        if let Some(found) = &found {
            self.cache().keep(found.clone());
        }
        Ok(found)
    }

    /// The version that replies use.
    async fn production(&self, name: &PromptName) -> Result<Option<Arc<Version>>, Problem> {
        let now = self.clock.now();
        let known = self.cache().production.get(name);
        if let Some((version, read_at)) = &known
            && (0..self.cache_millis).contains(&millis_between(*read_at, now))
        {
            return Ok(Some(version.clone()));
        }
        match self.prompts.current(name).await {
            Ok(current) => {
                let mut cache = self.cache();
                let version = match current {
                    Current::BuiltIn => built_in(name),
                    Current::Version(version) => Some(cache.shared(*version)),
                    Current::Archived => None,
                };
                cache.production.set(name, version.clone(), now);
                Ok(version)
            }
            Err(error) => last_known(name, known, now, error).map(Some),
        }
    }

    /// The head of a prompt. `None` if there is no such prompt.
    async fn head(&self, name: &PromptName) -> Result<Option<Arc<Head>>, Problem> {
        let now = self.clock.now();
        match self.prompts.head(name).await {
            Ok(found) => {
                let head = found.map(Arc::new);
                self.cache().heads.set(name, head.clone(), now);
                Ok(head)
            }
            Err(error) => {
                let known = self.cache().heads.get(name);
                last_known(name, known, now, error).map(Some)
            }
        }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    fn version(&mut self, name: &PromptName, number: u32) -> Option<Arc<Version>> {
        let is_it = |version: &Arc<Version>| version.version == number && version.name == *name;
        let at = self.versions.iter().position(is_it)?;
        let found = self.versions.remove(at);
        self.versions.push(found.clone());
        Some(found)
    }

    fn keep(&mut self, version: Arc<Version>) {
        if self.versions.len() == VERSIONS {
            self.versions.remove(0);
        }
        self.versions.push(version);
    }

    /// A version that has been read. If it is kept already, this is the kept one: it never changes.
    fn shared(&mut self, version: Version) -> Arc<Version> {
        if let Some(known) = self.version(&version.name, version.version) {
            return known;
        }
        let version = Arc::new(version);
        self.keep(version.clone());
        version
    }
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Clone> Recent<T> {
    fn get(&self, name: &PromptName) -> Option<(T, Timestamp)> {
        self.0.get(name).cloned()
    }

    /// Keeps what was found under a name. What was read longest ago makes room for it.
    fn set(&mut self, name: &PromptName, found: Option<T>, now: Timestamp) {
        let Some(found) = found else {
            self.0.remove(name);
            return;
        };
        if self.0.len() >= NAMES && !self.0.contains_key(name) {
            let oldest = self.0.iter().min_by_key(|(_, (_, read_at))| *read_at);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.0.remove(&oldest);
            }
        }
        self.0.insert(name.clone(), (found, now));
    }
}

/// What was read last, if that is not too long ago. Otherwise the failure.
fn last_known<T>(
    name: &PromptName,
    known: Option<(T, Timestamp)>,
    now: Timestamp,
    error: StoreError,
) -> Result<T, Problem> {
    tracing::warn!(%error, prompt = %name, "failed to read a prompt");
    let fresh = known.filter(|(_, at)| millis_between(*at, now) < STALE_SECONDS * 1000);
    fresh.map(|(found, _)| found).ok_or_else(|| error.into())
}

fn millis_between(from: Timestamp, to: Timestamp) -> i64 {
    to.as_millisecond() - from.as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Content, Kind};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn version(number: u32) -> Version {
        let content = Content {
            kind: Kind::Chat,
            system: "Be brief.".into(),
            user: None,
            variables: Vec::new(),
            model: None,
            max_tokens: None,
            effort: None,
            output_schema: None,
        };
        Version {
            name: PromptName::default(),
            version: number,
            sha256: content.sha256(),
            content,
            note: None,
            created_at: None,
            created_by: None,
        }
    }

    #[test]
    fn what_was_read_longest_ago_makes_room() {
        let name = |number: usize| format!("a{number}").parse::<PromptName>().unwrap();
        let mut recent = Recent::default();
        for (number, second) in (0..NAMES).zip(100..) {
            recent.set(&name(number), Some(number), at(second));
        }
        // Another read makes it young again.
        recent.set(&name(0), Some(0), at(1_000));
        recent.set(&name(NAMES), Some(NAMES), at(1_001));
        let is_known = |number: usize| recent.get(&name(number)).is_some();
        let forgotten: Vec<_> = (0..=NAMES).filter(|number| !is_known(*number)).collect();
        assert_eq!(forgotten, [1]);
        assert_eq!(recent.get(&name(0)), Some((0, at(1_000))));
        // What is not there is forgotten.
        recent.set(&name(0), None, at(1_002));
        assert_eq!(recent.get(&name(0)), None);
    }

    #[test]
    fn a_version_is_kept_once() {
        let mut cache = Cache::default();
        let first = cache.shared(version(1));
        assert!(Arc::ptr_eq(&first, &cache.shared(version(1))));
        assert!(!Arc::ptr_eq(&first, &cache.shared(version(2))));
        assert_eq!(cache.versions.len(), 2);
    }
}

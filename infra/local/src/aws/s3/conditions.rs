//! What a request requires of the version that it reads or replaces.

use s3s::dto::{ETagCondition, Timestamp};
use s3s::{S3Error, S3Result, s3_error};

use super::version::Version;

/// What a read requires of the version, as RFC 9110 (section 13) defines it.
#[derive(Debug, Default)]
pub(super) struct ReadCondition {
    pub(super) matches: Option<ETagCondition>,
    pub(super) none_match: Option<ETagCondition>,
    pub(super) modified_since: Option<Timestamp>,
    pub(super) unmodified_since: Option<Timestamp>,
}

impl ReadCondition {
    pub(super) fn check(&self, version: &Version) -> S3Result {
        let is_named = |condition: &ETagCondition| {
            condition.as_etag().is_none_or(|wanted| wanted.value() == version.content.e_tag)
        };
        let was_modified = |since: &Timestamp| version.modified > *since;
        let holds = match (&self.matches, &self.unmodified_since) {
            (Some(condition), _) => is_named(condition),
            (None, Some(since)) => !was_modified(since),
            (None, None) => true,
        };
        if !holds {
            return Err(failed_condition());
        }
        let is_news = match (&self.none_match, &self.modified_since) {
            (Some(condition), _) => !is_named(condition),
            (None, Some(since)) => was_modified(since),
            (None, None) => true,
        };
        if is_news {
            return Ok(());
        }
        let mut unchanged = s3_error!(NotModified);
        unchanged.set_headers(version.headers()?);
        Err(unchanged)
    }
}

/// What a write requires of the current version.
#[derive(Debug, Default)]
pub(super) struct WriteCondition {
    pub(super) if_match: Option<ETagCondition>,
    /// Whether the key must be free.
    pub(super) is_new: bool,
}

impl WriteCondition {
    /// The condition that a request's headers give. S3 takes no tag in `If-None-Match` here.
    pub(super) fn new(
        if_match: Option<ETagCondition>,
        if_none_match: Option<ETagCondition>,
    ) -> S3Result<Self> {
        match if_none_match {
            Some(ETagCondition::ETag(_)) => Err(s3_error!(
                NotImplemented,
                "If-None-Match takes `*` alone in a request that writes"
            )),
            any => Ok(Self { if_match, is_new: any.is_some() }),
        }
    }

    /// `current` is `None` if there is no object, or a delete marker.
    pub(super) fn check(&self, current: Option<&Version>) -> S3Result {
        if self.is_new && current.is_some() {
            return Err(failed_condition());
        }
        match (&self.if_match, current) {
            (Some(_), None) => Err(s3_error!(NoSuchKey, "The specified key does not exist.")),
            (Some(ETagCondition::ETag(wanted)), Some(current))
                if !wanted.strong_cmp(&current.e_tag()) =>
            {
                Err(failed_condition())
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn failed_condition() -> S3Error {
    s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::aws::s3::version::{Content, NULL};

    const MODIFIED: u64 = 1_000_000;

    fn version() -> Version {
        Version {
            key: "key".into(),
            id: NULL.into(),
            modified: at(MODIFIED),
            is_delete_marker: false,
            content: Content { e_tag: "tag".into(), ..Content::default() },
            number: 0,
        }
    }

    fn at(seconds: u64) -> Timestamp {
        (UNIX_EPOCH + Duration::from_secs(seconds)).into()
    }

    fn tag(condition: &str) -> Option<ETagCondition> {
        (!condition.is_empty()).then(|| condition.parse().unwrap())
    }

    #[test]
    fn a_read_is_answered_as_rfc_9110_says() {
        let ok = None;
        let failed = Some("PreconditionFailed");
        let unchanged = Some("NotModified");
        for (if_match, unmodified, if_none_match, modified, expected) in [
            ("", None, "", None, ok),
            ("\"tag\"", None, "", None, ok),
            ("*", None, "", None, ok),
            ("\"other\"", None, "", None, failed),
            ("", Some(MODIFIED), "", None, ok),
            ("", Some(MODIFIED - 1), "", None, failed),
            ("\"tag\"", Some(MODIFIED - 1), "", None, ok),
            ("", None, "\"tag\"", None, unchanged),
            ("", None, "*", None, unchanged),
            ("", None, "\"other\"", None, ok),
            ("", None, "", Some(MODIFIED), unchanged),
            ("", None, "", Some(MODIFIED - 1), ok),
            ("", None, "\"other\"", Some(MODIFIED), ok),
            ("\"other\"", None, "\"tag\"", None, failed),
        ] {
            let condition = ReadCondition {
                matches: tag(if_match),
                none_match: tag(if_none_match),
                modified_since: modified.map(at),
                unmodified_since: unmodified.map(at),
            };
            let refusal = condition.check(&version()).err();
            assert_eq!(
                refusal.as_ref().map(|error| error.code().as_str()),
                expected,
                "{condition:?}"
            );
        }
    }

    #[test]
    fn a_write_finds_the_object_that_it_names_or_a_free_key() {
        let object = version();
        for (if_match, if_none_match, current, expected) in [
            ("", "", None, None),
            ("", "", Some(&object), None),
            ("", "*", None, None),
            ("", "*", Some(&object), Some("PreconditionFailed")),
            ("", "\"tag\"", None, Some("NotImplemented")),
            ("\"tag\"", "", Some(&object), None),
            ("*", "", Some(&object), None),
            ("\"other\"", "", Some(&object), Some("PreconditionFailed")),
            ("\"tag\"", "", None, Some("NoSuchKey")),
        ] {
            let refusal = WriteCondition::new(tag(if_match), tag(if_none_match))
                .and_then(|condition| condition.check(current))
                .err();
            assert_eq!(
                refusal.as_ref().map(|error| error.code().as_str()),
                expected,
                "{if_match} {if_none_match} {current:?}"
            );
        }
    }
}

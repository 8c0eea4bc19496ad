//! Listings: which keys of a bucket a page shows.

use std::ops::Bound;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::EncodingType;
use s3s::{S3Result, s3_error};

use super::bucket::Keys;
use super::version::Version;

/// Most entries of a page.
const PAGE_LIMIT: u16 = 1000;

/// The characters that `encoding-type=url` encodes.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// What a request wants to see.
#[derive(Debug, Default)]
pub(super) struct Query<'q> {
    pub(super) prefix: &'q str,
    /// Keys that share the text up to the delimiter are shown as one prefix. Empty: none are.
    pub(super) delimiter: &'q str,
    /// The page begins after this key or prefix.
    pub(super) after: &'q str,
    pub(super) limit: usize,
}

/// One page of a listing.
#[derive(Debug)]
pub(super) struct Page<'k, T> {
    pub(super) entries: Vec<(&'k str, T)>,
    pub(super) prefixes: Vec<&'k str>,
    /// The last key or prefix, if there is another page.
    pub(super) next: Option<&'k str>,
}

/// The page of the entries, which must come in the order of their keys.
pub(super) fn page<'k, T>(
    entries: impl IntoIterator<Item = (&'k str, T)>,
    query: &Query<'_>,
) -> Page<'k, T> {
    let mut page = Page { entries: Vec::new(), prefixes: Vec::new(), next: None };
    let mut last = "";
    for (key, entry) in entries {
        let Some(rest) = key.strip_prefix(query.prefix) else { continue };
        let end = if query.delimiter.is_empty() { None } else { rest.find(query.delimiter) };
        let shared = end.map(|end| &key[..query.prefix.len() + end + query.delimiter.len()]);
        if shared.is_some_and(|prefix| prefix == last || prefix == query.after) {
            continue;
        }
        if page.entries.len() + page.prefixes.len() == query.limit {
            // Without entries there is no place to continue from, and S3 says that it is the end.
            page.next = (query.limit > 0).then_some(last);
            break;
        }
        last = shared.unwrap_or(key);
        match shared {
            Some(prefix) => page.prefixes.push(prefix),
            None => page.entries.push((key, entry)),
        }
    }
    page
}

/// The objects whose keys come after `key`, by their keys.
pub(super) fn objects_after<'k>(
    keys: &'k Keys,
    key: &str,
) -> impl Iterator<Item = (&'k str, &'k Version)> {
    keys.range::<str, _>((Bound::Excluded(key), Bound::Unbounded)).filter_map(|(key, versions)| {
        let current = versions.last().filter(|version| !version.is_delete_marker)?;
        Some((key.as_str(), current))
    })
}

/// All versions that come after `version_id` of `key`, or after all of `key` without one. The
/// newest version of a key comes first. The flag tells whether the version is the latest.
///
/// A client may have deleted the version since. Then all versions of `key` come, so that a client
/// that deletes each page misses none.
pub(super) fn versions_after<'k>(
    keys: &'k Keys,
    key: &'k str,
    version_id: Option<&'k str>,
) -> impl Iterator<Item = (&'k str, (&'k Version, bool))> {
    let all = keys.range::<str, _>((Bound::Included(key), Bound::Unbounded));
    let all = all.flat_map(|(key, versions)| {
        let newest_first = versions.iter().rev().enumerate();
        newest_first.map(move |(age, version)| (key.as_str(), (version, age == 0)))
    });
    let versions = keys.get(key).map(Vec::as_slice).unwrap_or_default();
    let mut is_seen = versions.iter().all(|version| version_id != Some(version.id.as_str()));
    all.filter(move |(other, (version, _))| {
        if *other != key {
            return true;
        }
        let is_shown = is_seen && version_id.is_some();
        is_seen |= version_id == Some(version.id.as_str());
        is_shown
    })
}

/// The limit that a request asks for, at most S3's.
pub(super) fn limit(max_keys: Option<i32>) -> S3Result<u16> {
    match max_keys {
        None => Ok(PAGE_LIMIT),
        Some(asked) if asked < 0 => Err(s3_error!(
            InvalidArgument,
            "Argument maxKeys must be an integer between 0 and 2147483647"
        )),
        Some(asked) => Ok(u16::try_from(asked).map_or(PAGE_LIMIT, |asked| asked.min(PAGE_LIMIT))),
    }
}

/// How an answer spells keys: as they are, or encoded.
pub(super) fn spelling(
    encoding: Option<&EncodingType>,
) -> S3Result<impl Fn(&str) -> String + use<>> {
    let is_encoded = match encoding.map(EncodingType::as_str) {
        None => false,
        Some(EncodingType::URL) => true,
        Some(_) => {
            return Err(s3_error!(InvalidArgument, "Invalid Encoding Method specified in Request"));
        }
    };
    Ok(
        move |key: &str| {
            if is_encoded { utf8_percent_encode(key, ENCODED).to_string() } else { key.to_owned() }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::s3::clock;
    use crate::aws::s3::version::Content;

    /// A bucket whose keys have these versions, oldest first. `-` is a delete marker.
    fn keys(described: &[(&str, &[&str])]) -> Keys {
        let version = |key: &str, id: &str| Version {
            key: key.into(),
            id: id.into(),
            modified: clock::now(),
            is_delete_marker: id.starts_with('-'),
            content: Content::default(),
            number: 0,
        };
        described
            .iter()
            .map(|(key, ids)| {
                ((*key).to_owned(), ids.iter().map(|id| version(key, id)).collect::<Vec<_>>())
            })
            .collect()
    }

    #[test]
    fn a_listing_shows_each_key_or_shared_prefix_once_and_in_order() {
        let keys = keys(&[
            ("a", &["1"]),
            ("b/1", &["1"]),
            ("b/2", &["1"]),
            ("b/c/3", &["1"]),
            ("deleted", &["1", "-2"]),
            ("e", &["-1", "2"]),
            ("t/0/x001/067", &["1"]),
        ]);
        for (prefix, delimiter, limit, expected) in [
            ("", "", 9, &["a", "b/1", "b/2", "b/c/3", "e", "t/0/x001/067"][..]),
            ("", "/", 9, &["a", "e", "b/", "t/"]),
            ("b", "/", 9, &["b/"]),
            ("b/", "/", 9, &["b/1", "b/2", "b/c/"]),
            ("b/", "", 9, &["b/1", "b/2", "b/c/3"]),
            ("", "c/", 9, &["a", "b/1", "b/2", "e", "t/0/x001/067", "b/c/"]),
            ("none", "/", 9, &[]),
            ("", "/", 0, &[]),
        ] {
            for size in 1..=limit {
                let mut shown = Vec::new();
                let mut prefixes = Vec::new();
                let mut after = String::new();
                loop {
                    let query = Query { prefix, delimiter, after: &after, limit: size };
                    let page = page(objects_after(&keys, &after), &query);
                    assert!(page.entries.len() + page.prefixes.len() <= size);
                    shown.extend(page.entries.iter().map(|(key, _)| (*key).to_owned()));
                    prefixes.extend(page.prefixes.iter().map(|prefix| (*prefix).to_owned()));
                    let Some(next) = page.next else { break };
                    after = next.to_owned();
                }
                shown.append(&mut prefixes);
                assert_eq!(shown, expected, "{prefix:?} {delimiter:?} {size}");
            }
        }
        let none = Query { limit: 0, ..Query::default() };
        assert!(page(objects_after(&keys, ""), &none).next.is_none());
    }

    #[test]
    fn versions_come_newest_first_and_go_on_after_the_last_one_shown() {
        let keys = keys(&[("a", &["1", "2", "-3"]), ("b", &["4"])]);
        for (key, id, expected) in [
            ("", None, &["-3 latest", "2", "1", "4 latest"][..]),
            ("a", Some("-3"), &["2", "1", "4 latest"]),
            ("a", Some("1"), &["4 latest"]),
            ("a", Some("deleted"), &["-3 latest", "2", "1", "4 latest"]),
            ("deleted", Some("1"), &[]),
            ("a", None, &["4 latest"]),
            ("b", None, &[]),
        ] {
            let found: Vec<_> = versions_after(&keys, key, id)
                .map(|(_, (version, is_latest))| {
                    format!("{}{}", version.id, if is_latest { " latest" } else { "" })
                })
                .collect();
            assert_eq!(found, expected, "{key} {id:?}");
        }
    }

    #[test]
    fn keys_are_spelled_as_the_request_wants_them() {
        let key = "a b/ü+%&.txt";
        assert_eq!(spelling(None).unwrap()(key), key);
        let url = EncodingType::from_static(EncodingType::URL);
        assert_eq!(spelling(Some(&url)).unwrap()(key), "a%20b/%C3%BC%2B%25%26.txt");
        assert!(spelling(Some(&EncodingType::from_static("gzip"))).is_err());
        let limits = [None, Some(0), Some(7), Some(5000), Some(i32::MAX), Some(-1)];
        assert_eq!(
            limits.map(|asked| limit(asked).ok()),
            [Some(1000), Some(0), Some(7), Some(1000), Some(1000), None]
        );
    }
}

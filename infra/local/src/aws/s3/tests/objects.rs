//! Objects, their headers, versions and listings.

use std::io::Write;

use aws_sdk_s3::types::{ChecksumMode, Delete, MetadataDirective, ObjectIdentifier};
use futures_util::future::join_all;

use super::*;

/// MD5 of `hello`.
const HELLO_TAG: &str = "\"5d41402abc4b2a76b9719d911017c592\"";

#[tokio::test]
async fn an_object_comes_back_as_it_was_put() {
    let served = Served::start().await;
    let put = served
        .client
        .put_object()
        .bucket(VERSIONED)
        .key("tile/entries/000")
        .body(body("hello"))
        .content_type("application/octet-stream")
        .content_encoding("gzip")
        .cache_control("max-age=604800, immutable")
        .metadata("size", "256")
        .send()
        .await
        .unwrap();
    assert_eq!(put.e_tag(), Some(HELLO_TAG));
    assert!(put.checksum_crc32().is_some());

    let get = served
        .client
        .get_object()
        .bucket(VERSIONED)
        .key("tile/entries/000")
        .checksum_mode(ChecksumMode::Enabled)
        .send()
        .await
        .unwrap();
    let head = served.client.head_object().bucket(VERSIONED).key("tile/entries/000");
    let head = head.send().await.unwrap();
    for (content_type, encoding, cache, size, tag, version) in [
        (
            get.content_type(),
            get.content_encoding(),
            get.cache_control(),
            get.content_length(),
            get.e_tag(),
            get.version_id(),
        ),
        (
            head.content_type(),
            head.content_encoding(),
            head.cache_control(),
            head.content_length(),
            head.e_tag(),
            head.version_id(),
        ),
    ] {
        assert_eq!(content_type, Some("application/octet-stream"));
        assert_eq!(encoding, Some("gzip"));
        assert_eq!(cache, Some("max-age=604800, immutable"));
        assert_eq!((size, tag), (Some(5), Some(HELLO_TAG)));
        assert_eq!(version, put.version_id());
    }
    assert_eq!(get.checksum_crc32(), put.checksum_crc32());
    assert_eq!(get.metadata(), head.metadata());
    assert_eq!(get.metadata().unwrap()["size"], "256");
    assert_eq!(get.last_modified(), head.last_modified());
    assert_eq!(text(get.body).await, "hello");
    let target = vec![format!("{VERSIONED}/tile/entries/000")];
    assert_eq!(
        served.calls(),
        ["PutObject", "GetObject", "HeadObject"].map(|name| (name.to_owned(), target.clone()))
    );
}

#[tokio::test]
async fn a_streamed_body_arrives_whole_and_keeps_its_own_encoding() {
    let served = Served::start().await;
    let content: String = (0..200_000_u32).map(|number| number.to_string() + " ").collect();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    let put = served
        .client
        .put_object()
        .bucket(PLAIN)
        .key("streamed")
        .content_encoding("gzip")
        .body(ByteStream::from_path(file.path()).await.unwrap());
    put.send().await.unwrap();
    let get = served.client.get_object().bucket(PLAIN).key("streamed").send().await.unwrap();
    assert_eq!(get.content_encoding(), Some("gzip"));
    assert_eq!(get.version_id(), None);
    assert!(text(get.body).await == content);

    for (range, expected) in
        [("bytes=0-8", Some("0 1 2 3 4")), ("bytes=-4", Some("999 ")), ("bytes=9999999999-", None)]
    {
        let get = served.client.get_object().bucket(PLAIN).key("streamed").range(range);
        match (get.send().await, expected) {
            (Ok(get), Some(expected)) => assert_eq!(text(get.body).await, expected),
            (Err(error), None) => assert_eq!(code(&error), "InvalidRange"),
            (other, _) => panic!("{range}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn one_of_many_racers_creates_a_key_and_one_of_many_replaces_what_it_read() {
    let served = Served::start().await;
    for round in 0..5 {
        let key = format!("key-{round}");
        let put = || served.client.put_object().bucket(PLAIN).key(&key);
        let racers = (0..20).map(|_| put().if_none_match("*").body(body("first")).send());
        let (winners, losers): (Vec<_>, Vec<_>) =
            join_all(racers).await.into_iter().partition(Result::is_ok);
        assert_eq!(winners.len(), 1);
        assert!(losers.into_iter().all(|loser| refusal(loser) == "PreconditionFailed"));

        let tag = winners.into_iter().next().unwrap().unwrap().e_tag.unwrap();
        let racers =
            (0..20).map(|racer| put().if_match(&tag).body(body(&format!("racer {racer}"))).send());
        let done = join_all(racers).await.into_iter().flatten().count();
        assert_eq!(done, 1);
    }
    let stale = served.client.put_object().bucket(PLAIN).key("none").if_match(HELLO_TAG);
    assert_eq!(refusal(stale.send().await), "NoSuchKey");
}

#[tokio::test]
async fn a_bucket_keeps_versions_or_replaces_objects() {
    let served = Served::start().await;
    for (bucket, kept) in [(PLAIN, 0), (VERSIONED, 3)] {
        served.put(bucket, "key", "one").await;
        served.put(bucket, "key", "two").await;
        assert_eq!(served.get(bucket, "key").await.unwrap(), "two");
        let deleted = served.client.delete_object().bucket(bucket).key("key").send().await.unwrap();
        assert_eq!(deleted.delete_marker(), (kept > 0).then_some(true));
        assert_eq!(served.get(bucket, "key").await, Err("NoSuchKey".to_owned()));
        assert_eq!(served.keys(bucket).await, [""; 0]);
        let versions = served.client.list_object_versions().bucket(bucket).send().await.unwrap();
        assert_eq!(versions.versions().len() + versions.delete_markers().len(), kept, "{bucket}");
    }
    let listed = served.client.list_object_versions().bucket(VERSIONED).send().await.unwrap();
    let [two, one] = listed.versions() else { panic!("{listed:?}") };
    let [marker] = listed.delete_markers() else { panic!("{listed:?}") };
    assert_eq!((marker.is_latest(), two.is_latest()), (Some(true), Some(false)));
    for (version, content) in [(two, "two"), (one, "one")] {
        let get = served.client.get_object().bucket(VERSIONED).key("key");
        let get = get.set_version_id(version.version_id.clone()).send().await.unwrap();
        assert_eq!(text(get.body).await, content);
    }
    let delete = served.client.delete_object().bucket(VERSIONED).key("key");
    delete.version_id(marker.version_id().unwrap()).send().await.unwrap();
    assert_eq!(served.get(VERSIONED, "key").await.unwrap(), "two");
}

#[tokio::test]
async fn listings_are_cut_into_pages_and_grouped() {
    let served = Served::start().await;
    let keys: Vec<String> = (0..12).map(|number| format!("tile/0/{number:03}")).collect();
    for key in keys.iter().map(String::as_str).chain(["checkpoint", "tile/entries/a b+ü%"]) {
        served.put(PLAIN, key, key).await;
    }
    let listing = || served.client.list_objects_v2().bucket(PLAIN);
    let mut pages = listing().prefix("tile/0/").into_paginator().page_size(5).send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        found.push(page.unwrap().contents.unwrap());
    }
    assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [5, 5, 2]);
    assert!(found.concat().iter().map(|object| object.key().unwrap()).eq(&keys));

    let top = listing().delimiter("/").send().await.unwrap();
    assert_eq!(top.contents().len(), 1);
    assert_eq!(top.common_prefixes()[0].prefix(), Some("tile/"));
    assert_eq!((top.key_count(), top.is_truncated()), (Some(2), Some(false)));
    let rest = listing().start_after("tile/0/010").send().await.unwrap();
    let rest: Vec<_> = rest.contents().iter().map(|object| object.key().unwrap()).collect();
    assert_eq!(rest, ["tile/0/011", "tile/entries/a b+ü%"]);
    let old = served.client.list_objects().bucket(PLAIN).delimiter("/").max_keys(1);
    let old = old.send().await.unwrap();
    assert_eq!((old.contents().len(), old.next_marker()), (1, Some("checkpoint")));
    assert_eq!(refusal(listing().continuation_token("?").send().await), "InvalidArgument");
    let nowhere = served.client.list_objects_v2().bucket("tally-local-none");
    assert_eq!(refusal(nowhere.send().await), "NoSuchBucket");
}

#[tokio::test]
async fn objects_are_copied_and_deleted_together() {
    let served = Served::start().await;
    served.put(PLAIN, "a b", "hello").await;
    let copy = || served.client.copy_object().bucket(VERSIONED).key("copy");
    let copied = copy().copy_source(format!("{PLAIN}/a%20b")).send().await.unwrap();
    assert_eq!(copied.copy_object_result().unwrap().e_tag(), Some(HELLO_TAG));
    assert_eq!(served.get(VERSIONED, "copy").await.unwrap(), "hello");
    let replaced = copy()
        .copy_source(format!("{VERSIONED}/copy"))
        .metadata_directive(MetadataDirective::Replace)
        .content_type("text/plain");
    replaced.send().await.unwrap();
    let head = served.client.head_object().bucket(VERSIONED).key("copy").send().await.unwrap();
    assert_eq!(head.content_type(), Some("text/plain"));
    let itself = copy().copy_source(format!("{VERSIONED}/copy")).send().await;
    assert_eq!(refusal(itself), "InvalidRequest");
    let other = copy().copy_source(format!("{PLAIN}/a%20b")).copy_source_if_match("\"other\"");
    assert_eq!(refusal(other.send().await), "PreconditionFailed");

    served.put(PLAIN, "b", "2").await;
    let objects = ["a b", "b", "never"].map(|key| ObjectIdentifier::builder().key(key).build());
    let objects = objects.into_iter().map(Result::unwrap).collect();
    let delete = Delete::builder().set_objects(Some(objects)).build().unwrap();
    let deleted = served.client.delete_objects().bucket(PLAIN).delete(delete).send().await.unwrap();
    assert_eq!((deleted.deleted().len(), deleted.errors().len()), (3, 0));
    assert_eq!(served.keys(PLAIN).await, [""; 0]);
}

#[tokio::test]
async fn a_read_tells_that_nothing_has_changed() {
    let served = Served::start().await;
    served.put(PLAIN, "key", "hello").await;
    let get = || served.client.get_object().bucket(PLAIN).key("key");
    assert_eq!(refusal(get().if_none_match(HELLO_TAG).send().await), "304");
    assert_eq!(refusal(get().if_match("\"other\"").send().await), "PreconditionFailed");
    let renamed = get().if_match(HELLO_TAG).response_content_type("text/csv");
    assert_eq!(renamed.send().await.unwrap().content_type(), Some("text/csv"));
    let missing = served.client.head_object().bucket(PLAIN).key("none").send().await.unwrap_err();
    assert!(missing.into_service_error().is_not_found());
}

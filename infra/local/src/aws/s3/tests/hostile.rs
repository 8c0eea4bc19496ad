//! Strangers, odd keys, and bodies that are not what their headers say.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

/// A URL by which a browser may put an object for a minute.
pub(super) async fn presigned(client: &Client, bucket: &str, key: &str) -> String {
    let lifetime = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
    let put = client.put_object().bucket(bucket).key(key);
    put.presigned(lifetime).await.unwrap().uri().to_owned()
}

#[tokio::test]
async fn no_key_leaves_its_bucket_and_no_two_keys_are_one() {
    let parent = tempfile::tempdir().unwrap();
    let served = Served::start_in(State::Directory(parent.path().join("state"))).await;
    let longest = "k".repeat(1024);
    let keys = [
        "q",
        "q/r",
        "q/r/s",
        "q/",
        "q//r",
        "../../outside",
        "..",
        ".",
        "./q",
        "/q",
        "//",
        "Q",
        "a b+c&d=e?f#g%h",
        "ümlaut/✓",
        "%2e%2e/q",
        "00000000000000000001",
        ".draft-1",
        "a\\b",
        longest.as_str(),
    ];
    for key in keys {
        served.put(VERSIONED, key, key).await;
    }
    for key in keys {
        assert_eq!(served.get(VERSIONED, key).await.as_deref(), Ok(key));
    }
    let listed = served.keys(VERSIONED).await;
    assert!(listed.is_sorted());
    assert_eq!(listed.iter().map(String::as_str).collect::<BTreeSet<_>>(), BTreeSet::from(keys));
    for directory in [parent.path().to_owned(), parent.path().join("state/s3")] {
        for entry in std::fs::read_dir(directory).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(name == "state" || name.starts_with("tally-local-"), "{name}");
        }
    }
    let too_long = served.client.put_object().bucket(PLAIN).key(longest + "k").send().await;
    assert_eq!(refusal(too_long), "KeyTooLongError");
}

#[tokio::test]
async fn a_body_that_is_not_what_its_headers_say_is_not_stored_and_blocks_no_good_one() {
    let served = Served::start().await;
    let put = || {
        let put = served.client.put_object().bucket(PLAIN).key("key");
        put.if_none_match("*").body(body("hello"))
    };
    let other_md5 = put().content_md5("AAAAAAAAAAAAAAAAAAAAAA==").send().await;
    assert_eq!(refusal(other_md5), "BadDigest");
    assert_eq!(refusal(put().content_md5("AAAA").send().await), "InvalidDigest");
    let other_sum = put().checksum_sha256("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    assert_eq!(refusal(other_sum.send().await), "BadDigest");

    // A URL that is signed for five bytes takes no other number.
    let lifetime = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
    let put_five = served.client.put_object().bucket(PLAIN).key("key").content_length(5);
    let signed = put_five.presigned(lifetime).await.unwrap();
    let longer = reqwest::Client::new().put(signed.uri()).body("longer").send().await.unwrap();
    assert_eq!(longer.status(), 403);

    let url = presigned(&served.client, PLAIN, "key").await;
    let path = url.strip_prefix(&format!("http://{}", served.address)).unwrap();
    let mut connection = TcpStream::connect(served.address).await.unwrap();
    let head =
        format!("PUT {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 9\r\n\r\n", served.address);
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(b"half").await.unwrap();
    connection.shutdown().await.unwrap();
    // The server closes the connection when it has given the request up.
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 200"));

    assert_eq!(served.keys(PLAIN).await, [""; 0]);
    put().send().await.unwrap();
    assert_eq!(served.get(PLAIN, "key").await.unwrap(), "hello");
}

#[tokio::test]
async fn a_signed_url_works_from_a_page_and_no_other_request_does() {
    let served = Served::start().await;
    served.put(PLAIN, "key", "hello").await;
    let url = presigned(&served.client, PLAIN, "upload").await;
    served.aws.calls().clear();
    let http = reqwest::Client::new();
    let statuses = async |url: &str, host: &str| {
        let put = http.put(url).header("origin", "https://app.example").header("host", host);
        let answer = put.body("from a page").send().await.unwrap();
        assert!(answer.headers().contains_key("x-amz-request-id"));
        answer.status().as_u16()
    };
    let host = served.address.to_string();
    assert_eq!(statuses(&url, "attacker.example").await, 403);
    assert_eq!(statuses(&url, &format!("localhost:{}", served.address.port())).await, 403);
    assert_eq!(statuses(&url.replace("upload", "key"), &host).await, 403);
    assert_eq!(statuses(url.split('?').next().unwrap(), &host).await, 403);
    assert_eq!(served.calls(), []);
    assert_eq!(statuses(&url, &host).await, 200);
    assert_eq!(served.get(PLAIN, "upload").await.unwrap(), "from a page");
    assert_eq!(served.get(PLAIN, "key").await.unwrap(), "hello");

    let endpoint = format!("http://{}", served.address);
    let stranger = client(&endpoint, "AKIAIOSFODNN7EXAMPLE", "secret");
    let listed = stranger.list_objects_v2().bucket(PLAIN).send().await;
    assert_eq!(refusal(listed), "InvalidAccessKeyId");
}

#[tokio::test]
async fn what_is_not_served_is_refused_by_its_name() {
    let served = Served::start().await;
    let tagged = served.client.put_object().bucket(PLAIN).key("key").tagging("a=b").send().await;
    let tagged = tagged.unwrap_err();
    assert_eq!(code(&tagged), "NotImplemented");
    assert!(tagged.message().unwrap().contains("x-amz-tagging"), "{tagged:?}");
    let upload = served.client.create_multipart_upload().bucket(PLAIN).key("key").send().await;
    let upload = upload.unwrap_err();
    assert_eq!(code(&upload), "NotImplemented");
    assert!(upload.message().unwrap().contains("CreateMultipartUpload"), "{upload:?}");
    let part = served.client.get_object().bucket(PLAIN).key("key").part_number(1).send().await;
    assert_eq!(refusal(part), "NotImplemented");
    assert_eq!(served.keys(PLAIN).await, [""; 0]);
}

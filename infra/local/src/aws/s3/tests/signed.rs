//! URLs that are signed for one upload or one download, as clients outside the stack use them.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use futures_util::future::join_all;
use reqwest::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, CONTENT_DISPOSITION, CONTENT_TYPE, HOST, HeaderMap, HeaderName,
    HeaderValue, ORIGIN,
};
use reqwest::{Method, Response};

use super::*;

/// What an upload is signed for.
const CONTENT: &str = "hello";
/// SHA-256 of it in base64.
const SHA256: &str = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
const OTHER_SHA256: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const CHECKSUM: &str = "x-amz-checksum-sha256";

fn in_a_minute() -> PresigningConfig {
    PresigningConfig::expires_in(Duration::from_mins(1)).unwrap()
}

/// The 15 minutes that began an hour ago.
#[expect(clippy::disallowed_methods, reason = "this is a test")]
fn until_recently() -> PresigningConfig {
    let start = SystemTime::now() - Duration::from_hours(1);
    let lifetime = PresigningConfig::builder().start_time(start);
    lifetime.expires_in(Duration::from_mins(15)).build().unwrap()
}

/// A URL for one upload, and the headers that go with it. The client sets the length by itself.
struct Upload {
    url: String,
    headers: HeaderMap,
}

impl Upload {
    fn new(request: &PresignedRequest) -> Self {
        let pairs = request.headers().map(|(name, value)| {
            (HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap())
        });
        let mut headers: HeaderMap = pairs.collect();
        assert_eq!(headers.remove("content-length").unwrap(), CONTENT.len().to_string());
        assert_eq!(headers.len(), 3, "{headers:?}");
        Self { url: request.uri().to_owned(), headers }
    }

    async fn send(&self, body: &'static str) -> Response {
        let put = reqwest::Client::new().put(&self.url).headers(self.headers.clone());
        put.body(body).send().await.unwrap()
    }
}

impl Served {
    async fn upload(&self, bucket: &str, key: &str, lifetime: PresigningConfig) -> Upload {
        let put = self.client.put_object().bucket(bucket).key(key);
        let put = put.content_length(5).content_type("text/csv").checksum_sha256(SHA256);
        Upload::new(&put.if_none_match("*").presigned(lifetime).await.unwrap())
    }
}

/// The status of an answer, and the code of its error.
async fn outcome(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    (status, code.map(|(code, _)| code.to_owned()).unwrap_or_default())
}

#[tokio::test]
async fn a_signed_upload_takes_its_bytes_once_and_stores_no_others() {
    let served = Served::start().await;
    let differs = (403, "SignatureDoesNotMatch");
    let cases = [
        ("a longer body", None, "longer", differs),
        ("a shorter body", None, "hell", differs),
        ("no body", None, "", differs),
        ("another type", Some(("content-type", "text/html")), CONTENT, differs),
        ("no type", Some(("content-type", "")), CONTENT, differs),
        ("another checksum", Some((CHECKSUM, OTHER_SHA256)), CONTENT, differs),
        ("no checksum", Some((CHECKSUM, "")), CONTENT, differs),
        ("no condition", Some(("if-none-match", "")), CONTENT, differs),
        ("another condition", Some(("if-none-match", "\"tag\"")), CONTENT, differs),
        ("metadata", Some(("x-amz-meta-a", "1")), CONTENT, (403, "AccessDenied")),
        (
            "a token of the API",
            Some(("authorization", "Bearer a")),
            CONTENT,
            (400, "InvalidArgument"),
        ),
        ("another host", Some(("host", "attacker.example")), CONTENT, (403, "AccessDenied")),
        ("other bytes", None, "HELLO", (400, "BadDigest")),
        ("the bytes", None, CONTENT, (200, "")),
        ("the bytes again", None, CONTENT, (412, "PreconditionFailed")),
    ];
    let signed = served.upload(PLAIN, "incoming/1", in_a_minute()).await;
    for (name, change, body, expected) in cases {
        let mut upload = Upload { url: signed.url.clone(), headers: signed.headers.clone() };
        match change {
            Some((header, "")) => {
                upload.headers.remove(header);
            }
            Some((header, value)) => {
                upload.headers.insert(header, HeaderValue::from_static(value));
            }
            None => {}
        }
        let (status, code) = outcome(upload.send(body).await).await;
        assert_eq!((status, code.as_str()), expected, "{name}");
        let stored = served.get(PLAIN, "incoming/1").await;
        let is_there = matches!(expected.0, 200 | 412);
        assert_eq!(stored, if is_there { Ok(CONTENT.into()) } else { Err("NoSuchKey".into()) });
    }
    let head = served.client.head_object().bucket(PLAIN).key("incoming/1").send().await.unwrap();
    assert_eq!((head.content_type(), head.content_length()), (Some("text/csv"), Some(5)));
}

#[tokio::test]
async fn one_of_many_uploads_by_one_url_is_stored() {
    let served = Served::start().await;
    let upload = served.upload(PLAIN, "incoming/1", in_a_minute()).await;
    let mut statuses: Vec<u16> = join_all((0..20).map(|_| upload.send(CONTENT)))
        .await
        .iter()
        .map(|answer| answer.status().as_u16())
        .collect();
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (200, &[412; 19][..]));
}

#[tokio::test]
async fn a_url_ends_and_no_part_of_it_can_be_changed() {
    let served = Served::start().await;
    let expired = served.upload(PLAIN, "incoming/1", until_recently()).await;
    assert_eq!(outcome(expired.send(CONTENT).await).await, (403, "AccessDenied".into()));

    let upload = served.upload(PLAIN, "incoming/1", in_a_minute()).await;
    let expired = expired.url.replace("X-Amz-Expires=900", "X-Amz-Expires=90000");
    for url in [
        expired,
        upload.url.replace("incoming/1", "files/1"),
        upload.url.replace(PLAIN, VERSIONED),
        upload.url.replace("content-type%3B", ""),
        upload.url.replace("if-none-match%3B", ""),
        upload.url.replace("x-id=PutObject", "x-id=PutObjects"),
        format!("{}&response-content-type=text%2Fhtml", upload.url),
    ] {
        let headers = upload.headers.clone();
        let (status, code) = outcome(Upload { url, headers }.send(CONTENT).await).await;
        assert_eq!((status, code.as_str()), (403, "SignatureDoesNotMatch"));
    }
    // A method is signed as well.
    let http = reqwest::Client::new();
    for method in [Method::GET, Method::HEAD, Method::DELETE] {
        let request = http.request(method, &upload.url).headers(upload.headers.clone());
        assert_eq!(request.body(CONTENT).send().await.unwrap().status(), 403);
    }
    let (address, _) = upload.url.split_once('?').unwrap();
    let unsigned = Upload { url: address.to_owned(), headers: upload.headers };
    assert_eq!(outcome(unsigned.send(CONTENT).await).await, (403, "AccessDenied".into()));
    assert_eq!(served.keys(PLAIN).await, [""; 0]);
    assert_eq!(served.keys(VERSIONED).await, [""; 0]);
}

#[tokio::test]
async fn a_signed_download_has_the_name_and_the_type_that_it_was_signed_for() {
    const DISPOSITION: &str = "attachment; filename*=UTF-8''Gr%C3%B6%C3%9Fe.csv";
    let served = Served::start().await;
    served.put(PLAIN, "files/1/original", CONTENT).await;
    let get = served.client.get_object().bucket(PLAIN).key("files/1/original");
    let get = get.response_content_disposition(DISPOSITION).response_content_type("text/csv");
    let url = get.presigned(in_a_minute()).await.unwrap().uri().to_owned();
    let http = reqwest::Client::new();
    let answer = http.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()[CONTENT_DISPOSITION], DISPOSITION);
    assert_eq!(answer.headers()[CONTENT_TYPE], "text/csv");
    assert_eq!(answer.text().await.unwrap(), CONTENT);
    let part = http.get(&url).header("range", "bytes=1-3").send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.text().await.unwrap(), "ell");

    let displayed = url.replace("attachment", "inline");
    let renamed = url.replace("text%2Fcsv", "text%2Fhtml");
    for changed in [displayed, renamed] {
        assert_ne!(changed, url);
        let answer = http.get(&changed).send().await.unwrap();
        assert_eq!(outcome(answer).await, (403, "SignatureDoesNotMatch".into()));
    }
    let answer = http.put(&url).body("hello").send().await.unwrap();
    assert_eq!(outcome(answer).await, (403, "SignatureDoesNotMatch".into()));
}

#[tokio::test]
async fn a_browser_is_told_what_a_page_of_an_allowed_origin_may_do() {
    let served = Served::start().await;
    let http = reqwest::Client::new();
    let preflight = async |bucket: &str, origin: &str, headers: &str| {
        let url = format!("http://{}/{bucket}/incoming/1", served.address);
        let request = http.request(Method::OPTIONS, url).header(ORIGIN, origin);
        let request = request.header(ACCESS_CONTROL_REQUEST_METHOD, "PUT");
        request.header(ACCESS_CONTROL_REQUEST_HEADERS, headers).send().await.unwrap()
    };
    let asked = "content-type,if-none-match,x-amz-checksum-sha256";
    let answer = preflight(SHARED, PAGE, asked).await;
    assert_eq!(answer.status(), 200);
    let headers = answer.headers();
    for (name, expected) in [
        (ACCESS_CONTROL_ALLOW_ORIGIN, PAGE),
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, PUT"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "content-type, if-none-match, x-amz-checksum-sha256"),
        (ACCESS_CONTROL_EXPOSE_HEADERS, "ETag"),
        (ACCESS_CONTROL_MAX_AGE, "600"),
    ] {
        assert_eq!(headers[&name], expected, "{name}");
    }
    for (bucket, origin, headers) in [
        (SHARED, "https://other.example", asked),
        (SHARED, PAGE, "authorization"),
        (PLAIN, PAGE, asked),
        ("tally-local-none", PAGE, asked),
    ] {
        let answer = preflight(bucket, origin, headers).await;
        assert!(!answer.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN), "{bucket} {origin}");
        assert_eq!(outcome(answer).await, (403, "AccessForbidden".into()), "{bucket} {origin}");
    }
    assert_eq!(served.calls(), []);
}

#[tokio::test]
async fn an_answer_is_for_the_pages_of_allowed_origins_alone() {
    let served = Served::start().await;
    for (bucket, origin, key, body, status, is_shown) in [
        (SHARED, PAGE, "1", CONTENT, 200, true),
        (SHARED, PAGE, "1", CONTENT, 412, true),
        (SHARED, PAGE, "2", "longer", 403, true),
        (SHARED, PAGE, "2", "HELLO", 400, true),
        (SHARED, "https://other.example", "3", CONTENT, 200, false),
        (SHARED, "null", "4", CONTENT, 200, false),
        (SHARED, "", "5", CONTENT, 200, false),
        (PLAIN, PAGE, "1", CONTENT, 200, false),
    ] {
        let mut upload = served.upload(bucket, key, in_a_minute()).await;
        if !origin.is_empty() {
            upload.headers.insert(ORIGIN, HeaderValue::from_static(origin));
        }
        let answer = upload.send(body).await;
        assert_eq!(answer.status(), status, "{bucket} {origin} {key}");
        let shown = answer.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN);
        assert_eq!(shown.map(HeaderValue::as_bytes), is_shown.then_some(PAGE.as_bytes()));
        let exposed = answer.headers().contains_key(ACCESS_CONTROL_EXPOSE_HEADERS);
        assert_eq!(exposed, is_shown, "{bucket} {origin} {key}");
    }
    // A DNS name that leads here gets nothing, also for an allowed page.
    let url = format!("http://{}/{SHARED}/1", served.address);
    let request = reqwest::Client::new().request(Method::OPTIONS, url);
    let request = request.header(ORIGIN, PAGE).header(ACCESS_CONTROL_REQUEST_METHOD, "PUT");
    let answer = request.header(HOST, "attacker.example").send().await.unwrap();
    assert!(!answer.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
    assert_eq!(outcome(answer).await, (403, "AccessDenied".into()));
}

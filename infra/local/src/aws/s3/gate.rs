//! The way of a request to its operation and back. A request needs this listener's address as its
//! `Host` and a signature by the stack's credentials, in a header or in the URL. Then it is logged,
//! and a fault may strike it. A preflight needs no signature.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::path::S3Path;
use s3s::service::S3Service;
use s3s::{Body, S3Error, S3Result, s3_error};
use uuid::Uuid;

use super::super::calls::{CallLog, Service};
use super::super::faults::{Failure, Fault, Faults};
use super::super::guard::Guard;
use super::cors::Cors;
use crate::template::ACCOUNT;

/// Headers that are known here. The ones with `-` at the end are prefixes.
const KNOWN_HEADERS: [&str; 15] = [
    "x-amz-bypass-governance-retention",
    "x-amz-checksum-",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-copy-source-if-",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-expected-bucket-owner",
    "x-amz-meta-",
    "x-amz-metadata-directive",
    "x-amz-object-lock-",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-trailer",
    "x-amz-user-agent",
    "x-amz-website-redirect-location",
];
/// Headers with the values that change nothing, because S3 does so anyway.
const DEFAULTS: [(&str, &str); 3] = [
    ("x-amz-acl", "bucket-owner-full-control"),
    ("x-amz-server-side-encryption", "AES256"),
    ("x-amz-storage-class", "STANDARD"),
];
/// Parameters of a signed URL.
const SIGNING_PARAMETERS: [&str; 7] = [
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-signature",
    "x-amz-signedheaders",
];

/// Lets requests through.
#[derive(Clone)]
pub(super) struct Gate {
    guard: Arc<Guard>,
    cors: Arc<Cors>,
    calls: CallLog,
    faults: Arc<Faults>,
}

/// The fault that has struck a request which is carried out nevertheless.
#[derive(Clone, Default)]
struct Struck(Arc<OnceLock<Failure>>);

impl Gate {
    pub(super) fn new(guard: Guard, cors: Cors, calls: CallLog, faults: Arc<Faults>) -> Self {
        Self { guard: Arc::new(guard), cors: Arc::new(cors), calls, faults }
    }

    /// Answers one request.
    pub(super) async fn answer(
        &self,
        service: &S3Service,
        mut request: Request<Incoming>,
    ) -> Response<Body> {
        let mut answer = if !self.guard.is_host_of(request.headers()) {
            refused(s3_error!(AccessDenied, "the Host header is not the address of this endpoint"))
        } else if request.method() == Method::OPTIONS {
            self.cors.preflight(request.uri(), request.headers()).unwrap_or_else(refused)
        } else {
            let shown = self.cors.headers(request.method(), request.uri(), request.headers());
            join_encodings(request.headers_mut());
            let mut answer = self.pass(service, request.map(Body::from)).await;
            answer.headers_mut().extend(shown);
            answer
        };
        if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().to_string()) {
            answer.headers_mut().insert("x-amz-request-id", id);
        }
        answer
    }

    async fn pass(&self, service: &S3Service, mut request: Request<Body>) -> Response<Body> {
        let struck = Struck::default();
        request.extensions_mut().insert(struck.clone());
        let answer = service.call(request).await.unwrap_or_else(|error| {
            let error: s3s::StdError = error.into();
            tracing::error!(%error, "failed to answer a request to S3");
            broken()
        });
        match struck.0.get() {
            Some(failure) => self.faults.end(*failure, || refused(error_of(*failure))).await,
            None => answer,
        }
    }
}

#[async_trait]
impl S3Auth for Gate {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        self.guard.secret_of(access_key).map(SecretKey::from).ok_or_else(|| {
            s3_error!(
                InvalidAccessKeyId,
                "The AWS Access Key Id you provided does not exist in our records."
            )
        })
    }
}

#[async_trait]
impl S3Access for Gate {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        check_signing(context.headers(), context.uri())?;
        check_headers(context.headers())?;
        let operation = context.s3_op().name().to_owned();
        let target = match context.s3_path() {
            S3Path::Root => None,
            S3Path::Bucket { bucket } => Some(bucket.to_string()),
            S3Path::Object { bucket, key } => Some(format!("{bucket}/{key}")),
        };
        self.calls.record(Service::S3, &operation, target.iter().cloned().collect());
        let struck = self.faults.strike(Service::S3, &operation, |start| {
            target.as_ref().is_some_and(|target| target.starts_with(start))
        });
        match struck {
            None => Ok(()),
            Some(Fault { failure, .. }) if failure.has_effect() => {
                if let Some(struck) = context.extensions_mut().get::<Struck>() {
                    // A request has one operation, so the cell is empty.
                    let _ = struck.0.set(failure);
                }
                Ok(())
            }
            Some(Fault { failure, .. }) => {
                self.faults.end(failure, || Err(error_of(failure))).await
            }
        }
    }
}

/// S3 takes no signature but that of version 4, and every `x-amz-` parameter of a URL belongs to
/// it: SDKs that move other headers there would have them ignored.
fn check_signing(headers: &HeaderMap, uri: &Uri) -> S3Result {
    let parameters = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let parameters: Vec<(String, _)> =
        parameters.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    let parameter = |wanted: &str| {
        let found = parameters.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| &**value)
    };
    let is_signed_url = parameter("x-amz-signature").is_some();
    match headers.get(AUTHORIZATION) {
        Some(_) if is_signed_url => {
            return Err(s3_error!(
                InvalidArgument,
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, \
                 Signature query string parameter or the Authorization header should be specified"
            ));
        }
        Some(value) if value.as_bytes().starts_with(b"AWS4-HMAC-SHA256 ") => {}
        None if is_signed_url => {
            check_signed_headers(headers, parameter("x-amz-signedheaders").unwrap_or_default())?;
        }
        _ => {
            return Err(s3_error!(
                InvalidRequest,
                "The authorization mechanism you have provided is not supported. Please use \
                 AWS4-HMAC-SHA256."
            ));
        }
    }
    let known = |name: &str| !name.starts_with("x-amz-") || SIGNING_PARAMETERS.contains(&name);
    match parameters.iter().find(|(name, _)| !known(name)) {
        Some((name, _)) => Err(s3_error!(
            NotImplemented,
            "the local S3 does not know the parameter {name}: send it as a header"
        )),
        None => Ok(()),
    }
}

/// Refuses an `x-amz-` header that a signed URL does not name, such as an object's metadata. So a
/// client can add nothing to the request that was signed.
fn check_signed_headers(headers: &HeaderMap, signed: &str) -> S3Result {
    let is_signed = |name: &str| signed.split(';').any(|signed| signed == name);
    let mut names = headers.keys().map(HeaderName::as_str);
    match names.find(|name| name.starts_with("x-amz-") && !is_signed(name)) {
        Some(name) => Err(s3_error!(
            AccessDenied,
            "There were headers present in the request which were not signed: {name}"
        )),
        None => Ok(()),
    }
}

/// Refuses headers that would be ignored.
fn check_headers(headers: &HeaderMap) -> S3Result {
    for (name, value) in headers.iter().filter(|(name, _)| name.as_str().starts_with("x-amz-")) {
        let name = name.as_str();
        if name == "x-amz-expected-bucket-owner" && value != ACCOUNT {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        let is_known = KNOWN_HEADERS
            .iter()
            .any(|known| name == *known || (known.ends_with('-') && name.starts_with(known)));
        let is_default = DEFAULTS.iter().any(|(known, default)| name == *known && value == default);
        if !is_known && !is_default {
            return Err(s3_error!(
                NotImplemented,
                "the local S3 does not know the header {name}, or this value of it"
            ));
        }
    }
    Ok(())
}

/// Joins the values of `Content-Encoding`. The Rust SDK sends `gzip` and `aws-chunked` in two
/// headers and signs them as one, which s3s refuses.
fn join_encodings(headers: &mut HeaderMap) {
    let values: Vec<_> =
        headers.get_all(CONTENT_ENCODING).iter().map(HeaderValue::as_bytes).collect();
    if values.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&values.join(&b","[..]))
    {
        headers.insert(CONTENT_ENCODING, joined);
    }
}

fn error_of(failure: Failure) -> S3Error {
    match failure {
        Failure::Throttled => s3_error!(SlowDown, "Please reduce your request rate."),
        Failure::TransactionConflict => s3_error!(
            ConditionalRequestConflict,
            "The conditional request cannot succeed due to a conflicting operation against this \
             resource."
        ),
        _ => s3_error!(InternalError, "We encountered an internal error. Please try again."),
    }
}

fn refused(error: S3Error) -> Response<Body> {
    error.to_http_response().unwrap_or_else(|_| broken())
}

fn broken() -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn headers_that_would_be_ignored_are_refused_by_their_names() {
        for (name, value, refusal) in [
            ("x-amz-meta-size", "7", None),
            ("x-amz-object-lock-mode", "GOVERNANCE", None),
            ("x-amz-copy-source-if-match", "\"tag\"", None),
            ("x-amz-storage-class", "STANDARD", None),
            ("x-amz-expected-bucket-owner", ACCOUNT, None),
            ("user-agent", "test", None),
            ("x-amz-storage-class", "GLACIER", Some("NotImplemented")),
            ("x-amz-tagging", "a=b", Some("NotImplemented")),
            ("x-amz-datum", "1", Some("NotImplemented")),
            (
                "x-amz-copy-source-server-side-encryption-customer-key",
                "key",
                Some("NotImplemented"),
            ),
            ("x-amz-expected-bucket-owner", "111111111111", Some("AccessDenied")),
        ] {
            let error = check_headers(&headers(&[(name, value)])).err();
            assert_eq!(error.as_ref().map(|error| error.code().as_str()), refusal, "{name}");
            let message = error.as_ref().and_then(S3Error::message).unwrap_or_default();
            assert!(refusal != Some("NotImplemented") || message.contains(name), "{message}");
        }
    }

    #[test]
    fn a_signature_has_the_fourth_version() {
        let version_4 = "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/s3/aws4_request";
        for (authorization, uri, is_taken) in [
            (version_4, "/bucket/key", true),
            ("AWS AKID:signature", "/bucket/key", false),
            ("", "/bucket/key", false),
            ("", "/bucket/key?X-Amz-Algorithm=A&X-Amz-Signature=S&x-id=GetObject", true),
            ("", "/bucket/key?AWSAccessKeyId=AKID&Signature=S&Expires=1", false),
            ("", "/bucket/key?X-Amz-Signature=S&x-amz-object-lock-mode=GOVERNANCE", false),
            (version_4, "/bucket/key?x-amz-acl=public-read", false),
        ] {
            let mut headers = headers(&[("authorization", authorization)]);
            if authorization.is_empty() {
                headers.clear();
            }
            let result = check_signing(&headers, &Uri::from_static(uri));
            assert_eq!(result.is_ok(), is_taken, "{authorization} {uri}: {result:?}");
        }
    }

    #[test]
    fn a_signed_url_names_the_headers_of_s3_that_go_with_it() {
        let url = "/bucket/key?X-Amz-Signature=S&X-Amz-SignedHeaders=\
                   content-length%3Bhost%3Bx-amz-checksum-sha256";
        for (name, refusal) in [
            ("x-amz-checksum-sha256", None),
            ("cache-control", None),
            ("x-amz-checksum-sha1", Some("AccessDenied")),
            ("x-amz-meta-owner", Some("AccessDenied")),
            ("x-amz-content-sha256", Some("AccessDenied")),
            ("authorization", Some("InvalidArgument")),
        ] {
            let error = check_signing(&headers(&[(name, "x")]), &Uri::from_static(url)).err();
            assert_eq!(error.as_ref().map(|error| error.code().as_str()), refusal, "{name}");
        }
    }

    #[test]
    fn encodings_become_one_header() {
        let mut several =
            headers(&[("content-encoding", "gzip"), ("content-encoding", "aws-chunked")]);
        join_encodings(&mut several);
        let joined: Vec<_> = several.get_all(CONTENT_ENCODING).iter().collect();
        assert_eq!(joined, ["gzip,aws-chunked"]);
    }
}

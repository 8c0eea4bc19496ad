//! Admits only the functions of this stack. Its checks refuse a page in a browser, another program
//! of this machine, and a DNS name that leads to 127.0.0.1.

use std::net::SocketAddr;

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN};
use rand::distr::{Alphanumeric, SampleString};
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;

use super::answer::{Answer, error};
use super::error::AwsError;

/// Credentials that admit to the endpoints.
#[derive(Clone)]
pub struct Credentials {
    /// A request must name it in its `Authorization` header. So it is a secret here.
    pub access_key_id: String,
    /// SDKs sign with it. Only S3 verifies signatures.
    pub secret_access_key: String,
}

impl Credentials {
    /// Makes credentials that can't be guessed.
    pub fn random() -> Self {
        let mut source = rand::rng();
        Self {
            access_key_id: Alphanumeric.sample_string(&mut source, 32),
            secret_access_key: Alphanumeric.sample_string(&mut source, 40),
        }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Credentials(..)")
    }
}

/// The checks that every request must pass before any other part of it is read.
#[derive(Debug)]
pub(super) struct Guard {
    host: String,
    credentials: Credentials,
}

impl Guard {
    pub(super) fn new(listener: &TcpListener, credentials: Credentials) -> Result<Self, AwsError> {
        let address = listener.local_addr().map_err(AwsError::Listener)?;
        Self::at(address, credentials)
    }

    fn at(address: SocketAddr, credentials: Credentials) -> Result<Self, AwsError> {
        if !address.ip().is_loopback() {
            return Err(AwsError::NotLoopback(address));
        }
        Ok(Self { host: address.to_string(), credentials })
    }

    /// The name of the endpoints, with their port, that every request has in its `Host` header.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Refuses a request with these headers, unless they admit it.
    pub(super) fn refusal(&self, headers: &HeaderMap) -> Option<Answer> {
        let reason = if headers.contains_key(ORIGIN) {
            "browsers may not call these endpoints"
        } else if !self.is_host_of(headers) {
            "the Host header is not the address of these endpoints"
        } else if single(headers, AUTHORIZATION)
            .and_then(access_key_id)
            .is_none_or(|id| !self.knows(id))
        {
            "the security token included in the request is invalid"
        } else {
            return None;
        };
        Some(error(StatusCode::FORBIDDEN, "AccessDeniedException", reason))
    }

    /// Whether the request names this address as its host. A DNS name that leads here does not.
    pub(super) fn is_host_of(&self, headers: &HeaderMap) -> bool {
        single(headers, HOST).is_some_and(|host| host == self.host)
    }

    /// The secret access key to this access key id.
    pub(super) fn secret_of(&self, access_key_id: &str) -> Option<&str> {
        self.knows(access_key_id).then_some(self.credentials.secret_access_key.as_str())
    }

    fn knows(&self, access_key_id: &str) -> bool {
        access_key_id.as_bytes().ct_eq(self.credentials.access_key_id.as_bytes()).into()
    }
}

fn single(headers: &HeaderMap, name: hyper::header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// `AKID` of `AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/dynamodb/aws4_request,
/// SignedHeaders=…`.
fn access_key_id(authorization: &str) -> Option<&str> {
    let parameters = authorization.strip_prefix("AWS4-HMAC-SHA256 ")?;
    let credential =
        parameters.split(',').find_map(|parameter| parameter.trim().strip_prefix("Credential="))?;
    Some(credential.split_once('/')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "127.0.0.1:4000";

    fn check(headers: &[(&str, &str)], admitted: bool) {
        let credentials =
            Credentials { access_key_id: "AKID".into(), secret_access_key: "secret".into() };
        let guard = Guard::at(ADDRESS.parse().unwrap(), credentials).unwrap();
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        let refusal = guard.refusal(&headers);
        assert_eq!(refusal.is_none(), admitted, "{headers:?}");
        assert!(refusal.is_none_or(|answer| answer.status() == StatusCode::FORBIDDEN));
    }

    #[test]
    fn only_a_request_with_the_credentials_to_the_own_address_and_without_an_origin_is_admitted() {
        let known = "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/dynamodb/aws4_request, \
                     SignedHeaders=host, Signature=0";
        let stranger = known.replace("AKID", "AKIX");
        check(&[("host", ADDRESS), ("authorization", known)], true);
        check(&[("host", ADDRESS), ("authorization", &stranger)], false);
        check(&[("host", ADDRESS), ("authorization", "AWS4-HMAC-SHA256 Credential=AKID")], false);
        check(&[("host", ADDRESS), ("authorization", "Bearer AKID")], false);
        check(&[("host", ADDRESS)], false);
        check(&[("authorization", known)], false);
        check(&[("host", "localhost:4000"), ("authorization", known)], false);
        check(&[("host", "127.0.0.1:4001"), ("authorization", known)], false);
        check(&[("host", "attacker.example:4000"), ("authorization", known)], false);
        check(&[("host", ADDRESS), ("authorization", known), ("origin", "null")], false);
        check(
            &[("host", ADDRESS), ("authorization", known), ("origin", "http://127.0.0.1:4000")],
            false,
        );
    }

    #[test]
    fn an_address_that_others_can_reach_is_refused() {
        let refusal = Guard::at("0.0.0.0:4000".parse().unwrap(), Credentials::random())
            .unwrap_err()
            .to_string();
        assert!(refusal.contains("127.0.0.1"), "{refusal}");
    }

    #[test]
    fn credentials_are_long_never_repeat_and_do_not_show_in_logs() {
        let one = Credentials::random();
        let other = Credentials::random();
        assert_eq!(one.access_key_id.len(), 32);
        assert_ne!(one.access_key_id, other.access_key_id);
        assert!(!format!("{one:?}").contains(&one.access_key_id));
    }
}

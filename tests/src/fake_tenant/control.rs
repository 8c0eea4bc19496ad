//! The switches and helpers that scripts reach by http, beside what a provider has.

use http::Method;
use serde_json::{Value, json};

use super::call::{Answer, Call};
use super::certificate::Certified;
use super::claims::Recipient;
use super::fault::Fault;
use super::person::Person;
use super::setup::{CLIENT, SECRET, TENANT};
use super::signing_key::SigningKey;
use super::tenant::{Counts, Tenant};

/// Answers a call below `/control`, given by the rest of its path; `None` if there is no such call.
///
/// | call | what it does |
/// |---|---|
/// | `POST rotate`, `POST rotate-es256` | makes a new key, and keeps the others published |
/// | `POST retire` | drops all keys but the current one |
/// | `POST fault/<name>`, `POST heal` | adds a fault, ends all |
/// | `POST sign` `{header?, claims}` | gives a token with them as text |
/// | `GET claims?user=` | gives the claims of a good access token |
/// | `GET key` | gives the private key that signs |
/// | `GET setup` | gives the ids and the credentials of Tally's registration |
/// | `GET counts` | gives the numbers of requests |
pub(super) fn answer(tenant: &Tenant, call: &Call, rest: &[&str]) -> Option<Answer> {
    let is_post = call.method == Method::POST;
    match (is_post, rest) {
        (true, ["rotate"]) => tenant.publish(SigningKey::rsa(), None),
        (true, ["rotate-es256"]) => tenant.publish(SigningKey::p256(), None),
        (true, ["retire"]) => tenant.retire(),
        (true, ["heal"]) => tenant.heal(),
        (true, ["fault", name]) => tenant.fault(Fault::named(name)?),
        (true, ["sign"]) => return Some(sign(tenant, &call.body)),
        (false, ["claims"]) => {
            let claims = tenant.access_claims(&person(tenant, call)?, &Recipient::of_tally());
            return Some(Answer::json(200, &claims));
        }
        (false, ["key"]) => {
            let key = tenant.key();
            let body = json!({
                "kid": key.kid, "alg": key.algorithm(), "private_key": key.private_pem(),
            });
            return Some(Answer::json(200, &body));
        }
        (false, ["setup"]) => return Some(Answer::json(200, &setup(tenant))),
        (false, ["counts"]) => {}
        _ => return None,
    }
    Some(Answer::json(200, &counts(tenant)))
}

/// A raw access token for Tally; `None` if there is no such person.
pub(super) fn token(tenant: &Tenant, call: &Call) -> Option<Answer> {
    let claims = tenant.access_claims(&person(tenant, call)?, &Recipient::of_tally());
    Some(Answer::new(200, "text/plain; charset=utf-8", tenant.sign(&claims)))
}

fn person(tenant: &Tenant, call: &Call) -> Option<Person> {
    tenant.person(call.query.get("user")?)
}

fn sign(tenant: &Tenant, body: &[u8]) -> Answer {
    let Ok(asked) = serde_json::from_slice::<Value>(body) else {
        return Answer::json(400, &json!({"error": "the body is not JSON"}));
    };
    let claims = &asked["claims"];
    let token = match &asked["header"] {
        Value::Null => tenant.sign(claims),
        header => tenant.sign_text(&header.to_string(), &claims.to_string()),
    };
    Answer::new(200, "text/plain; charset=utf-8", token)
}

fn setup(tenant: &Tenant) -> Value {
    json!({
        "issuer": tenant.issuer(), "tenant": TENANT, "client_id": CLIENT,
        "credential": secret_credential(), "certificate_credential": certificate_credential(),
    })
}

fn counts(tenant: &Tenant) -> Value {
    json!({
        "metadata": Counts::read(&tenant.counts.metadata),
        "keys": Counts::read(&tenant.counts.keys),
        "tokens": Counts::read(&tenant.counts.tokens),
    })
}

/// The content of the secret `SsoCredential` with the client secret.
pub(super) fn secret_credential() -> Value {
    json!({"client_secret": SECRET})
}

/// The content of the secret `SsoCredential` with a certificate.
pub(super) fn certificate_credential() -> Value {
    let certified = Certified::of_client();
    json!({"private_key": certified.private_pem(), "certificate": certified.certificate})
}

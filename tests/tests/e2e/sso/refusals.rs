//! Tokens that are refused, the provider's keys, and limits.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::stream::{self, StreamExt as _};
use platform::clock::Clock;
use platform::ids;
use serde_json::{Value, json};
use tally_tests::fake_tenant::{FakeTenant, Fault, Person};
use tally_tests::{Answer, Client, TestStack};

use super::{by_token, has_token, refresh, sign_ins};

/// Number of clients that try unknown names of keys at the same time, and of the processes that
/// answer them.
const CLIENTS: usize = 4;

/// A change of the claims of a good token, and the reason for which the token is refused then.
type Case = (&'static str, fn(&mut Value));

const CASES: &[Case] = &[
    ("audience", |claims| claims["aud"] = "00000003-0000-0000-c000-000000000000".into()),
    ("audience", |claims| claims["aud"] = json!([claims["aud"], "other"])),
    ("issuer", |claims| claims["iss"] = "https://login.microsoftonline.us/x/v2.0".into()),
    ("tenant", |claims| claims["tid"] = "11111111-2222-4333-8444-555555555555".into()),
    ("tenant", |claims| claims["tid"] = "common".into()),
    ("version", |claims| claims["ver"] = "1.0".into()),
    ("scope", |claims| claims["scp"] = "User.Read".into()),
    ("scope", |claims| drop(claims.as_object_mut().unwrap().remove("scp"))),
    ("client", |claims| claims["azp"] = "d3590ed6-52b3-4102-aeff-aad2292ab01c".into()),
    ("expired", |claims| claims["exp"] = (now() - 61).into()),
    ("expired", |claims| claims["nbf"] = (now() + 120).into()),
    ("app_only", |claims| claims["idtyp"] = "app".into()),
    ("requirement", |claims| claims["acct"] = 1.into()),
    ("requirement", |claims| drop(claims.as_object_mut().unwrap().remove("acct"))),
];

fn now() -> i64 {
    Clock::System.now().as_second()
}

/// The token with this name of a key in its header. Its signature does not hold.
fn with_kid(token: &str, kid: &str) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": kid}).to_string();
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
}

#[tokio::test]
async fn a_refusal_names_its_reason_and_leaves_its_event() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[("SsoRequire", "acct=0")]).await;
    let person = Person::new("Anna");
    let good = tenant.token(&person);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (other, _) = tenant.token(&Person::new("Berta")).rsplit_once('.').map(owned).unwrap();
    let mut tokens: Vec<_> = CASES
        .iter()
        .map(|(reason, change)| {
            let mut claims = tenant.claims(&person);
            change(&mut claims);
            (*reason, tenant.sign(&claims))
        })
        .collect();
    let claims = tenant.claims(&person);
    let with_header = |header: Value| tenant.sign_as(&header, &claims);
    tokens.extend([
        ("signature", format!("{other}.{signature}")),
        ("signature", format!("{signed}.")),
        ("signature", with_kid(&good, "unknown")),
        ("signature", with_header(json!({"alg": "none", "kid": tenant.kid()}))),
        ("signature", with_header(json!({"alg": "HS256", "kid": tenant.kid()}))),
        ("signature", "not a token".to_owned()),
        ("signature", String::new()),
    ]);
    for (reason, token) in &tokens {
        let answer = by_token(&stack, token).await;
        assert_eq!(answer.problem(401, "invalid_sso_token")["reason"], *reason, "{answer:?}");
        assert!(answer.header("www-authenticate").contains("invalid_token"), "{answer:?}");
    }
    let events = sign_ins(&stack).await;
    assert_eq!(events.len(), tokens.len());
    for (event, (reason, token)) in events.iter().zip(&tokens) {
        assert_eq!(
            (&event["outcome"], &event["detail"]["reason"]),
            (&json!("failure"), &json!(reason))
        );
        assert_eq!((&event["actor"], &event["resource"]), (&Value::Null, &Value::Null));
        let has_signature = token
            .rsplit_once('.')
            .is_some_and(|(_, part)| part.len() > 20 && event.to_string().contains(part));
        assert!(!has_token(event) && !has_signature, "{event}");
    }
    // None of them has made an account.
    let found = stack.get("/users?query=anna", Some(&stack.admin().await)).await.expect(200);
    assert_eq!(found["items"], json!([]));
    by_token(&stack, &good).await.expect(200);
}

fn owned((first, second): (&str, &str)) -> (String, String) {
    (first.to_owned(), second.to_owned())
}

#[tokio::test]
async fn a_thousand_unknown_names_of_keys_do_not_flood_the_provider() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let token = tenant.token(&Person::new("Anna"));
    let since = Instant::now();
    let tried = stream::iter(0..1_000).map(async |_| {
        let unknown = with_kid(&token, &ids::new_secret::<16>());
        let answer = by_token(&stack, &unknown).await;
        assert_eq!(answer.problem(401, "invalid_sso_token")["reason"], "signature");
    });
    tried.buffer_unordered(CLIENTS).collect::<Vec<()>>().await;
    // A process fetches the metadata once, before its first keys.
    assert_eq!(tenant.metadata_fetched(), CLIENTS);
    let minutes = usize::try_from(since.elapsed().as_secs() / 60).unwrap() + 1;
    let fetched = tenant.keys_fetched();
    assert!(fetched <= CLIENTS * minutes, "{fetched} in {minutes} minutes");
    by_token(&stack, &token).await.expect(200);
    assert_eq!(tenant.keys_fetched(), fetched);
}

#[tokio::test]
async fn no_good_token_is_refused_while_keys_rotate() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let person = Person::new("Anna");
    let before = tenant.token(&person);
    by_token(&stack, &before).await.expect(200);
    tenant.rotate();
    let after = tenant.token(&person);
    for token in [&after, &before, &after] {
        by_token(&stack, token).await.expect(200);
    }
}

#[tokio::test]
async fn without_the_provider_sessions_go_on() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let person = Person::new("Anna");
    let caller = stack.sso(&tenant, &person).await;
    for fault in [Fault::Status(500), Fault::WrongIssuer, Fault::NoKeys] {
        tenant.fault(fault);
        // A deployment whose functions have no keys yet.
        let cold = TestStack::with_sso(&tenant, &[]).await;
        let answer = by_token(&cold, &tenant.token(&person)).await;
        answer.problem(503, "unavailable");
        assert!(answer.header("retry-after").parse::<u64>().is_ok(), "{answer:?}");
        let event = sign_ins(&cold).await.pop().unwrap();
        assert_eq!(
            (&event["outcome"], &event["detail"]["reason"]),
            (&json!("failure"), &json!("unavailable"))
        );
        let by_password = cold.demo().await;
        refresh(&cold, &by_password).await.expect(200);
        tenant.heal();
    }
    tenant.fault(Fault::Hang);
    stack.get("/auth/sessions", Some(&caller)).await.expect(200);
    refresh(&stack, &caller).await.expect(200);
    let cold = TestStack::with_sso(&tenant, &[]).await;
    let since = Instant::now();
    by_token(&cold, &tenant.token(&person)).await.problem(503, "unavailable");
    assert!(since.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn an_address_that_is_refused_makes_no_function_ask_the_provider() {
    let tenant = FakeTenant::start();
    let limits = [("RateLimits", "sso_address=1/1h,*=100000/1m")];
    let stack = TestStack::with_sso(&tenant, &limits).await;
    let (anna, berta) = (tenant.token(&Person::new("Anna")), tenant.token(&Person::new("Berta")));
    by_token(&stack, "no token").await.problem(401, "invalid_sso_token");
    by_token(&stack, &anna).await.problem(429, "rate_limited");
    assert_eq!((tenant.metadata_fetched(), tenant.keys_fetched()), (0, 0));

    // A fault of the body counts nowhere, although it is found later.
    let provider = FakeTenant::oidc();
    let stack = TestStack::with_sso(&provider, &limits).await;
    let made_up = json!({"code": "c", "code_verifier": "v".repeat(43)});
    for _ in 0..2 {
        by_token(&stack, "t").await.invalid(&["/token"]);
    }
    stack.post("/auth/sso", None, &made_up).await.problem(401, "invalid_sso_code");
    stack.post("/auth/sso", None, &made_up).await.problem(429, "rate_limited");

    // A person who is refused does not use up what the others of an office have.
    let limits = [("RateLimits", "sso_user=1/1h,sso_address=2/1h,*=100000/1m")];
    let stack = TestStack::with_sso(&tenant, &limits).await;
    by_token(&stack, &anna).await.expect(200);
    for _ in 0..2 {
        by_token(&stack, &anna).await.problem(429, "rate_limited");
    }
    by_token(&stack, &berta).await.expect(200);
    by_token(&stack, "no token").await.problem(429, "rate_limited");
}

#[tokio::test]
async fn a_person_and_an_address_are_limited() {
    let tenant = FakeTenant::start();
    let limits = [("RateLimits", "sso_user=2/1h,*=100000/1m")];
    let stack = TestStack::with_sso(&tenant, &limits).await;
    let (anna, berta) = (tenant.token(&Person::new("Anna")), tenant.token(&Person::new("Berta")));
    let sent = async |client: &Client, token: &str| -> Answer {
        client.post("/auth/sso", None, &json!({"token": token})).await
    };
    let elsewhere = stack.from_address([127, 0, 0, 7]);
    by_token(&stack, &anna).await.expect(200);
    // A refused token names no person, so it counts for none.
    for _ in 0..3 {
        by_token(&stack, &with_kid(&anna, "unknown")).await.problem(401, "invalid_sso_token");
    }
    let second = sent(&elsewhere, &anna).await;
    second.expect(200);
    assert_eq!(
        second.header("ratelimit-policy"),
        "\"sso_address\";q=100000;w=60, \"sso_user\";q=2;w=3600"
    );
    let refused = by_token(&stack, &anna).await;
    refused.problem(429, "rate_limited");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    by_token(&stack, &berta).await.expect(200);

    let limits = [("RateLimits", "sso_address=2/1h,*=100000/1m")];
    let stack = TestStack::with_sso(&tenant, &limits).await;
    let elsewhere = stack.from_address([127, 0, 0, 7]);
    by_token(&stack, "no token").await.problem(401, "invalid_sso_token");
    by_token(&stack, &anna).await.expect(200);
    by_token(&stack, &berta).await.problem(429, "rate_limited");
    // A client that only asks how to sign in is not limited.
    stack.get("/auth/sso", None).await.expect(200);
    sent(&elsewhere, &berta).await.expect(200);
}

//! The refresh token in a cookie: which pages get it, which requests it counts for, and what ends
//! it.

use std::fs;

use futures_util::join;
use http::Method;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tally_tests::{Answer, TestStack};

use crate::tokens::forger::part;

/// A page that may have the cookie.
const PAGE: &str = "http://localhost:5173";

/// A page that may call the API, and may not have the cookie.
const OTHER: &str = "https://excel.office.com";

/// The attributes that the cookie has in every answer, before its age.
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Strict";

async fn start() -> TestStack {
    limited("login_lock=100000/1m,*=100000/1m").await
}

async fn limited(limits: &str) -> TestStack {
    let origins = format!("https://app.example.com,{PAGE}");
    TestStack::with(&[("CookieOrigins", &origins), ("RateLimits", limits)]).await
}

/// The headers that a script of a page sends, and the cookie that its browser adds.
fn script(request: RequestBuilder, origin: &str, cookie: &str) -> RequestBuilder {
    request.header("origin", origin).header("x-requested-with", "fetch").header("cookie", cookie)
}

fn named(token: &str) -> String {
    format!("__Host-tally_refresh={token}")
}

/// A sign-in with this `refresh_in` from a page of this origin.
async fn login(stack: &TestStack, origin: Option<&str>, refresh_in: &Value) -> Answer {
    let body = json!({"username": "demo", "password": "SecureDemo123!", "refresh_in": refresh_in});
    let request = stack.request(Method::POST, "/auth/login").json(&body);
    stack
        .send(origin.into_iter().fold(request, |request, origin| request.header("origin", origin)))
        .await
}

/// A session with its refresh token in a cookie: the access token, and the cookie's value.
async fn signed_in(stack: &TestStack) -> (String, String) {
    let answer = login(stack, Some(PAGE), &json!("cookie")).await;
    let access = answer.expect(200)["access_token"].as_str().unwrap().to_owned();
    (access, given(&answer))
}

/// A refresh by the cookie of this value.
async fn refresh(stack: &TestStack, token: &str) -> Answer {
    let request = stack.request(Method::POST, "/auth/refresh");
    stack.send(script(request, PAGE, &named(token))).await
}

/// Every `Set-Cookie` of an answer.
fn set(answer: &Answer) -> Vec<&str> {
    answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect()
}

/// The token in the one cookie that an answer sets. The body must not have it.
#[track_caller]
fn given(answer: &Answer) -> String {
    let body = answer.expect(200);
    assert!(body["access_token"].is_string() && body.get("refresh_token").is_none(), "{body}");
    let [cookie] = set(answer)[..] else { panic!("{answer:?}") };
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    let token = pair.strip_prefix("__Host-tally_refresh=").unwrap().to_owned();
    let claims = part(&token, 1);
    let seconds = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(attributes, format!("{ATTRIBUTES}; Max-Age={seconds}"));
    token
}

/// Fails unless an answer ends the cookie, and sets no other.
#[track_caller]
fn assert_cleared(answer: &Answer) {
    assert_eq!(set(answer), [format!("{}; {ATTRIBUTES}; Max-Age=0", named(""))], "{answer:?}");
}

/// Fails unless an answer leaves the cookie as it is.
#[track_caller]
fn assert_untouched(answer: &Answer) {
    assert_eq!(set(answer), [""; 0], "{answer:?}");
}

#[tokio::test]
async fn a_page_on_the_list_gets_its_refresh_token_in_a_cookie_alone() {
    let stack = start().await;
    let answer = login(&stack, Some(PAGE), &json!("cookie")).await;
    let token = given(&answer);
    let claims = part(&token, 1);
    // To the end of the session, a week.
    let seconds = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!((&claims["type"], seconds), (&json!("refresh"), 604_800));
    assert_eq!(answer.header("access-control-allow-origin"), PAGE);
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
    given(&login(&stack, Some("https://app.example.com"), &json!("cookie")).await);

    for origin in [
        None,
        Some(OTHER),
        Some("null"),
        Some("http://LOCALHOST:5173"),
        Some("http://localhost:5173/"),
        Some("http://localhost:5173.evil.example"),
        Some("https://app.example.com,http://localhost:5173"),
    ] {
        let answer = login(&stack, origin, &json!("cookie")).await;
        answer.problem(403, "origin_refused");
        assert_untouched(&answer);
    }
    // The origin is checked before the body is read.
    login(&stack, Some(OTHER), &json!("x")).await.problem(403, "origin_refused");
    for wrong in [json!("body"), json!("Cookie"), json!(""), json!(true), json!(["cookie"])] {
        login(&stack, Some(PAGE), &wrong).await.invalid(&["/refresh_in"]);
    }
    // A client that does not ask for the cookie gets none.
    for origin in [None, Some(OTHER), Some(PAGE)] {
        let answer = login(&stack, origin, &Value::Null).await;
        assert!(answer.expect(200)["refresh_token"].is_string(), "{answer:?}");
        assert_untouched(&answer);
    }
}

#[tokio::test]
async fn a_form_gets_no_cookie() {
    let stack = start().await;
    let fields = [("username", "demo"), ("password", "SecureDemo123!"), ("refresh_in", "cookie")];
    for origin in [PAGE, OTHER] {
        let form =
            stack.request(Method::POST, "/auth/login").form(&fields).header("origin", origin);
        let answer = stack.send(form).await;
        assert!(answer.expect(200)["refresh_token"].is_string(), "{answer:?}");
        assert_untouched(&answer);
    }
    let wrong = [("username", "demo"), ("password", "SecureDemo123!"), ("refresh_in", "true")];
    let form = stack.request(Method::POST, "/auth/login").form(&wrong);
    stack.send(form).await.problem(400, "invalid_request");
}

#[tokio::test]
async fn a_cookie_is_spent_by_a_refresh_and_ends_its_session_if_it_comes_again() {
    let stack = start().await;
    let (access, first) = signed_in(&stack).await;
    // Two tabs of a browser send the cookie that they share, and get one that they share again.
    let tabs = join!(refresh(&stack, &first), refresh(&stack, &first));
    let second = given(&tabs.0);
    assert_ne!(second, first);
    assert_eq!((set(&tabs.0), tabs.0.json()), (set(&tabs.1), tabs.1.json()));
    let late = refresh(&stack, &first).await;
    assert_eq!((set(&tabs.0), tabs.0.json()), (set(&late), late.json()));

    let third = given(&refresh(&stack, &second).await);
    // The first is no predecessor of the third: a copy of it is somewhere.
    let reused = refresh(&stack, &first).await;
    reused.problem(401, "invalid_refresh_token");
    assert_cleared(&reused);
    let ended = refresh(&stack, &third).await;
    ended.problem(401, "invalid_refresh_token");
    assert_cleared(&ended);
    let sessions = stack.request(Method::GET, "/auth/sessions").bearer_auth(&access);
    stack.send(sessions).await.problem(401, "invalid_token");
    assert_eq!(stack.events(&stack.admin().await, "auth.refresh_reuse").await.len(), 1);
}

#[tokio::test]
async fn a_cookie_counts_only_in_a_script_of_a_page_on_the_list() {
    let stack = start().await;
    let (_, token) = signed_in(&stack).await;
    let request = || stack.request(Method::POST, "/auth/refresh").header("cookie", named(&token));
    let with =
        |origin: &str| request().header("x-requested-with", "fetch").header("origin", origin);
    for refused in [
        request(),
        request().header("origin", PAGE),
        request().header("x-requested-with", "fetch"),
        with(OTHER),
        with("null"),
        with("https://localhost:5173"),
        with(PAGE).header("origin", PAGE),
        with(PAGE).header("origin", OTHER),
        request().header("origin", PAGE).json(&json!({"refresh_token": null})),
        // A fault of the body comes after that.
        with(OTHER).body("{"),
    ] {
        let answer = stack.send(refused).await;
        answer.problem(403, "origin_refused");
        assert_untouched(&answer);
    }
    // A fault of the body refuses no token.
    let faulty = stack.send(with(PAGE).json(&json!({"more": 1}))).await;
    faulty.invalid(&["/more"]);
    assert_untouched(&faulty);

    let mut next = given(&refresh(&stack, &token).await);
    for body in [json!({}), json!({"refresh_token": null})] {
        let request = stack.request(Method::POST, "/auth/refresh");
        next = given(&stack.send(script(request, PAGE, &named(&next)).json(&body)).await);
    }
}

#[tokio::test]
async fn a_token_in_the_body_wins_and_is_answered_there() {
    let stack = start().await;
    let (_, token) = signed_in(&stack).await;
    let caller = stack.someone().await;
    let by_body = async |token: &str, cookie: &str, origin: &str| {
        let request = stack.request(Method::POST, "/auth/refresh");
        let body = json!({"refresh_token": token});
        stack.send(script(request, origin, cookie).json(&body)).await
    };
    let mut body = caller.refresh;
    for origin in [PAGE, OTHER] {
        let answer = by_body(&body, &named(&token), origin).await;
        body = answer.expect(200)["refresh_token"].as_str().unwrap().to_owned();
        assert_untouched(&answer);
    }
    // A refusal of the body's token is none of the cookie's.
    for worthless in ["", "not.a.token"] {
        let answer = by_body(worthless, &named(&token), PAGE).await;
        answer.problem(401, "invalid_refresh_token");
        assert_untouched(&answer);
    }
    given(&refresh(&stack, &token).await);
}

#[tokio::test]
async fn a_refused_cookie_is_cleared_and_a_missing_one_is_no_attempt() {
    let stack = start().await;
    let (access, token) = signed_in(&stack).await;
    let refused = async |cookie: &str| {
        let request = stack.request(Method::POST, "/auth/refresh");
        let answer = stack.send(script(request, PAGE, cookie)).await;
        answer.problem(401, "invalid_refresh_token");
        answer
    };
    for cookie in ["", "other=1", "tally_refresh=x", "__host-tally_refresh=x"] {
        assert_untouched(&refused(cookie).await);
    }
    let admin = stack.admin().await;
    assert!(stack.events(&admin, "auth.refresh").await.is_empty());
    for cookie in [
        named(""),
        named("not.a.token"),
        named(&access),
        named(&format!("\"{token}\"")),
        // A browser has one of this name.
        format!("{}; {}", named(&token), named(&token)),
        format!("{}; {}", named("x"), named(&token)),
    ] {
        assert_cleared(&refused(&cookie).await);
    }
    given(&refresh(&stack, &token).await);
    let events = stack.events(&admin, "auth.refresh").await;
    let outcomes: Vec<_> = events.iter().map(|event| &event["outcome"]).collect();
    // Of several cookies none is taken, so the last two were no attempts.
    assert_eq!(outcomes, ["failure", "failure", "failure", "failure", "success"]);
}

#[tokio::test]
async fn a_cookie_counts_against_the_limit_of_its_session_and_stays_when_it_has_to_wait() {
    let stack = limited("refresh=2/1h,*=100000/1m").await;
    let (_, first) = signed_in(&stack).await;
    let second = given(&refresh(&stack, &first).await);
    let third = given(&refresh(&stack, &second).await);
    let waits = refresh(&stack, &third).await;
    waits.problem(429, "rate_limited");
    assert_untouched(&waits);
    // The predecessor costs nothing, and gets the same cookie.
    assert_eq!(given(&refresh(&stack, &second).await), third);
    let (_, of_another) = signed_in(&stack).await;
    given(&refresh(&stack, &of_another).await);

    // A request without a cookie counts for its address, too.
    let stack = limited("refresh_address=2/1h,*=100000/1m").await;
    let without = async || {
        let request = stack.request(Method::POST, "/auth/refresh").header("origin", PAGE);
        stack.send(request.header("x-requested-with", "fetch")).await
    };
    for _ in 0..2 {
        without().await.problem(401, "invalid_refresh_token");
    }
    without().await.problem(429, "rate_limited");
}

#[tokio::test]
async fn a_refresh_by_cookie_asks_the_store_no_more_than_one_by_body() {
    let stack = start().await;
    let (_, token) = signed_in(&stack).await;
    let caller = stack.demo().await;
    let body = json!({"refresh_token": caller.refresh});
    let (answer, mut by_body) = stack.round_trips(stack.post("/auth/refresh", None, &body)).await;
    answer.expect(200);
    let (answer, mut by_cookie) = stack.round_trips(refresh(&stack, &token)).await;
    given(&answer);
    by_body.sort_unstable();
    by_cookie.sort_unstable();
    assert_eq!(by_cookie, by_body);
}

#[tokio::test]
async fn a_logout_clears_the_cookie_and_a_refused_one_leaves_it() {
    let stack = start().await;
    for body in [json!({}), json!({"all": true})] {
        let (access, token) = signed_in(&stack).await;
        let logout = |access: &str| {
            let request = stack.request(Method::POST, "/auth/logout").bearer_auth(access);
            stack.send(script(request, PAGE, &named(&token)).json(&body))
        };
        // An access token that has expired is refused likewise. The page refreshes, then signs out.
        let refused = logout("nonsense").await;
        refused.problem(401, "invalid_token");
        assert_untouched(&refused);
        let done = logout(&access).await;
        done.expect(204);
        assert_cleared(&done);
        let over = refresh(&stack, &token).await;
        over.problem(401, "invalid_refresh_token");
        assert_cleared(&over);
    }
    let answer = stack.post("/auth/logout", Some(&stack.demo().await), &json!({})).await;
    answer.expect(204);
    assert_untouched(&answer);
}

#[tokio::test]
async fn a_cookie_is_no_credential_of_any_other_route_nor_of_the_websocket() {
    let stack = start().await;
    let (access, token) = signed_in(&stack).await;
    for value in [&token, &access] {
        for (method, path) in [
            (Method::GET, "/auth/me"),
            (Method::GET, "/auth/sessions"),
            (Method::POST, "/auth/logout"),
            (Method::POST, "/auth/ws-ticket"),
            (Method::GET, "/profits"),
            (Method::POST, "/chat"),
            (Method::GET, "/users"),
            (Method::POST, "/mcp"),
        ] {
            let answer = stack.send(script(stack.request(method, path), PAGE, &named(value))).await;
            answer.problem(401, "unauthenticated");
            assert_untouched(&answer);
        }
        let grant = stack.request(Method::POST, "/auth/token");
        let grant = script(grant, PAGE, &named(value)).form(&[("grant_type", "refresh_token")]);
        stack.send(grant).await.problem(400, "invalid_request");
        let revoke = stack.request(Method::POST, "/auth/revoke").form(&[("token_type_hint", "x")]);
        stack.send(script(revoke, PAGE, &named(value))).await.problem(400, "invalid_request");
        let cookie = named(value);
        let headers = [("cookie", cookie.as_str()), ("origin", PAGE)];
        let refused = stack.handshake("", &headers).await.err().unwrap();
        assert_eq!((refused.status, &refused.body["code"]), (401, &json!("unauthenticated")));
    }
    given(&refresh(&stack, &token).await);
}

#[tokio::test]
async fn browsers_send_the_cookie_only_where_the_deployment_gives_it() {
    for (stack, expected) in [(start().await, "true"), (TestStack::start().await, "")] {
        for (origin, credentials) in
            [(PAGE, expected), (OTHER, expected), ("https://evil.example", "")]
        {
            let allowed = if origin.contains("evil") { "" } else { origin };
            let preflight = stack
                .request(Method::OPTIONS, "/auth/refresh")
                .header("origin", origin)
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "x-requested-with");
            let health = stack.request(Method::GET, "/health").header("origin", origin);
            for answer in [stack.send(preflight).await, stack.send(health).await] {
                assert_eq!(answer.header("access-control-allow-origin"), allowed);
                assert_eq!(answer.header("access-control-allow-credentials"), credentials);
            }
        }
    }
}

#[tokio::test]
async fn where_no_page_may_have_it_there_is_no_cookie() {
    let on = start().await;
    let (_, token) = signed_in(&on).await;
    let stack = TestStack::start().await;
    for origin in [None, Some(PAGE), Some(OTHER)] {
        let answer = login(&stack, origin, &json!("cookie")).await;
        answer.problem(403, "origin_refused");
    }
    let answer = refresh(&stack, &token).await;
    answer.invalid(&["/refresh_token"]);
    assert_untouched(&answer);
    stack.post("/auth/refresh", None, &json!({})).await.invalid(&["/refresh_token"]);
    stack.post("/auth/refresh", None, &json!({"x": 1})).await.invalid(&["/x"]);
    let caller = stack.demo().await;
    let logout = stack.request(Method::POST, "/auth/logout").bearer_auth(&caller.access);
    let answer = stack.send(script(logout, PAGE, &named(&token))).await;
    answer.expect(204);
    assert_untouched(&answer);
}

#[tokio::test]
async fn no_cookie_is_logged_or_audited() {
    let stack = start().await;
    let (access, first) = signed_in(&stack).await;
    let second = given(&refresh(&stack, &first).await);
    let third = given(&refresh(&stack, &second).await);
    let logout = stack.request(Method::POST, "/auth/logout").bearer_auth(&access);
    stack.send(script(logout, PAGE, &named(&third))).await.expect(204);
    refresh(&stack, &first).await.problem(401, "invalid_refresh_token");
    // The other parts of a token are not secret.
    let signatures = [&first, &second, &third].map(|token| token.rsplit_once('.').unwrap().1);
    let assert_clean = |place: &str, text: &str| {
        assert!(!signatures.iter().any(|signature| text.contains(signature)), "{place}");
    };
    for entry in fs::read_dir(stack.local.logs()).unwrap() {
        let path = entry.unwrap().path();
        let log = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        assert_clean(&path.display().to_string(), &log);
    }
    let events = stack.events(&stack.admin().await, "auth.").await;
    assert!(events.len() >= 4, "{events:?}");
    assert_clean("the audit log", &json!(events).to_string());
}

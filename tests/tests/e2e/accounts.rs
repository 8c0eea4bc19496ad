//! Register, login, me, refresh, logout.

use std::collections::HashSet;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tally_tests::TestStack;

const PASSWORD: &str = "Correct-Horse-9";

fn registration(username: &str) -> Value {
    json!({
        "username": username, "email": format!("{username}@example.com"), "password": PASSWORD,
        "full_name": "Åsa Öberg",
    })
}

#[tokio::test]
async fn an_account_is_registered_signs_in_and_sees_itself() {
    let stack = TestStack::start().await;
    let answer = stack.post("/auth/register", None, &registration("Asa_1")).await;
    let user = answer.expect(201)["user"].clone();
    assert_eq!(user["username"], "Asa_1");
    assert_eq!(user["full_name"], "Åsa Öberg");
    assert_eq!(user["roles"], json!(["user"]));
    assert_eq!(user["is_active"], true);
    assert!(user["created_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(user["sign_in"], "password");
    let hides = |secret: &str| !answer.text.contains(secret);
    assert!(hides(PASSWORD) && hides("password_hash") && hides("argon2"), "{answer:?}");

    // Log in by username or email, in upper or lower case.
    for identifier in ["Asa_1", "asa_1", "ASA_1@example.COM"] {
        let caller = stack.login(identifier, PASSWORD).await;
        assert_eq!(stack.get("/auth/me", Some(&caller)).await.expect(200)["user"], user);
    }
}

#[tokio::test]
async fn a_taken_name_or_email_is_a_409_that_does_not_say_which() {
    let stack = TestStack::start().await;
    stack.post("/auth/register", None, &registration("taken")).await.expect(201);
    let mut same_email = registration("other");
    same_email["email"] = "TAKEN@example.com".into();
    let by_name = stack
        .post("/auth/register", None, &registration("TAKEN"))
        .await
        .problem(409, "account_exists");
    let by_email =
        stack.post("/auth/register", None, &same_email).await.problem(409, "account_exists");
    assert_eq!(by_name["detail"], by_email["detail"]);
    // The registration that was refused for its email has not reserved its username.
    stack.post("/auth/register", None, &registration("other")).await.expect(201);
}

#[tokio::test]
async fn twenty_registrations_of_one_name_make_one_account() {
    let stack = TestStack::start().await;
    let attempts = (0..20).map(|number| {
        let mut body = registration("racer");
        body["email"] = format!("racer{number}@example.com").into();
        let stack = &stack;
        async move { stack.post("/auth/register", None, &body).await.status }
    });
    let mut statuses = join_all(attempts).await;
    statuses.sort_unstable();
    assert_eq!(statuses[0], 201);
    assert!(statuses[1..].iter().all(|status| *status == 409), "{statuses:?}");
    let admin = stack.admin().await;
    let events = stack.events(&admin, "auth.register").await;
    let made = events
        .iter()
        .filter(|event| event["outcome"] == "success" && event["actor"]["username"] == "racer");
    assert_eq!(made.count(), 1);
    assert_eq!(events.iter().filter(|event| event["outcome"] == "failure").count(), 19);
}

#[tokio::test]
async fn twenty_registrations_of_one_email_make_one_account() {
    let stack = TestStack::start().await;
    let attempts = (0..20).map(|number| {
        let mut body = registration(&format!("racer_{number}"));
        body["email"] =
            if number % 2 == 0 { "racer@example.com" } else { "RACER@Example.com" }.into();
        let stack = &stack;
        async move { stack.post("/auth/register", None, &body).await.status }
    });
    let mut statuses = join_all(attempts).await;
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (201, &[409; 19][..]));
}

#[tokio::test]
async fn a_registration_that_is_wrong_names_every_field() {
    let stack = TestStack::start().await;
    let answer = stack
        .post(
            "/auth/register",
            None,
            &json!({"username": "a b", "email": "x", "password": "short", "extra": 1}),
        )
        .await;
    answer.invalid(&["/username", "/email", "/password", "/extra"]);
    stack.post("/auth/register", None, &json!({})).await.invalid(&[
        "/username",
        "/email",
        "/password",
    ]);
    let mut weak = registration("weak");
    for password in ["short1!", "nouppercase1!", "P@ssw0rd1", "xWeak99!x"] {
        weak["password"] = password.into();
        stack.post("/auth/register", None, &weak).await.invalid(&["/password"]);
    }
}

#[tokio::test]
async fn registration_can_be_closed() {
    let stack = TestStack::with(&[("Registration", "closed")]).await;
    stack
        .post("/auth/register", None, &registration("late"))
        .await
        .problem(403, "registration_closed");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_get_the_same_answer() {
    let stack = TestStack::start().await;
    let mut details = HashSet::new();
    for (username, password) in [
        ("demo", "Wrong-Horse-9"),
        ("nobody", PASSWORD),
        ("nobody@example.com", PASSWORD),
        ("demo", "x"),
    ] {
        let answer = stack
            .post("/auth/login", None, &json!({"username": username, "password": password}))
            .await;
        details.insert(answer.problem(401, "invalid_credentials")["detail"].to_string());
    }
    assert_eq!(details.len(), 1);
    let admin = stack.admin().await;
    let failures: Vec<_> = stack
        .events(&admin, "auth.login")
        .await
        .into_iter()
        .filter(|event| event["outcome"] == "failure")
        .collect();
    assert_eq!(failures.len(), 4);
    // The event has a fingerprint of the unknown identifier, so the identifier can be recognised
    // but not read.
    assert!(
        failures[1]["detail"]["identifier_hmac"].is_string()
            && !failures[1].to_string().contains("nobody"),
        "{failures:?}"
    );
}

#[tokio::test]
async fn the_password_form_speaks_oauth() {
    let stack = TestStack::start().await;
    let form = |fields: &[(&str, &str)]| {
        stack.send(stack.request(http::Method::POST, "/auth/login").form(fields))
    };
    let fields = [
        ("grant_type", "password"),
        ("username", "demo"),
        ("password", "SecureDemo123!"),
        ("scope", ""),
        ("unknown", "1"),
    ];
    assert_eq!(form(&fields).await.expect(200)["token_type"], "bearer");
    for (fields, error) in [
        (&[("username", "demo"), ("password", "wrong")][..], "invalid_grant"),
        (
            &[("grant_type", "client_credentials"), ("username", "demo"), ("password", "x")],
            "unsupported_grant_type",
        ),
        (&[("username", "demo")], "invalid_request"),
    ] {
        let problem = form(fields).await.problem(400, error);
        assert_eq!(problem["error"], error);
        assert!(problem["error_description"].is_string());
    }
    let off = TestStack::with(&[("PasswordGrant", "off")]).await;
    off.send(off.request(http::Method::POST, "/auth/login").form(&fields))
        .await
        .problem(415, "unsupported_media_type");
}

#[tokio::test]
async fn a_refresh_spends_its_token() {
    let stack = TestStack::start().await;
    let caller = stack.demo().await;
    let refresh = |token: &str| {
        let body = json!({"refresh_token": token});
        let stack = &stack;
        async move { stack.post("/auth/refresh", None, &body).await }
    };
    let second = refresh(&caller.refresh).await.expect(200);
    assert_ne!(second["refresh_token"], caller.refresh.as_str());
    // Two browser tabs refresh at once: within the grace period the second gets the same successor.
    assert_eq!(refresh(&caller.refresh).await.expect(200), second);
    // Once the successor has been presented, the spent token ends the session.
    let third = refresh(second["refresh_token"].as_str().unwrap()).await.expect(200);
    refresh(&caller.refresh).await.problem(401, "invalid_refresh_token");
    refresh(third["refresh_token"].as_str().unwrap()).await.problem(401, "invalid_refresh_token");
    let ended = tally_tests::Caller {
        access: third["access_token"].as_str().unwrap().to_owned(),
        ..caller
    };
    stack.post("/auth/logout", Some(&ended), &json!({})).await.problem(401, "invalid_token");
    let admin = stack.admin().await;
    assert_eq!(stack.events(&admin, "auth.refresh_reuse").await.len(), 1);
}

#[tokio::test]
async fn twenty_refreshes_of_one_token_get_one_successor() {
    let stack = TestStack::start().await;
    let caller = stack.demo().await;
    let body = json!({"refresh_token": caller.refresh});
    let answers = join_all((0..20).map(|_| stack.post("/auth/refresh", None, &body))).await;
    let pairs: HashSet<_> = answers.iter().map(|answer| answer.expect(200).to_string()).collect();
    assert_eq!(pairs.len(), 1);
    let admin = stack.admin().await;
    assert_eq!(stack.events(&admin, "auth.refresh").await.len(), 20);
    assert!(stack.events(&admin, "auth.refresh_reuse").await.is_empty());
}

#[tokio::test]
async fn a_fourth_session_ends_the_oldest() {
    let stack = TestStack::start().await;
    let mut callers = Vec::new();
    for _ in 0..4 {
        callers.push(stack.demo().await);
    }
    let oldest =
        stack.post("/auth/refresh", None, &json!({"refresh_token": callers[0].refresh})).await;
    oldest.problem(401, "invalid_refresh_token");
    for caller in &callers[1..] {
        stack
            .post("/auth/refresh", None, &json!({"refresh_token": caller.refresh}))
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn logins_at_the_limit_never_leave_four_sessions() {
    let stack = TestStack::start().await;
    let callers = join_all((0..8).map(|_| stack.demo())).await;
    let refreshed = join_all(callers.iter().map(|caller| {
        let body = json!({"refresh_token": caller.refresh});
        let stack = &stack;
        async move { stack.post("/auth/refresh", None, &body).await.status }
    }));
    assert_eq!(refreshed.await.iter().filter(|status| **status == 200).count(), 3);
}

#[tokio::test]
async fn a_logout_ends_one_session_or_all() {
    let stack = TestStack::start().await;
    let first = stack.demo().await;
    let second = stack.demo().await;
    let third = stack.demo().await;
    assert_eq!(
        stack
            .send(stack.request(http::Method::POST, "/auth/logout").bearer_auth(&first.access))
            .await
            .expect(204),
        Value::Null
    );
    stack.post("/auth/logout", Some(&first), &json!({})).await.problem(401, "invalid_token");
    stack.post("/auth/logout", Some(&second), &json!({"all": true})).await.expect(204);
    stack.post("/auth/logout", Some(&third), &json!({})).await.problem(401, "invalid_token");
    // A route that trusts the token for its lifetime still answers.
    stack.get("/auth/me", Some(&first)).await.expect(200);
}

#[tokio::test]
async fn a_limit_refuses_says_when_and_counts_by_address_and_identifier() {
    let stack = TestStack::with(&[("RateLimits", "login=3/1m,*=100000/1m")]).await;
    let body = json!({"username": "demo", "password": "wrong"});
    for _ in 0..3 {
        stack.post("/auth/login", None, &body).await.problem(401, "invalid_credentials");
    }
    let refused = stack
        .post("/auth/login", None, &json!({"username": "DEMO", "password": "SecureDemo123!"}))
        .await;
    refused.problem(429, "rate_limited");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=65).contains(&wait), "{refused:?}");
    assert_eq!(
        refused.header("ratelimit-policy"),
        "\"login\";q=3;w=60, \"login_lock\";q=5;w=60, \"login_address\";q=100000;w=60"
    );
    assert!(refused.header("ratelimit").starts_with("\"login\";r=0;t="), "{refused:?}");
    // Another identifier and another address are not limited, and their headers show their own
    // state.
    let other = stack
        .post("/auth/login", None, &json!({"username": "admin", "password": "SecureAdmin123!"}))
        .await;
    assert!(other.header("ratelimit").starts_with("\"login\";r=2;t="), "{other:?}");
    let elsewhere = stack.from_address([127, 0, 0, 7]);
    elsewhere.login("demo", "SecureDemo123!").await;
    // A form with a mistake does not count.
    for _ in 0..5 {
        stack
            .post("/auth/login", None, &json!({"username": "fresh"}))
            .await
            .invalid(&["/password"]);
    }
    let fresh =
        stack.post("/auth/login", None, &json!({"username": "fresh", "password": "x"})).await;
    fresh.problem(401, "invalid_credentials");
}

#[tokio::test]
async fn addresses_that_only_look_alike_are_refused_and_a_domain_has_one_form() {
    let stack = TestStack::with(&[("RateLimits", "*=100000/1m")]).await;
    let register = async |username: &str, email: &str| {
        let body = json!({"username": username, "email": email, "password": PASSWORD});
        stack.post("/auth/register", None, &body).await
    };
    for email in [
        "\u{212a}im@example.com",
        "kim@\u{212a}iwi.example",
        "müller@example.com",
        "kim@bu\u{308}cher.example",
    ] {
        register("kim", email).await.invalid(&["/email"]);
        stack
            .post("/auth/password/forgot", None, &json!({"email": email}))
            .await
            .invalid(&["/email"]);
    }
    let made = register("kim", "Kim@BÜCHER.example").await.expect(201);
    assert_eq!(made["user"]["email"], "Kim@xn--bcher-kva.example");
    for taken in ["kim@bücher.example", "KIM@xn--bcher-kva.example"] {
        register("other", taken).await.problem(409, "account_exists");
        stack.login(taken, PASSWORD).await;
    }
    stack.mailed_token("/auth/password/forgot", "Kim@xn--bcher-kva.example").await;
}

#[tokio::test]
async fn a_new_password_that_may_not_be_says_nothing_of_the_current_one() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let new = format!("Aa1!{}", caller.username);
    for current in [PASSWORD, "Wrong-Horse-9"] {
        let change = json!({"current_password": current, "new_password": new});
        stack.post("/auth/password", Some(&caller), &change).await.invalid(&["/new_password"]);
    }
    assert_eq!(stack.events(&stack.admin().await, "auth.password_changed").await.len(), 0);
}

#[tokio::test]
async fn names_do_not_use_up_what_limits_passwords() {
    let stack = TestStack::with(&[("RateLimits", "account=1/1h,*=100000/1m")]).await;
    let caller = stack.someone().await;
    for name in ["Anna", "Berta", "Clara"] {
        stack
            .call(Method::PATCH, "/auth/me", &caller, &json!({"full_name": name}))
            .await
            .expect(200);
    }
    let change = json!({"current_password": "Wrong-Horse-9", "email": "x@example.com"});
    stack
        .call(Method::PATCH, "/auth/me", &caller, &change)
        .await
        .problem(401, "invalid_credentials");
    stack.call(Method::PATCH, "/auth/me", &caller, &change).await.problem(429, "rate_limited");
}

//! Accounts with a password that are linked to a person of the provider, and people whose address
//! is the login of such an account.

use std::time::Duration;

use futures_util::join;
use http::Method;
use serde_json::{Value, json};
use tally_tests::fake_tenant::{FakeTenant, Person, TENANT};
use tally_tests::{Answer, Caller, TestStack, id};

use super::{by_token, caller_of, has_token, me, refresh, session_of, sign_ins, stored};

const PASSWORD: &str = "Correct-Horse-9";

async fn link(stack: &TestStack, caller: &Caller, token: &str) -> Answer {
    let body = json!({"token": token, "current_password": PASSWORD});
    stack.post("/auth/sso/link", Some(caller), &body).await
}

async fn login(stack: &TestStack, caller: &Caller) -> Answer {
    let credentials = json!({"username": caller.username, "password": PASSWORD});
    stack.post("/auth/login", None, &credentials).await
}

/// A new account with a password, and a person with its address.
async fn someone(stack: &TestStack) -> (Caller, Person) {
    let caller = stack.someone().await;
    let email = format!("{}@example.com", caller.username);
    (caller, Person::new("Anna Berg").with_email(Some(&email)))
}

/// The events of links, oldest first.
async fn links(stack: &TestStack) -> Vec<Value> {
    stack.events(&stack.admin().await, "account.linked").await
}

#[tokio::test]
async fn an_account_is_linked_and_its_password_ends() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let (caller, person) = someone(&stack).await;
    let email = person.email.clone().unwrap();
    let other = stack.login(&caller.username, PASSWORD).await;
    let mut socket = stack.connect(&other).await;
    let mailed = stack.mailed_token("/auth/password/forgot", &email).await;
    let token = tenant.token(&person);

    // Nothing is linked by an address alone.
    by_token(&stack, &token).await.problem(409, "link_required");
    let refused = sign_ins(&stack).await.pop().unwrap();
    assert_eq!(
        (&refused["outcome"], &refused["detail"]["reason"]),
        (&json!("failure"), &json!("link_required"))
    );
    let wrong = json!({"token": token, "current_password": "Wrong-Horse-9"});
    stack.post("/auth/sso/link", Some(&caller), &wrong).await.problem(401, "invalid_credentials");
    login(&stack, &caller).await.expect(200);

    let before = me(&stack, &caller).await;
    let answer = link(&stack, &caller, &token).await.expect(200);
    let mut expected = before.clone();
    expected["sign_in"] = "sso".into();
    expected["full_name"] = "Anna Berg".into();
    assert_eq!(answer, json!({"user": expected}));
    assert_eq!(me(&stack, &caller).await, expected);

    // The caller's session goes on, but no longer than one by single sign-on.
    let session = session_of(&stack, &caller).await;
    let now = stack.platform("SsoFunction").clock.now().as_second();
    let ends_at = session.ends_at.unwrap();
    assert!((ends_at - now - 28_800).abs() < 60 && session.expires_at == ends_at, "{ends_at}");
    assert_eq!(stored(&stack, &caller).await.sessions[&session.id], ends_at);
    let caller = Caller {
        username: caller.username.clone(),
        ..caller_of(&refresh(&stack, &caller).await.expect(200))
    };
    assert_eq!(session_of(&stack, &caller).await.expires_at, ends_at);
    // Everything else that came from the password has ended.
    refresh(&stack, &other).await.problem(401, "invalid_refresh_token");
    assert_eq!(socket.next().await, None);
    login(&stack, &caller).await.problem(401, "invalid_credentials");
    let reset = json!({"token": mailed, "new_password": "Another-Horse-9"});
    stack.post("/auth/password/reset", None, &reset).await.problem(401, "invalid_token");
    let mails = stack.local.outbox().mails().len();
    stack.post("/auth/password/forgot", None, &json!({"email": email})).await.expect(202);
    stack.mailed_token("/auth/password/forgot", "demo@example.com").await;
    assert_eq!(stack.local.outbox().mails().len(), mails + 1);

    let by_sso = me(&stack, &stack.sso(&tenant, &person).await).await;
    assert_eq!(by_sso, expected);
    link(&stack, &caller, &token).await.problem(409, "managed_by_sso");
    let events = links(&stack).await;
    let [wrong, linked, again] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&wrong["outcome"], &again["outcome"]), (&json!("failure"), &json!("failure")));
    assert_eq!(
        (&linked["outcome"], &linked["resource"], &linked["actor"]["user_id"]),
        (&json!("success"), &json!(format!("user:{}", id(&before))), &before["id"])
    );
    assert_eq!(linked["detail"]["ended_sessions"].as_array().unwrap().len(), 2);
    assert_eq!(linked["detail"]["tenant"], TENANT);
    assert!(events.iter().all(|event| !has_token(event)), "{events:?}");
}

#[tokio::test]
async fn a_person_may_begin_another_account_without_the_address() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let (caller, person) = someone(&stack).await;
    let token = tenant.token(&person);
    let body = json!({"token": token, "new_account": true});
    let new = caller_of(&stack.post("/auth/sso", None, &body).await.expect(200));
    let user = me(&stack, &new).await;
    assert_eq!((&user["email"], &user["username"]), (&Value::Null, &json!("anna_berg")));
    // It stays so, and the address stays the login of its owner.
    let again = me(&stack, &stack.sso(&tenant, &person).await).await;
    assert_eq!(again, user);
    stack.login(person.email.as_deref().unwrap(), PASSWORD).await;
    link(&stack, &caller, &token).await.problem(409, "conflict");
    login(&stack, &caller).await.expect(200);
    assert_eq!(links(&stack).await.pop().unwrap()["outcome"], "failure");
}

#[tokio::test]
async fn an_address_that_is_not_verified_bars_no_sign_in() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[("EmailVerification", "on")]).await;
    let body = json!({
        "username": "squatter", "email": "anna.berg@contoso.example", "password": PASSWORD,
    });
    stack.post("/auth/register", None, &body).await.expect(201);
    let caller = stack.sso(&tenant, &Person::new("Anna Berg")).await;
    assert_eq!(me(&stack, &caller).await["email"], "anna.berg@contoso.example");
}

#[tokio::test]
async fn a_link_gives_the_roles_of_the_provider_or_changes_nothing() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[("SsoAdminAuthContext", "c1")]).await;
    let (caller, person) = someone(&stack).await;
    let person = person.with_email(None);
    let sent = |roles: &[&str]| tenant.token(&person.clone().with_roles(roles));
    link(&stack, &caller, &sent(&[])).await.problem(403, "sso_no_role");
    link(&stack, &caller, &sent(&["Tally.Admin"])).await.problem(401, "step_up_required");
    link(&stack, &caller, "no token").await.problem(401, "invalid_sso_token");
    assert_eq!(me(&stack, &caller).await["sign_in"], "password");
    let reasons: Vec<_> = links(&stack)
        .await
        .iter()
        .map(|event| event["detail"]["reason"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(reasons, ["no_role", "step_up_required", "signature"]);
    login(&stack, &caller).await.expect(200);

    let mut claims = tenant.claims(&person.clone().with_roles(&["Tally.Admin"]));
    claims["acrs"] = json!(["c1"]);
    let answer = link(&stack, &caller, &tenant.sign(&claims)).await.expect(200);
    // The provider gives no address, so the account shows none.
    assert_eq!(
        (&answer["user"]["roles"], &answer["user"]["email"]),
        (&json!(["user", "admin"]), &Value::Null)
    );
    stack.get("/users", Some(&caller)).await.expect(200);
    let event = stack.events(&stack.admin().await, "user.updated").await.pop().unwrap();
    assert_eq!(event["detail"]["roles"], json!(["user", "admin"]));
}

#[tokio::test]
async fn a_link_leaves_the_last_administrator() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let admin = stack.admin().await;
    let body = |person: &Person| json!({"token": tenant.token(person), "current_password": "SecureAdmin123!"});
    let sent =
        async |person: &Person| stack.post("/auth/sso/link", Some(&admin), &body(person)).await;
    let person = Person::new("Anna");
    sent(&person).await.problem(409, "last_admin");
    stack.get("/users", Some(&admin)).await.expect(200);
    // With another one, the role may go.
    let second = stack.sso(&tenant, &Person::new("Berta").with_roles(&["Tally.Admin"])).await;
    let user = sent(&person).await.expect(200)["user"].clone();
    assert_eq!(user["roles"], json!(["user"]));
    stack.get("/users", Some(&admin)).await.problem(403, "forbidden");
    // The second one is the last now, and stays.
    let path = format!("/users/{}", id(&me(&stack, &second).await));
    stack
        .call(Method::PATCH, &path, &second, &json!({"is_active": false}))
        .await
        .problem(409, "last_admin");
}

#[tokio::test]
async fn a_link_that_races_the_first_sign_in_leaves_one_account() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    for _ in 0..4 {
        let caller = stack.someone().await;
        let user_id = me(&stack, &caller).await["id"].clone();
        let person = Person::new("Racer").with_email(None);
        let token = tenant.token(&person);
        let (linked, signed_in) = join!(link(&stack, &caller, &token), by_token(&stack, &token));
        let signed_in = me(&stack, &caller_of(&signed_in.expect(200))).await["id"].clone();
        if linked.status == 200 {
            assert_eq!(signed_in, user_id);
        } else {
            linked.problem(409, "conflict");
            assert_ne!(signed_in, user_id);
            login(&stack, &caller).await.expect(200);
        }
        assert_eq!(me(&stack, &stack.sso(&tenant, &person).await).await["id"], signed_in);
    }
}

#[tokio::test]
async fn a_link_that_races_refreshes_leaves_no_session_beyond_its_end() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[("SsoSessionSeconds", "900")]).await;
    for _ in 0..4 {
        let caller = stack.someone().await;
        let token = tenant.token(&Person::new("Racer").with_email(None));
        let (linked, refreshed) = join!(link(&stack, &caller, &token), refresh(&stack, &caller));
        linked.expect(200);
        let caller = caller_of(&refreshed.expect(200));
        let session = session_of(&stack, &caller).await;
        let now = stack.platform("SsoFunction").clock.now();
        assert!(session.ends_at.is_some_and(|end| end <= now.as_second() + 900));
        let later = now + Duration::from_secs(901);
        assert!(session.is_live(now) && !session.is_live(later));
    }
}

//! What the identity provider manages is not changed here, and what it cannot know is.

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tally_accounts::domain::Purpose;
use tally_accounts::store::{MailToken, MailTokens};
use tally_tests::TestStack;
use tally_tests::fake_tenant::{FakeTenant, Person, TENANT};

use super::accounts::{found_by, key_of, with_key};
use crate::audit::erasure::{
    assert_erased, confirm_erasure, finish, own_id, request_erasure, second_admin,
};
use crate::users::{patch, walk};

const PASSWORD: &str = "Correct-Horse-9";

#[tokio::test]
async fn what_the_provider_manages_is_not_changed_here() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let admin = stack.admin().await;
    let caller = stack.sso(&tenant, &Person::new("Anna Berg")).await;
    let user = stack.get("/auth/me", Some(&caller)).await.expect(200)["user"].clone();
    let user_id = own_id(&stack, &caller).await;
    let own = format!("/users/{user_id}");
    let address = json!({"email": "anna@example.com", "current_password": PASSWORD});
    let password = json!({"current_password": PASSWORD, "new_password": "Another-Horse-9"});
    for (method, path, caller, body) in [
        (Method::PATCH, "/auth/me", &caller, address),
        (Method::DELETE, "/auth/me", &caller, json!({"current_password": PASSWORD})),
        (Method::POST, "/auth/password", &caller, password),
        (Method::PATCH, own.as_str(), &admin, json!({"roles": ["auditor"]})),
        (Method::PATCH, own.as_str(), &admin, json!({"roles": ["user"], "is_active": false})),
    ] {
        let answer = stack.call(method, path, caller, &body).await;
        answer.problem(409, "managed_by_sso");
    }
    assert_eq!(stack.get("/auth/me", Some(&caller)).await.expect(200)["user"], user);
    let event = stack.events(&admin, "user.updated").await.pop().unwrap();
    assert_eq!(
        (&event["outcome"], &event["resource"]),
        (&json!("failure"), &json!(format!("user:{user_id}")))
    );

    let name = json!({"full_name": "Anna B."});
    let named = stack.call(Method::PATCH, "/auth/me", &caller, &name).await.expect(200);
    assert_eq!(named["user"]["full_name"], "Anna B.");
    patch(&stack, &admin, &user_id, &json!({"is_active": false})).await.expect(200);
    stack.get("/auth/sessions", Some(&caller)).await.problem(401, "invalid_token");
    patch(&stack, &admin, &user_id, &json!({"is_active": true})).await.expect(200);
}

#[tokio::test]
async fn no_mail_opens_an_account_with_single_sign_on() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let person = Person::new("Anna Berg");
    let email = person.email.clone().unwrap();
    let user_id = own_id(&stack, &stack.sso(&tenant, &person).await).await;
    let number = stack.local.outbox().mails().len();
    for path in ["/auth/password/forgot", "/auth/email/resend"] {
        stack.post(path, None, &json!({"email": email})).await.expect(202);
    }
    while !stack.items("ErrandsTable").await.is_empty() {}
    assert_eq!(stack.local.outbox().mails().len(), number);
    assert!(stack.items("MailTokensTable").await.is_empty());

    // These were on their way when the account was linked.
    let platform = stack.platform("AccountFunction");
    let tokens = MailTokens::new(&platform).unwrap();
    let mut sent = Vec::new();
    for purpose in Purpose::ALL {
        let token = format!("{user_id}.{}", platform::ids::new_secret::<32>());
        let kept = MailToken {
            user_id: user_id.clone(),
            email: email.clone(),
            token_hash: platform::ids::sha256(&token),
            expires_at: platform.clock.now().as_second() + 60,
        };
        let issue = tokens.issue(purpose, kept).unwrap();
        platform.database().unwrap().commit(vec![issue]).await.unwrap();
        sent.push(token);
    }
    for (path, body) in [
        ("/auth/password/reset", json!({"token": sent[0], "new_password": PASSWORD})),
        ("/auth/email/verify", json!({"token": sent[1]})),
    ] {
        stack.post(path, None, &body).await.problem(401, "invalid_token");
    }
}

#[tokio::test]
async fn an_address_of_the_provider_is_no_login_in_any_spelling() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let admin = stack.admin().await;
    let person = Person::new("Anna Berg");
    let email = person.email.clone().unwrap();
    let user_id = own_id(&stack, &stack.sso(&tenant, &person).await).await;
    for identifier in [email.clone(), email.to_uppercase(), format!("{email}#{user_id}")] {
        let body = json!({"username": identifier, "password": PASSWORD});
        stack.post("/auth/login", None, &body).await.problem(401, "invalid_credentials");
        let event = stack.events(&admin, "auth.login").await.pop().unwrap();
        assert_eq!((&event["outcome"], event.get("resource")), (&json!("failure"), None));
    }
    // A stranger may register it, and has an account of their own.
    let body = json!({"username": "holder", "email": email, "password": PASSWORD});
    stack.post("/auth/register", None, &body).await.expect(201);
    let holder = stack.login(&email, PASSWORD).await;
    assert_ne!(own_id(&stack, &holder).await, user_id);
    assert_eq!(own_id(&stack, &stack.sso(&tenant, &person).await).await, user_id);
}

#[tokio::test]
async fn keys_wait_for_the_next_sign_in_of_their_owner() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let person = Person::new("Anna Berg");
    let caller = stack.sso(&tenant, &person).await;
    let key = key_of(&stack, &caller).await;
    with_key(&stack, &key).await.expect(200);
    let listed = stack.get("/api-keys", Some(&caller)).await.expect(200)["items"].clone();
    assert_eq!(listed[0]["id"], key["id"]);
    assert!(listed[0]["sign_in_by"].as_str().unwrap() > listed[0]["created_at"].as_str().unwrap());

    // The owner's last sign-in was long ago.
    let own = format!("user#{}", own_id(&stack, &caller).await);
    let items = stack.items("UsersTable").await;
    let mut item = items.into_iter().find(|item| item["key"]["S"] == own.as_str()).unwrap();
    item["sso"]["M"]["keys_until"] = json!({"N": "1"});
    stack.put_item("UsersTable", &item).await;
    let refused = with_key(&stack, &key).await.problem(401, "invalid_token");
    assert!(refused["detail"].as_str().unwrap().contains("sign in by the identity provider"));
    let listed = stack.get("/api-keys", Some(&caller)).await.expect(200)["items"].clone();
    assert_eq!(
        (&listed[0]["id"], &listed[0]["sign_in_by"]),
        (&key["id"], &json!("1970-01-01T00:00:00.001Z"))
    );
    stack.sso(&tenant, &person).await;
    with_key(&stack, &key).await.expect(200);

    let with_password = stack.someone().await;
    key_of(&stack, &with_password).await;
    let listed = stack.get("/api-keys", Some(&with_password)).await.expect(200)["items"].clone();
    assert_eq!(listed[0]["sign_in_by"], Value::Null);
}

#[tokio::test]
async fn accounts_are_found_by_the_address_that_the_provider_says() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let admin = stack.admin().await;
    let mut names = Vec::new();
    for name in ["Cara One", "Carl Two", "Emil Three"] {
        let person = Person::new(name).with_email(Some("Group.Box@contoso.example"));
        let caller = stack.sso(&tenant, &person).await;
        let user = stack.get("/auth/me", Some(&caller)).await.expect(200)["user"].clone();
        names.push(user["username"].as_str().unwrap().to_owned());
    }
    stack.sso(&tenant, &Person::new("No Address").with_email(None)).await;
    let holder = json!({
        "username": "group_holder", "email": "group.box@contoso.example", "password": PASSWORD,
    });
    stack.post("/auth/register", None, &holder).await.expect(201);

    // The login stands first, then the accounts as they were made.
    let all = [vec!["group_holder".to_owned()], names.clone()].concat();
    for (filters, expected) in [
        ("query=group.box", &all[..]),
        ("query=GROUP.box%40contoso.example", &all),
        ("query=group.box%40contoso.example%23", &names),
        ("query=group.box&role=user&is_active=true", &all),
        // An account that its username has found is not listed again by its address.
        ("query=group", &all),
        ("query=group.box%40contoso.exampleX", &[]),
    ] {
        for limit in [1, 2, 20] {
            assert_eq!(
                walk(&stack, &admin, filters, limit).await,
                expected,
                "{filters} by {limit}"
            );
        }
    }
}

#[tokio::test]
async fn an_erased_person_leaves_no_claim_and_begins_anew() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let first = stack.admin().await;
    let second = second_admin(&stack, &first).await;
    let person = Person::new("Hunted Person");
    let caller = stack.sso(&tenant, &person).await;
    let user_id = own_id(&stack, &caller).await;
    key_of(&stack, &caller).await;
    assert_eq!(found_by(&stack, &user_id).await.len(), 3);

    request_erasure(&stack, &first, &user_id).await.expect(202);
    confirm_erasure(&stack, &second, &user_id).await.expect(202);
    finish(&stack, &user_id).await;
    assert_erased(&stack, &user_id, &[person.email.as_deref().unwrap(), &person.object]).await;
    stack.get("/auth/sessions", Some(&caller)).await.problem(401, "invalid_token");
    // The person has a role at the provider still.
    let anew = own_id(&stack, &stack.sso(&tenant, &person).await).await;
    assert_ne!(anew, user_id);
    assert_eq!(found_by(&stack, &anew).await.len(), 3);
}

#[tokio::test]
async fn a_password_change_that_meets_a_binding_leaves_no_password() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let admin = stack.admin().await;
    for round in 0..5 {
        let caller = stack.someone().await;
        let user_id = own_id(&stack, &caller).await;
        let person = Person::new(&format!("Person {round}"));
        let body = json!({"tenant": TENANT, "subject": person.object});
        let path = format!("/users/{user_id}/sso");
        let change = json!({"current_password": PASSWORD, "new_password": "Another-Horse-9"});
        let answers = join_all([
            stack.call(Method::PUT, &path, &admin, &body),
            stack.call(Method::POST, "/auth/password", &caller, &change),
        ])
        .await;
        answers[0].expect(200);
        // The change came first, or the session had ended, or it saw what the account is now.
        assert!([204, 401, 409].contains(&answers[1].status), "{:?}", answers[1]);
        for password in [PASSWORD, "Another-Horse-9"] {
            let body = json!({"username": caller.username, "password": password});
            stack.post("/auth/login", None, &body).await.problem(401, "invalid_credentials");
        }
        assert_eq!(own_id(&stack, &stack.sso(&tenant, &person).await).await, user_id);
    }
}

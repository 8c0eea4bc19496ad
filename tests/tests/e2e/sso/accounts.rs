//! Accounts that an administrator binds to a person of the identity provider, or frees.

use std::time::Duration;

use futures_util::future::{join, join_all};
use http::Method;
use platform::domain::SsoIdentity;
use platform::store::Users;
use serde_json::{Value, json};
use tally_tests::fake_tenant::{FakeTenant, Person, TENANT};
use tally_tests::{Answer, Caller, TestStack};

use crate::api_keys::new_key;
use crate::audit::erasure::{own_id, second_admin};
use crate::round_trips;
use crate::users::patch;

const PASSWORD: &str = "Correct-Horse-9";

/// Binds an account to a person.
async fn bind(stack: &TestStack, admin: &Caller, user_id: &str, person: &Person) -> Answer {
    let body = json!({"tenant": TENANT, "subject": person.object});
    stack.call(Method::PUT, &format!("/users/{user_id}/sso"), admin, &body).await
}

/// Frees an account.
async fn free(stack: &TestStack, admin: &Caller, user_id: &str) -> Answer {
    stack.delete(&format!("/users/{user_id}/sso"), Some(admin)).await
}

/// The account as administrators see it.
async fn account(stack: &TestStack, admin: &Caller, user_id: &str) -> Value {
    stack.get(&format!("/users/{user_id}"), Some(admin)).await.expect(200)
}

/// The keys of the items by which an account is found. The identity has no fingerprint here.
pub async fn found_by(stack: &TestStack, user_id: &str) -> Vec<String> {
    let items = stack.items("UsersTable").await;
    let own = items.iter().filter(|item| item["user_id"]["S"] == user_id);
    let keys = own.map(|item| item["key"]["S"].as_str().unwrap());
    let mut keys: Vec<_> =
        keys.map(|key| if key.starts_with("sso#") { "sso#" } else { key }.to_owned()).collect();
    keys.sort_unstable();
    keys
}

/// A new API key, which is for profits.
pub async fn key_of(stack: &TestStack, owner: &Caller) -> Value {
    let new = new_key(&["profits:read"], Duration::from_hours(1));
    stack.post("/api-keys", Some(owner), &new).await.expect(201)
}

/// A request with an API key.
pub async fn with_key(stack: &TestStack, key: &Value) -> Answer {
    let request = stack.request(Method::GET, "/profits");
    stack.send(request.header("x-api-key", key["key"].as_str().unwrap())).await
}

async fn sign_in(stack: &TestStack, identifier: &str, password: &str) -> Answer {
    stack.post("/auth/login", None, &json!({"username": identifier, "password": password})).await
}

async fn reset(stack: &TestStack, token: &str, password: &str) -> Answer {
    let body = json!({"token": token, "new_password": password});
    stack.post("/auth/password/reset", None, &body).await
}

fn email_of(person: &Person) -> &str {
    person.email.as_deref().unwrap()
}

#[tokio::test]
async fn a_bound_account_is_entered_by_the_person_and_no_longer_by_the_password() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let admin = stack.admin().await;
    let caller = stack.someone().await;
    let user_id = own_id(&stack, &caller).await;
    let email = format!("{}@example.com", caller.username);
    let name = format!("name#{}", caller.username);
    let key = key_of(&stack, &caller).await;
    let token = stack.mailed_token("/auth/password/forgot", &email).await;
    let mut socket = stack.connect(&caller).await;
    let person = Person::new("Anna Berg");

    let user = bind(&stack, &admin, &user_id, &person).await.expect(200)["user"].clone();
    assert_eq!(
        (&user["id"], &user["sign_in"], &user["email"], &user["roles"]),
        (&json!(user_id), &json!("sso"), &json!(email), &json!(["user"]))
    );
    assert_eq!(account(&stack, &admin, &user_id).await, user);
    let shown = format!("email#{email}#{user_id}");
    assert_eq!(found_by(&stack, &user_id).await, [shown.as_str(), name.as_str(), "sso#"]);
    assert_eq!(socket.next().await, None);
    stack.get("/auth/sessions", Some(&caller)).await.problem(401, "invalid_token");
    let spend = json!({"refresh_token": caller.refresh});
    stack.post("/auth/refresh", None, &spend).await.problem(401, "invalid_refresh_token");
    with_key(&stack, &key).await.problem(401, "invalid_token");
    reset(&stack, &token, "Another-Horse-9").await.problem(401, "invalid_token");
    for identifier in [&caller.username, &email, &format!("{email}#{user_id}")] {
        sign_in(&stack, identifier, PASSWORD).await.problem(401, "invalid_credentials");
    }
    let event = stack.events(&admin, "account.linked").await.pop().unwrap();
    assert_eq!(
        (&event["outcome"], &event["resource"], &event["actor"]["username"]),
        (&json!("success"), &json!(format!("user:{user_id}")), &json!("admin"))
    );
    assert_eq!(event["detail"]["tenant"], TENANT);
    assert_eq!(event["detail"]["ended_sessions"].as_array().unwrap().len(), 1);
    assert_eq!(event["detail"]["ended_api_keys"], json!([]));

    // The account keeps its username, and takes the name and the address of the person.
    let owner = stack.sso(&tenant, &person).await;
    let user = stack.get("/auth/me", Some(&owner)).await.expect(200)["user"].clone();
    assert_eq!(
        (&user["id"], &user["username"], &user["full_name"], &user["email"]),
        (&json!(user_id), &json!(caller.username), &json!("Anna Berg"), &json!(person.email))
    );
    let shown = format!("email#{}#{user_id}", email_of(&person));
    assert_eq!(found_by(&stack, &user_id).await, [shown.as_str(), name.as_str(), "sso#"]);
    with_key(&stack, &key).await.expect(200);
    let sessions = stack.get("/auth/sessions", Some(&owner)).await.expect(200);
    assert_eq!(sessions["items"].as_array().unwrap().len(), 1);
    assert_eq!(sessions["items"][0]["current"], true);
}

#[tokio::test]
async fn another_binding_ends_what_the_first_person_has_and_a_repeated_one_nothing() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let admin = stack.admin().await;
    let (first, second) = (Person::new("First Person"), Person::new("Second Person"));
    let caller = stack.sso(&tenant, &first).await;
    let user_id = own_id(&stack, &caller).await;
    let key = key_of(&stack, &caller).await;

    bind(&stack, &admin, &user_id, &first).await.expect(200);
    stack.get("/auth/sessions", Some(&caller)).await.expect(200);
    with_key(&stack, &key).await.expect(200);

    bind(&stack, &admin, &user_id, &second).await.expect(200);
    stack.get("/auth/sessions", Some(&caller)).await.problem(401, "invalid_token");
    let heir = stack.sso(&tenant, &second).await;
    assert_eq!(own_id(&stack, &heir).await, user_id);
    // The first person made the key, and may have it still.
    with_key(&stack, &key).await.problem(401, "invalid_token");
    assert_eq!(stack.get("/api-keys", Some(&heir)).await.expect(200)["items"], json!([]));
    // To the first person this deployment is new.
    let anew = stack.sso(&tenant, &first).await;
    assert_ne!(own_id(&stack, &anew).await, user_id);

    let details = stack.events(&admin, "account.linked").await.into_iter();
    let details: Vec<_> = details.map(|event| event["detail"].clone()).collect();
    assert_eq!(details.len(), 2);
    assert_eq!(details[0]["ended_sessions"], json!([]));
    assert_eq!(details[1]["ended_sessions"].as_array().unwrap().len(), 1);
    assert_eq!(details[1]["ended_api_keys"], json!([key["id"]]));
    assert_eq!(details[1]["identity_before"], details[0]["identity"]);
}

#[tokio::test]
async fn a_person_owns_one_account() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let admin = stack.admin().await;
    let person = Person::new("Wanted Person");
    let (mut callers, mut ids) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        callers.push(stack.someone().await);
        ids.push(own_id(&stack, callers.last().unwrap()).await);
    }
    let answers = join_all(ids.iter().map(|id| bind(&stack, &admin, id, &person))).await;
    let bound: Vec<_> = (0..4).filter(|place| answers[*place].status == 200).collect();
    assert_eq!(bound.len(), 1, "{answers:?}");
    assert_eq!(own_id(&stack, &stack.sso(&tenant, &person).await).await, ids[bound[0]]);
    // The accounts that were refused are as before.
    for place in (0..4).filter(|place| *place != bound[0]) {
        answers[place].problem(409, "conflict");
        stack.get("/auth/sessions", Some(&callers[place])).await.expect(200);
        sign_in(&stack, &callers[place].username, PASSWORD).await.expect(200);
    }
    // A person who signs in for the first time owns a new account.
    let settled = Person::new("Settled Person");
    stack.sso(&tenant, &settled).await;
    let other = &ids[(bound[0] + 1) % 4];
    bind(&stack, &admin, other, &settled).await.problem(409, "conflict");
    let event = stack.events(&admin, "account.linked").await.pop().unwrap();
    assert_eq!(
        (&event["outcome"], &event["resource"]),
        (&json!("failure"), &json!(format!("user:{other}")))
    );
}

#[tokio::test]
async fn of_two_changes_at_once_each_is_whole() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let admin = stack.admin().await;
    let second = second_admin(&stack, &admin).await;
    let caller = stack.someone().await;
    let user_id = own_id(&stack, &caller).await;
    let email = format!("email#{}@example.com", caller.username);
    let name = format!("name#{}", caller.username);
    let shown = format!("{email}#{user_id}");
    let people = [Person::new("One Person"), Person::new("Other Person")];
    for _ in 0..5 {
        let (one, other) = join(
            bind(&stack, &admin, &user_id, &people[0]),
            bind(&stack, &second, &user_id, &people[1]),
        )
        .await;
        one.expect(200);
        other.expect(200);
        assert_eq!(found_by(&stack, &user_id).await, [shown.as_str(), name.as_str(), "sso#"]);

        let (freed, bound) =
            join(free(&stack, &admin, &user_id), bind(&stack, &second, &user_id, &people[0])).await;
        freed.expect(204);
        bound.expect(200);
        let user = account(&stack, &admin, &user_id).await;
        let found = found_by(&stack, &user_id).await;
        if user["sign_in"] == "sso" {
            assert_eq!(found, [shown.as_str(), name.as_str(), "sso#"]);
        } else {
            assert_eq!(found, [email.as_str(), name.as_str()]);
        }
    }
}

#[tokio::test]
async fn the_owner_of_a_freed_account_sets_a_password_by_mail() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let admin = stack.admin().await;
    let person = Person::new("Anna Berg");
    let caller = stack.sso(&tenant, &person).await;
    let user_id = own_id(&stack, &caller).await;
    let key = key_of(&stack, &caller).await;
    with_key(&stack, &key).await.expect(200);

    free(&stack, &admin, &user_id).await.expect(204);
    stack.get("/auth/sessions", Some(&caller)).await.problem(401, "invalid_token");
    with_key(&stack, &key).await.problem(401, "invalid_token");
    let user = account(&stack, &admin, &user_id).await;
    assert_eq!(
        (&user["sign_in"], &user["email"], &user["unverified_email"]),
        (&json!("password"), &json!(person.email), &json!(person.email))
    );
    let event = stack.events(&admin, "account.unlinked").await.pop().unwrap();
    assert_eq!(event["resource"], format!("user:{user_id}"));
    assert_eq!(
        (&event["detail"]["keeps_address"], &event["detail"]["ended_api_keys"]),
        (&json!(true), &json!([key["id"]]))
    );
    free(&stack, &admin, &user_id).await.problem(404, "not_found");

    // No password opens it before that.
    sign_in(&stack, email_of(&person), PASSWORD).await.problem(401, "invalid_credentials");
    let token = stack.mailed_token("/auth/password/forgot", email_of(&person)).await;
    reset(&stack, &token, PASSWORD).await.expect(204);
    sign_in(&stack, email_of(&person), PASSWORD).await.expect(200);
    let owner = stack.login(user["username"].as_str().unwrap(), PASSWORD).await;
    let user = stack.get("/auth/me", Some(&owner)).await.expect(200)["user"].clone();
    assert_eq!((&user["id"], user.get("unverified_email")), (&json!(user_id), None));
    with_key(&stack, &key).await.problem(401, "invalid_token");
    // To the provider's person the account is a stranger's with the same address.
    let token = json!({"token": tenant.token(&person)});
    stack.post("/auth/sso", None, &token).await.problem(409, "link_required");
}

#[tokio::test]
async fn a_freed_account_gives_up_an_address_that_another_one_has() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let admin = stack.admin().await;
    let person = Person::new("Shared Box");
    let user_id = own_id(&stack, &stack.sso(&tenant, &person).await).await;
    // Nothing has verified the address, so another account may claim it.
    let body = json!({"username": "holder", "email": person.email, "password": PASSWORD});
    stack.post("/auth/register", None, &body).await.expect(201);

    free(&stack, &admin, &user_id).await.expect(204);
    let user = account(&stack, &admin, &user_id).await;
    assert_eq!(
        (&user["sign_in"], &user["email"], user.get("unverified_email")),
        (&json!("password"), &Value::Null, None)
    );
    let name = format!("name#{}", user["username"].as_str().unwrap().to_lowercase());
    assert_eq!(found_by(&stack, &user_id).await, [name]);
    let event = stack.events(&admin, "account.unlinked").await.pop().unwrap();
    assert_eq!(event["detail"]["keeps_address"], false);
    // The mail is about the account that has the address.
    let token = stack.mailed_token("/auth/password/forgot", email_of(&person)).await;
    reset(&stack, &token, "Another-Horse-9").await.expect(204);
    stack.login("holder", "Another-Horse-9").await;
    // An administrator can let the owner in again.
    bind(&stack, &admin, &user_id, &person).await.expect(200);
    assert_eq!(own_id(&stack, &stack.sso(&tenant, &person).await).await, user_id);
}

#[tokio::test]
async fn the_last_administrator_is_neither_bound_nor_freed() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let admin = stack.admin().await;
    let own = own_id(&stack, &admin).await;
    let boss = Person::new("The Boss").with_roles(&["Tally.Admin"]);
    bind(&stack, &admin, &own, &boss).await.problem(409, "last_admin");
    stack.get("/auth/sessions", Some(&admin)).await.expect(200);
    let event = stack.events(&admin, "account.linked").await.pop().unwrap();
    assert_eq!(
        (&event["outcome"], &event["resource"]),
        (&json!("failure"), &json!(format!("user:{own}")))
    );

    let second = second_admin(&stack, &admin).await;
    bind(&stack, &second, &own, &boss).await.expect(200);
    let boss = stack.sso(&tenant, &boss).await;
    assert_eq!(own_id(&stack, &boss).await, own);
    let no_admin = json!({"roles": []});
    patch(&stack, &boss, &own_id(&stack, &second).await, &no_admin).await.expect(200);
    free(&stack, &boss, &own).await.problem(409, "last_admin");
    stack.get("/users", Some(&boss)).await.expect(200);
}

#[tokio::test]
async fn a_deployment_that_gives_up_single_sign_on_frees_its_accounts() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let caller = stack.someone().await;
    let user_id = own_id(&stack, &caller).await;
    let person = Person::new("Former Person");
    bind(&stack, &admin, &user_id, &person).await.problem(404, "not_found");
    free(&stack, &admin, &user_id).await.problem(404, "not_found");

    // The account was bound while the deployment had single sign-on.
    let platform = stack.platform("UsersFunction");
    let users = Users::new(&platform).unwrap();
    let before = users.get(&user_id).await.unwrap().unwrap();
    let identity = SsoIdentity::of_entra(TENANT, &person.object).unwrap();
    let writes = users.become_as(&before, &before.clone().bound_to(identity)).unwrap();
    platform.database().unwrap().commit(writes).await.unwrap();
    sign_in(&stack, &caller.username, PASSWORD).await.problem(401, "invalid_credentials");

    free(&stack, &admin, &user_id).await.expect(204);
    let email = format!("{}@example.com", caller.username);
    let token = stack.mailed_token("/auth/password/forgot", &email).await;
    reset(&stack, &token, "Another-Horse-9").await.expect(204);
    stack.login(&caller.username, "Another-Horse-9").await;
}

#[tokio::test]
async fn a_person_is_named_by_ids_alone() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let admin = stack.admin().await;
    let user_id = own_id(&stack, &stack.demo().await).await;
    let path = format!("/users/{user_id}/sso");
    let object = &Person::new("Anna Berg").object;
    for (body, fields) in [
        (json!({}), &["/tenant", "/subject"][..]),
        (json!({"tenant": 1, "subject": null}), &["/tenant", "/subject"]),
        (json!({"tenant": "contoso.example", "subject": "anna"}), &["/tenant", "/subject"]),
        (json!({"tenant": TENANT, "subject": "anna@contoso.example"}), &["/subject"]),
        (json!({"tenant": TENANT, "subject": object, "roles": ["admin"]}), &["/roles"]),
    ] {
        stack.call(Method::PUT, &path, &admin, &body).await.invalid(fields);
    }
    let body = json!({"tenant": TENANT, "subject": object});
    for nobody in ["019a0000-0000-7000-8000-000000000000", "me"] {
        let path = format!("/users/{nobody}/sso");
        stack.call(Method::PUT, &path, &admin, &body).await.problem(404, "not_found");
        stack.delete(&path, Some(&admin)).await.problem(404, "not_found");
    }
    // Of another provider, it is the issuer and `sub`.
    let provider = FakeTenant::oidc();
    let stack = TestStack::with_sso(&provider, &[]).await;
    let admin = stack.admin().await;
    let path = format!("/users/{}/sso", own_id(&stack, &stack.demo().await).await);
    stack.call(Method::PUT, &path, &admin, &body).await.invalid(&["/tenant"]);
    let body = json!({"tenant": provider.url, "subject": "248289761001"});
    stack.call(Method::PUT, &path, &admin, &body).await.expect(200);
}

#[tokio::test]
async fn a_binding_asks_no_more_than_it_must() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let admin = stack.admin().await;
    let path = format!("/users/{}/sso", own_id(&stack, &stack.demo().await).await);
    let body = json!({"tenant": TENANT, "subject": Person::new("Anna Berg").object});
    // Check the session, count the user's call, and read the user's current roles.
    let admitted = ["GetItem Sessions", "UpdateItem Limits", "GetItem Users"];
    let bind: &[&[&str]] = &[
        &admitted,
        &["GetItem Users"],
        &["BatchGetItem Sessions"],
        &["TransactWriteItems MailTokens+Sessions+Users+Audit"],
    ];
    let put = format!("PUT {path}");
    round_trips::check(&stack, (&put, Some(&admin), Some(body.clone())), bind).await;
    let again: &[&[&str]] = &[&admitted, &["GetItem Users", "TransactWriteItems Users+Audit"]];
    round_trips::check(&stack, (&put, Some(&admin), Some(body)), again).await;
    // No session has begun.
    let free: &[&[&str]] =
        &[&admitted, &["GetItem Users", "TransactWriteItems MailTokens+Users+Audit"]];
    round_trips::check(&stack, (&format!("DELETE {path}"), Some(&admin), None), free).await;
}

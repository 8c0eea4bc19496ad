//! Invitations. Each is valid once, for the person it names, and only while it and the rights of
//! its sender last.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tally_accounts::store::Invites;
use tally_tests::{Answer, Caller, TestStack, id};

use crate::users::{patch, user_id};

/// A stack in which registration needs an invitation.
async fn closed_world() -> TestStack {
    TestStack::with(&[("Registration", "invite"), ("RateLimits", "*=100000/1m")]).await
}

fn registration(username: &str) -> Value {
    json!({
        "username": username, "email": format!("{username}@example.com"),
        "password": "Correct-Horse-9",
    })
}

async fn register(stack: &TestStack, username: &str, token: &Value) -> Answer {
    let mut body = registration(username);
    body["invite"] = token.clone();
    stack.post("/auth/register", None, &body).await
}

async fn invite(stack: &TestStack, admin: &Caller, body: &Value) -> Value {
    stack.post("/users/invites", Some(admin), body).await.expect(201)
}

async fn revoke(stack: &TestStack, admin: &Caller, id: &str) -> Answer {
    stack
        .send(
            stack
                .request(Method::DELETE, &format!("/users/invites/{id}"))
                .bearer_auth(&admin.access),
        )
        .await
}

#[tokio::test]
async fn an_invitation_lets_one_in_with_its_roles() {
    let stack = closed_world().await;
    let admin = stack.admin().await;
    // A request without an invitation is refused before any other check.
    for body in [registration("stranger"), json!({}), json!({"extra": 1})] {
        stack.post("/auth/register", None, &body).await.problem(403, "registration_closed");
    }
    register(&stack, "stranger", &Value::Null).await.problem(403, "registration_closed");
    let made = stack.post("/users/invites", Some(&admin), &json!({"roles": ["auditor"]})).await;
    let made_json = made.expect(201);
    assert_eq!(
        (&made_json["roles"], &made_json["email"]),
        (&json!(["user", "auditor"]), &Value::Null)
    );
    let token = &made_json["token"];
    let user = register(&stack, "guest", token).await;
    assert_eq!(user.expect(201)["user"]["roles"], json!(["user", "auditor"]));
    assert_eq!(user.header("location"), format!("/users/{}", id(&user.json()["user"])));
    register(&stack, "second", token).await.invalid(&["/invite"]);
    stack.login("guest", "Correct-Horse-9").await;

    let invited = stack.events(&admin, "user.invited").await.pop().unwrap();
    assert_eq!(invited["resource"], format!("invite:{}", id(&made_json)));
    let events = stack.events(&admin, "auth.register").await;
    let [.., registered, refused] = &events[..] else { panic!("{events:?}") };
    assert_eq!(registered["detail"]["invite_id"], made_json["id"]);
    assert_eq!(
        (&refused["outcome"], &refused["resource"]),
        (&json!("failure"), &invited["resource"])
    );
    let secret = token.as_str().unwrap().split_once('.').unwrap().1;
    assert!(!format!("{:?}", stack.events(&admin, "user.").await).contains(secret));
}

#[tokio::test]
async fn a_text_that_is_no_invitation_is_refused() {
    for registration in ["invite", "open"] {
        let stack =
            TestStack::with(&[("Registration", registration), ("RateLimits", "*=100000/1m")]).await;
        let admin = stack.admin().await;
        let good = invite(&stack, &admin, &json!({})).await["token"].as_str().unwrap().to_owned();
        let (id, secret) = good.split_once('.').unwrap();
        for token in [
            String::new(),
            "x".into(),
            id.into(),
            format!("{id}."),
            format!("{id}.{}", "A".repeat(secret.len())),
            format!("019a0000-0000-7000-8000-000000000000.{secret}"),
            format!("{good}x"),
            "x".repeat(100_000),
        ] {
            register(&stack, "guest", &token.into()).await.invalid(&["/invite"]);
        }
        register(&stack, "guest", &json!(7)).await.invalid(&["/invite"]);
        register(&stack, "guest", &good.into()).await.expect(201);
    }
    let stack = TestStack::with(&[("Registration", "closed")]).await;
    let token = invite(&stack, &stack.admin().await, &json!({})).await["token"].clone();
    register(&stack, "guest", &token).await.problem(403, "registration_closed");
}

#[tokio::test]
async fn an_invitation_to_an_address_is_for_that_address() {
    let stack = closed_world().await;
    let made = invite(&stack, &stack.admin().await, &json!({"email": "Guest@Example.com"})).await;
    register(&stack, "thief", &made["token"]).await.invalid(&["/email"]);
    register(&stack, "guest", &made["token"]).await.expect(201);
    register(&stack, "later", &made["token"]).await.invalid(&["/invite"]);
    register(&stack, "fool", &json!("x")).await.invalid(&["/invite"]);
    // The audit log has each use, with the invitation that the token names.
    let events = stack.events(&stack.admin().await, "auth.register").await;
    let told: Vec<_> = events
        .iter()
        .filter(|event| event["outcome"] == "failure")
        .map(|event| (&event["detail"]["username"], &event["resource"]))
        .collect();
    let invite = json!(format!("invite:{}", id(&made)));
    assert_eq!(
        told,
        [(&json!("thief"), &invite), (&json!("later"), &invite), (&json!("fool"), &Value::Null)]
    );
    assert!(!format!("{events:?}").contains(made["token"].as_str().unwrap()));
}

#[tokio::test]
async fn of_twenty_registrations_with_one_invitation_one_succeeds() {
    let stack = closed_world().await;
    let made = invite(&stack, &stack.admin().await, &json!({})).await;
    let answers = (0..20).map(|number| {
        let stack = &stack;
        let token = &made["token"];
        async move { register(stack, &format!("guest_{number}"), token).await }
    });
    let (made, refused): (Vec<_>, Vec<_>) =
        join_all(answers).await.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(made.len(), 1);
    for answer in refused {
        answer.invalid(&["/invite"]);
    }
    let events = stack.events(&stack.admin().await, "auth.register").await;
    assert_eq!(events.iter().filter(|event| event["outcome"] == "failure").count(), 19);
}

#[tokio::test]
async fn an_invitation_that_was_not_used_is_listed_and_can_be_taken_back() {
    let stack = closed_world().await;
    let admin = stack.admin().await;
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(
            invite(&stack, &admin, &json!({"email": format!("guest_{number}@example.com")})).await,
        );
    }
    register(&stack, "guest_4", &made[4]["token"]).await.expect(201);
    let mut listed = Vec::new();
    let mut cursor = String::new();
    loop {
        let page =
            stack.get(&format!("/users/invites?limit=3{cursor}"), Some(&admin)).await.expect(200);
        listed.extend(page["items"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let expected = made[..4].iter().rev().cloned().map(|mut invite| {
        invite.as_object_mut().unwrap().remove("token");
        invite
    });
    assert_eq!(listed, expected.collect::<Vec<_>>());

    revoke(&stack, &admin, &id(&made[0])).await.expect(204);
    register(&stack, "guest_0", &made[0]["token"]).await.invalid(&["/invite"]);
    for gone in
        [id(&made[0]), id(&made[4]), "019a0000-0000-7000-8000-000000000000".into(), "x".into()]
    {
        revoke(&stack, &admin, &gone).await.problem(404, "not_found");
    }
    let event = &stack.events(&admin, "invite.revoked").await[0];
    assert_eq!(event["resource"], format!("invite:{}", id(&made[0])));
    register(&stack, "guest_1", &made[1]["token"]).await.expect(201);
}

#[tokio::test]
async fn an_invitation_ends_after_a_week() {
    let stack = closed_world().await;
    let made = invite(&stack, &stack.admin().await, &json!({})).await;
    let token = made["token"].as_str().unwrap();
    let platform = stack.platform("RegisterFunction");
    let database = platform.database().unwrap();
    let invites = Invites::new(&platform).unwrap();
    let week = Duration::from_hours(7 * 24);
    let made_at = platform::clock::parse_rfc3339(made["created_at"].as_str().unwrap()).unwrap();
    let last = made_at + week - Duration::from_secs(1);
    let over = made_at + week;
    assert!(invites.find(token, over).await.unwrap().is_none());
    assert!(invites.list(None, 20, over).await.unwrap().0.is_empty());
    let invite = invites.find(token, last).await.unwrap().unwrap();
    assert_eq!(invites.list(None, 20, last).await.unwrap(), (vec![invite.clone()], false));
    // An expired invitation can't be spent, even if it was read in time: DynamoDB deletes late.
    assert!(database.commit(vec![invites.spend(&invite, over)]).await.is_err());
    database.commit(vec![invites.spend(&invite, last)]).await.unwrap();
}

#[tokio::test]
async fn an_invitation_is_valid_while_its_giver_is_an_administrator() {
    let stack = closed_world().await;
    let admin = stack.admin().await;
    let demo = stack.demo().await;
    let demo_id = user_id(&stack, "demo").await;
    patch(&stack, &admin, &demo_id, &json!({"roles": ["admin"]})).await.expect(200);
    let plain = invite(&stack, &demo, &json!({})).await;
    let heir = invite(&stack, &demo, &json!({"roles": ["admin"]})).await;
    patch(&stack, &admin, &demo_id, &json!({"roles": []})).await.expect(200);
    register(&stack, "guest", &plain["token"]).await.invalid(&["/invite"]);
    register(&stack, "heir", &heir["token"]).await.invalid(&["/invite"]);
    patch(&stack, &admin, &demo_id, &json!({"roles": ["admin"]})).await.expect(200);
    register(&stack, "guest", &plain["token"]).await.expect(201);
    register(&stack, "heir", &heir["token"]).await.expect(201);
    // The new administrator counts: both others can go.
    patch(&stack, &admin, &demo_id, &json!({"roles": []})).await.expect(200);
    let own = user_id(&stack, "admin").await;
    patch(&stack, &admin, &own, &json!({"roles": []})).await.expect(200);
    let heir = stack.login("heir", "Correct-Horse-9").await;
    let listed = stack.get("/users?role=admin", Some(&heir)).await.expect(200);
    assert_eq!(listed["items"][0]["username"], "heir");
    patch(&stack, &heir, &id(&listed["items"][0]), &json!({"is_active": false}))
        .await
        .problem(409, "last_admin");
}

#[tokio::test]
async fn the_token_of_an_invitation_is_shown_once() {
    let stack = closed_world().await;
    let admin = stack.admin().await;
    let post = || {
        let request = stack.request(Method::POST, "/users/invites").bearer_auth(&admin.access);
        stack.send(
            request.header("idempotency-key", "k").json(&json!({"email": "guest@example.com"})),
        )
    };
    let made = post().await.expect(201);
    post().await.problem(409, "secret_already_shown");
    let listed = stack.get("/users/invites", Some(&admin)).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().iter().map(id).collect::<Vec<_>>(), [id(&made)]);
}

#[tokio::test]
async fn an_invitation_names_roles_and_an_address_that_there_are() {
    let stack = closed_world().await;
    let admin = stack.admin().await;
    for (body, fields) in [
        (json!({"email": "x"}), &["/email"][..]),
        (json!({"roles": ["root"], "email": 1}), &["/email", "/roles"]),
        (json!({"token": "mine"}), &["/token"]),
    ] {
        stack.post("/users/invites", Some(&admin), &body).await.invalid(fields);
    }
}

#[tokio::test]
async fn the_first_administrator_of_a_closed_deployment_is_invited() {
    let stack = TestStack::with(&[
        ("Registration", "invite"),
        ("SeedDemoUsers", "off"),
        ("RateLimits", "*=100000/1m"),
    ])
    .await;
    let mut tokens = Vec::new();
    for email in ["first@example.com", "second@example.com"] {
        let answer = stack
            .local
            .invoke("BootstrapAdminFunction", json!({"email": email}).to_string())
            .await
            .unwrap();
        tokens.push(serde_json::from_slice::<Value>(&answer).unwrap()["invite"].clone());
    }
    let user = register(&stack, "first", &tokens[0]).await.expect(201);
    assert_eq!(user["user"]["roles"], json!(["user", "admin"]));
    // There is an administrator now, so the other invitation is no longer valid.
    register(&stack, "second", &tokens[1]).await.invalid(&["/invite"]);
    let first = stack.login("first", "Correct-Horse-9").await;
    assert_eq!(stack.events(&first, "admin.bootstrapped").await.len(), 2);
    patch(&stack, &first, &id(&user["user"]), &json!({"roles": []}))
        .await
        .problem(409, "last_admin");
}

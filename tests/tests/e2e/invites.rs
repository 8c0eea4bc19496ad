//! Invitations. Each is valid once, for the person it names, and only while it and the rights of its sender last.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tally_accounts::store::Invites;
use tally_tests::{Answer, Caller, World, id};

use crate::users::{patch, user_id};

/// A stack in which registration needs an invitation.
async fn closed_world() -> World {
    World::with(&[("Registration", "invite"), ("RateLimits", "*=100000/1m")]).await
}

fn registration(username: &str) -> Value {
    json!({"username": username, "email": format!("{username}@example.com"), "password": "Correct-Horse-9"})
}

async fn register(world: &World, username: &str, token: &Value) -> Answer {
    let mut body = registration(username);
    body["invite"] = token.clone();
    world.post("/auth/register", None, &body).await
}

async fn invite(world: &World, admin: &Caller, body: &Value) -> Value {
    world.post("/users/invites", Some(admin), body).await.expect(201)
}

async fn revoke(world: &World, admin: &Caller, id: &str) -> Answer {
    world.send(world.request(Method::DELETE, &format!("/users/invites/{id}")).bearer_auth(&admin.access)).await
}

#[tokio::test]
async fn an_invitation_lets_one_in_with_its_roles() {
    let world = closed_world().await;
    let admin = world.admin().await;
    // A request without an invitation is refused before any other check.
    for body in [registration("stranger"), json!({}), json!({"extra": 1})] {
        world.post("/auth/register", None, &body).await.problem(403, "registration_closed");
    }
    register(&world, "stranger", &Value::Null).await.problem(403, "registration_closed");
    let made = world.post("/users/invites", Some(&admin), &json!({"roles": ["auditor"]})).await;
    let made_json = made.expect(201);
    assert_eq!((&made_json["roles"], &made_json["email"]), (&json!(["user", "auditor"]), &Value::Null));
    let token = &made_json["token"];
    let user = register(&world, "guest", token).await;
    assert_eq!(user.expect(201)["user"]["roles"], json!(["user", "auditor"]));
    assert_eq!(user.header("location"), format!("/users/{}", id(&user.json()["user"])));
    register(&world, "second", token).await.invalid(&["/invite"]);
    world.login("guest", "Correct-Horse-9").await;

    let invited = world.events(&admin, "user.invited").await.pop().unwrap();
    assert_eq!(invited["resource"], format!("invite:{}", id(&made_json)));
    let events = world.events(&admin, "auth.register").await;
    let [.., registered, refused] = &events[..] else { panic!("{events:?}") };
    assert_eq!(registered["detail"]["invite_id"], made_json["id"]);
    assert_eq!((&refused["outcome"], &refused["resource"]), (&json!("failure"), &invited["resource"]));
    let secret = token.as_str().unwrap().split_once('.').unwrap().1;
    assert!(!format!("{:?}", world.events(&admin, "user.").await).contains(secret));
}

#[tokio::test]
async fn what_is_no_invitation_lets_nobody_in() {
    for registration in ["invite", "open"] {
        let world = World::with(&[("Registration", registration), ("RateLimits", "*=100000/1m")]).await;
        let admin = world.admin().await;
        let good = invite(&world, &admin, &json!({})).await["token"].as_str().unwrap().to_owned();
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
            register(&world, "guest", &token.into()).await.invalid(&["/invite"]);
        }
        register(&world, "guest", &json!(7)).await.invalid(&["/invite"]);
        register(&world, "guest", &good.into()).await.expect(201);
    }
    let world = World::with(&[("Registration", "closed")]).await;
    let token = invite(&world, &world.admin().await, &json!({})).await["token"].clone();
    register(&world, "guest", &token).await.problem(403, "registration_closed");
}

#[tokio::test]
async fn an_invitation_to_an_address_is_for_that_address() {
    let world = closed_world().await;
    let made = invite(&world, &world.admin().await, &json!({"email": "Guest@Example.com"})).await;
    register(&world, "thief", &made["token"]).await.invalid(&["/email"]);
    register(&world, "guest", &made["token"]).await.expect(201);
    register(&world, "later", &made["token"]).await.invalid(&["/invite"]);
    register(&world, "fool", &json!("x")).await.invalid(&["/invite"]);
    // The audit log has each use, with the invitation that the token names.
    let events = world.events(&world.admin().await, "auth.register").await;
    let told: Vec<_> = events
        .iter()
        .filter(|event| event["outcome"] == "failure")
        .map(|event| (&event["detail"]["username"], &event["resource"]))
        .collect();
    let invite = json!(format!("invite:{}", id(&made)));
    assert_eq!(told, [(&json!("thief"), &invite), (&json!("later"), &invite), (&json!("fool"), &Value::Null)]);
    assert!(!format!("{events:?}").contains(made["token"].as_str().unwrap()));
}

#[tokio::test]
async fn of_twenty_registrations_with_one_invitation_one_succeeds() {
    let world = closed_world().await;
    let made = invite(&world, &world.admin().await, &json!({})).await;
    let answers = (0..20).map(|number| {
        let (world, token) = (&world, &made["token"]);
        async move { register(world, &format!("guest_{number}"), token).await }
    });
    let (made, refused): (Vec<_>, Vec<_>) = join_all(answers).await.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(made.len(), 1);
    for answer in refused {
        answer.invalid(&["/invite"]);
    }
    let events = world.events(&world.admin().await, "auth.register").await;
    assert_eq!(events.iter().filter(|event| event["outcome"] == "failure").count(), 19);
}

#[tokio::test]
async fn an_invitation_that_was_not_used_is_listed_and_can_be_taken_back() {
    let world = closed_world().await;
    let admin = world.admin().await;
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(invite(&world, &admin, &json!({"email": format!("guest_{number}@example.com")})).await);
    }
    register(&world, "guest_4", &made[4]["token"]).await.expect(201);
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.get(&format!("/users/invites?limit=3{cursor}"), Some(&admin)).await.expect(200);
        listed.extend(page["items"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let expected = made[..4].iter().rev().cloned().map(|mut invite| {
        invite.as_object_mut().unwrap().remove("token");
        invite
    });
    assert_eq!(listed, expected.collect::<Vec<_>>());

    revoke(&world, &admin, &id(&made[0])).await.expect(204);
    register(&world, "guest_0", &made[0]["token"]).await.invalid(&["/invite"]);
    for gone in [id(&made[0]), id(&made[4]), "019a0000-0000-7000-8000-000000000000".into(), "x".into()] {
        revoke(&world, &admin, &gone).await.problem(404, "not_found");
    }
    let event = &world.events(&admin, "invite.revoked").await[0];
    assert_eq!(event["resource"], format!("invite:{}", id(&made[0])));
    register(&world, "guest_1", &made[1]["token"]).await.expect(201);
}

#[tokio::test]
async fn an_invitation_ends_after_a_week() {
    let world = closed_world().await;
    let made = invite(&world, &world.admin().await, &json!({})).await;
    let token = made["token"].as_str().unwrap();
    let platform = world.platform("RegisterFunction");
    let database = platform.database().unwrap();
    let invites = Invites::new(database.clone(), &platform.config).unwrap();
    let week = Duration::from_hours(7 * 24);
    let made_at = platform::clock::parse_rfc3339(made["created_at"].as_str().unwrap()).unwrap();
    let (last, over) = (made_at + week - Duration::from_secs(1), made_at + week);
    assert!(invites.find(token, over).await.unwrap().is_none());
    assert!(invites.list(None, 20, over).await.unwrap().0.is_empty());
    let invite = invites.find(token, last).await.unwrap().unwrap();
    assert_eq!(invites.list(None, 20, last).await.unwrap(), (vec![invite.clone()], false));
    // An expired invitation can't be spent, even if it was read in time: DynamoDB deletes late.
    assert!(database.commit(vec![invites.spend(&invite, over)]).await.is_err());
    database.commit(vec![invites.spend(&invite, last)]).await.unwrap();
}

#[tokio::test]
async fn an_invitation_is_as_good_as_whoever_gave_it() {
    let world = closed_world().await;
    let (admin, demo) = (world.admin().await, world.demo().await);
    let demo_id = user_id(&world, "demo").await;
    patch(&world, &admin, &demo_id, &json!({"roles": ["admin"]})).await.expect(200);
    let (plain, heir) = (invite(&world, &demo, &json!({})).await, invite(&world, &demo, &json!({"roles": ["admin"]})).await);
    patch(&world, &admin, &demo_id, &json!({"roles": []})).await.expect(200);
    register(&world, "guest", &plain["token"]).await.invalid(&["/invite"]);
    register(&world, "heir", &heir["token"]).await.invalid(&["/invite"]);
    patch(&world, &admin, &demo_id, &json!({"roles": ["admin"]})).await.expect(200);
    register(&world, "guest", &plain["token"]).await.expect(201);
    register(&world, "heir", &heir["token"]).await.expect(201);
    // The new administrator counts: both others can go.
    patch(&world, &admin, &demo_id, &json!({"roles": []})).await.expect(200);
    let own = user_id(&world, "admin").await;
    patch(&world, &admin, &own, &json!({"roles": []})).await.expect(200);
    let heir = world.login("heir", "Correct-Horse-9").await;
    let listed = world.get("/users?role=admin", Some(&heir)).await.expect(200);
    assert_eq!(listed["items"][0]["username"], "heir");
    patch(&world, &heir, &id(&listed["items"][0]), &json!({"is_active": false})).await.problem(409, "last_admin");
}

#[tokio::test]
async fn the_token_of_an_invitation_is_shown_once() {
    let world = closed_world().await;
    let admin = world.admin().await;
    let post = || {
        let request = world.request(Method::POST, "/users/invites").bearer_auth(&admin.access);
        world.send(request.header("idempotency-key", "k").json(&json!({"email": "guest@example.com"})))
    };
    let made = post().await.expect(201);
    post().await.problem(409, "secret_already_shown");
    let listed = world.get("/users/invites", Some(&admin)).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().iter().map(id).collect::<Vec<_>>(), [id(&made)]);
}

#[tokio::test]
async fn an_invitation_names_roles_and_an_address_that_there_are() {
    let world = closed_world().await;
    let admin = world.admin().await;
    for (body, fields) in [
        (json!({"email": "x"}), &["/email"][..]),
        (json!({"roles": ["root"], "email": 1}), &["/email", "/roles"]),
        (json!({"token": "mine"}), &["/token"]),
    ] {
        world.post("/users/invites", Some(&admin), &body).await.invalid(fields);
    }
}

#[tokio::test]
async fn the_first_administrator_of_a_closed_deployment_is_invited() {
    let world = World::with(&[("Registration", "invite"), ("SeedDemoUsers", "off"), ("RateLimits", "*=100000/1m")]).await;
    let mut tokens = Vec::new();
    for email in ["first@example.com", "second@example.com"] {
        let answer = world.stack.invoke("BootstrapAdminFunction", json!({"email": email}).to_string()).await.unwrap();
        tokens.push(serde_json::from_slice::<Value>(&answer).unwrap()["invite"].clone());
    }
    let user = register(&world, "first", &tokens[0]).await.expect(201);
    assert_eq!(user["user"]["roles"], json!(["user", "admin"]));
    // There is an administrator now, so the other invitation is no longer valid.
    register(&world, "second", &tokens[1]).await.invalid(&["/invite"]);
    let first = world.login("first", "Correct-Horse-9").await;
    assert_eq!(world.events(&first, "admin.bootstrapped").await.len(), 2);
    patch(&world, &first, &id(&user["user"]), &json!({"roles": []})).await.problem(409, "last_admin");
}

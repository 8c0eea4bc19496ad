//! The roles of an account follow the provider at each sign-in. What an administrator of this
//! deployment decides holds beside them.

use std::fs;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use futures_util::join;
use http::Method;
use serde_json::{Value, json};
use tally_tests::fake_tenant::{FakeTenant, Fault, Person};
use tally_tests::{Caller, TestStack, id};

use super::accounts::{key_of, with_key};
use super::{by_token, caller_of, me, refresh, sign_ins, stored};

/// A group of the provider's.
const GROUP: &str = "0b2c7f7e-5d0a-4d8c-9f6b-3a1e2c4d5f60";

/// The last event of an action.
async fn last(stack: &TestStack, action: &str) -> Value {
    stack.events(&stack.admin().await, action).await.pop().unwrap()
}

async fn change(stack: &TestStack, user_id: &str, body: &Value) -> Value {
    let admin = stack.admin().await;
    stack.call(Method::PATCH, &format!("/users/{user_id}"), &admin, body).await.expect(200)
}

async fn lists_users(stack: &TestStack, caller: &Caller) -> bool {
    let answer = stack.get("/users", Some(caller)).await;
    if answer.status != 200 {
        answer.problem(403, "forbidden");
    }
    answer.status == 200
}

#[tokio::test]
async fn roles_follow_the_provider_and_a_demotion_acts_at_once() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let person = Person::new("Anna");
    let as_user = stack.sso(&tenant, &person).await;
    assert!(!lists_users(&stack, &as_user).await);

    let all = ["Tally.User", "Tally.Auditor", "Tally.Admin", "Other.Role"];
    let as_admin = stack.sso(&tenant, &person.clone().with_roles(&all)).await;
    assert_eq!(me(&stack, &as_admin).await["roles"], json!(["user", "auditor", "admin"]));
    // The session from before has the rights of the account, too.
    assert!(lists_users(&stack, &as_admin).await && lists_users(&stack, &as_user).await);
    let event = last(&stack, "user.updated").await;
    let user_id = id(&me(&stack, &as_admin).await);
    assert_eq!(
        (&event["resource"], &event["actor"]["user_id"], &event["outcome"]),
        (&json!(format!("user:{user_id}")), &json!(user_id), &json!("success"))
    );
    assert_eq!(
        (&event["detail"]["roles_before"], &event["detail"]["roles"]),
        (&json!(["user"]), &json!(["user", "auditor", "admin"]))
    );
    let sign_in = sign_ins(&stack).await.pop().unwrap();
    assert_eq!(sign_in["request_id"], event["request_id"]);
    assert_eq!(sign_in["detail"]["roles_before"], json!(["user"]));

    let demoted = stack.sso(&tenant, &person).await;
    for caller in [&demoted, &as_admin, &as_user] {
        assert!(!lists_users(&stack, caller).await);
    }
    // A sign-in that changes no role is no change of the account.
    let changes = stack.events(&stack.admin().await, "user.updated").await.len();
    stack.sso(&tenant, &person).await;
    assert_eq!(stack.events(&stack.admin().await, "user.updated").await.len(), changes);
}

#[tokio::test]
async fn a_person_without_a_role_loses_sessions_and_keys() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let person = Person::new("Anna").with_roles(&["Tally.Admin"]);
    let caller = stack.sso(&tenant, &person).await;
    let user_id = id(&me(&stack, &caller).await);
    let key = key_of(&stack, &caller).await;
    with_key(&stack, &key).await.expect(200);
    let mut socket = stack.connect(&caller).await;

    for roles in [&[][..], &["Other.Role"]] {
        let token = tenant.token(&person.clone().with_roles(roles));
        by_token(&stack, &token).await.problem(403, "sso_no_role");
    }
    assert_eq!(socket.next().await, None);
    stack.post("/auth/ws-ticket", Some(&caller), &json!({})).await.problem(401, "invalid_token");
    refresh(&stack, &caller).await.problem(401, "invalid_refresh_token");
    with_key(&stack, &key).await.problem(401, "invalid_token");
    let admin = stack.admin().await;
    let user = stack.get(&format!("/users/{user_id}"), Some(&admin)).await.expect(200);
    assert_eq!((&user["roles"], &user["is_active"]), (&json!(["user"]), &json!(true)));
    // The second refusal found nothing to take away.
    let updated = stack.events(&admin, "user.updated").await;
    assert_eq!(updated.len(), 1, "{updated:?}");
    assert_eq!(updated[0]["detail"]["ended_sessions"].as_array().unwrap().len(), 1);
    let denied: Vec<_> = sign_ins(&stack).await.into_iter().skip(1).collect();
    assert_eq!(denied.len(), 2);
    for event in denied {
        assert_eq!(
            (&event["outcome"], &event["detail"]["reason"], &event["resource"]),
            (&json!("denied"), &json!("no_role"), &json!(format!("user:{user_id}")))
        );
    }

    let back = stack.sso(&tenant, &person).await;
    assert_eq!(me(&stack, &back).await["roles"], json!(["user", "admin"]));
    with_key(&stack, &key).await.expect(200);
}

#[tokio::test]
async fn a_stranger_without_a_role_gets_no_account() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let token = tenant.token(&Person::new("Stranger").with_roles(&[]));
    let answer = by_token(&stack, &token).await;
    assert_eq!(answer.problem(403, "sso_no_role").get("reason"), None);
    let event = sign_ins(&stack).await.pop().unwrap();
    assert_eq!((&event["outcome"], &event["actor"]), (&json!("denied"), &Value::Null));
    let found = stack.get("/users?query=stranger", Some(&stack.admin().await)).await.expect(200);
    assert_eq!(found["items"], json!([]));

    let everyone = TestStack::with_sso(&tenant, &[("SsoRoles", "*=user,Boss=admin")]).await;
    let caller = caller_of(&by_token(&everyone, &token).await.expect(200));
    assert_eq!(me(&everyone, &caller).await["roles"], json!(["user"]));
}

#[tokio::test]
async fn the_provider_may_take_the_last_administrator() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let person = Person::new("Anna").with_roles(&["Tally.Admin"]);
    let caller = stack.sso(&tenant, &person).await;
    // The seeded administrator stays auditor alone.
    let seeded = stack.admin().await;
    let seeded_id = id(&me(&stack, &seeded).await);
    let path = format!("/users/{seeded_id}");
    stack.call(Method::PATCH, &path, &caller, &json!({"roles": ["auditor"]})).await.expect(200);
    stack.sso(&tenant, &person.clone().with_roles(&["Tally.User"])).await;
    assert!(!lists_users(&stack, &caller).await);
    let log = stack.local.logs().join("SsoFunction.log");
    while !fs::read_to_string(&log).unwrap_or_default().contains("last administrator") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // There is none any more, so operators can make the first one again.
    let candidate = json!({"username": "admin"}).to_string();
    stack.local.invoke("BootstrapAdminFunction", candidate).await.unwrap();
    assert!(lists_users(&stack, &seeded).await);
}

#[tokio::test]
async fn a_deactivated_account_stays_out() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let person = Person::new("Anna");
    let caller = stack.sso(&tenant, &person).await;
    let user_id = id(&me(&stack, &caller).await);
    change(&stack, &user_id, &json!({"is_active": false})).await;
    refresh(&stack, &caller).await.problem(401, "invalid_refresh_token");
    for person in [person.clone(), person.clone().with_roles(&[])] {
        by_token(&stack, &tenant.token(&person)).await.problem(403, "account_inactive");
        let event = sign_ins(&stack).await.pop().unwrap();
        assert_eq!(
            (&event["outcome"], &event["detail"]["reason"], &event["actor"]["user_id"]),
            (&json!("denied"), &json!("account_inactive"), &json!(user_id))
        );
    }
    change(&stack, &user_id, &json!({"is_active": true})).await;
    let back = stack.sso(&tenant, &person).await;
    assert_eq!(id(&me(&stack, &back).await), user_id);
}

#[tokio::test]
async fn a_deactivation_that_races_sign_ins_leaves_no_live_session() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let person = Person::new("Anna");
    let caller = stack.sso(&tenant, &person).await;
    let user = stored(&stack, &caller).await;
    let token = tenant.token(&person);
    let sign_ins = join_all((0..8).map(|_| by_token(&stack, &token)));
    let body = json!({"is_active": false});
    let (answers, _) = join!(sign_ins, change(&stack, &user.id, &body));
    for answer in answers {
        match answer.status {
            200 => {
                let late = caller_of(&answer.expect(200));
                refresh(&stack, &late).await.problem(401, "invalid_refresh_token");
            }
            403 => drop(answer.problem(403, "account_inactive")),
            _ => drop(answer.problem(503, "unavailable")),
        }
    }
}

#[tokio::test]
async fn groups_that_are_cut_off_say_nothing() {
    let tenant = FakeTenant::start();
    let roles = format!("{GROUP}=admin");
    let extra = [("SsoRolesClaim", "groups"), ("SsoRoles", roles.as_str())];
    let stack = TestStack::with_sso(&tenant, &extra).await;
    let mut claims = tenant.claims(&Person::new("Anna"));
    claims["groups"] = json!([GROUP]);
    let caller = caller_of(&by_token(&stack, &tenant.sign(&claims)).await.expect(200));
    assert!(lists_users(&stack, &caller).await);

    claims.as_object_mut().unwrap().remove("groups");
    claims["_claim_names"] = json!({"groups": "src1"});
    claims["_claim_sources"] = json!({"src1": {"endpoint": "https://graph.windows.net/x"}});
    for member in ["_claim_names", "hasgroups"] {
        let answer = by_token(&stack, &tenant.sign(&claims)).await;
        assert_eq!(answer.problem(403, "sso_no_role")["reason"], "groups_overage", "{member}");
        claims.as_object_mut().unwrap().remove("_claim_names");
        claims["hasgroups"] = true.into();
    }
    let event = sign_ins(&stack).await.pop().unwrap();
    assert_eq!(event["detail"]["reason"], "groups_overage");
    // The account keeps what it has.
    assert!(lists_users(&stack, &caller).await);

    tenant.fault(Fault::Groups);
    let with_roles = TestStack::with_sso(&tenant, &[]).await;
    with_roles.sso(&tenant, &Person::new("Berta")).await;
}

#[tokio::test]
async fn strong_roles_need_a_strong_sign_in() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[("SsoAdminAuthContext", "c1")]).await;
    let person = Person::new("Anna");
    let weak = stack.sso(&tenant, &person).await;
    let strong = person.clone().with_roles(&["Tally.Auditor"]);
    let answer = by_token(&stack, &tenant.token(&strong)).await;
    let problem = answer.problem(401, "step_up_required");
    let claims = problem["claims"].as_str().unwrap();
    let challenge = format!("Bearer error=\"insufficient_claims\", claims=\"{claims}\"");
    assert_eq!(answer.header("www-authenticate"), challenge);
    let asked: Value = serde_json::from_slice(&STANDARD.decode(claims).unwrap()).unwrap();
    let expected = json!({"access_token": {"acrs": {"essential": true, "value": "c1"}}});
    assert_eq!(asked, expected);
    // Nothing has changed.
    assert_eq!(me(&stack, &weak).await["roles"], json!(["user"]));
    refresh(&stack, &weak).await.expect(200);
    assert_eq!(sign_ins(&stack).await.pop().unwrap()["detail"]["reason"], "step_up_required");

    let mut claims = tenant.claims(&strong);
    claims["acrs"] = json!(["c1"]);
    let caller = caller_of(&by_token(&stack, &tenant.sign(&claims)).await.expect(200));
    assert_eq!(me(&stack, &caller).await["roles"], json!(["user", "auditor"]));
}

//! Invitations and the administration of accounts.

use http::Method;
use serde_json::{Value, json};
use tally_local::aws::Failure;
use tally_tests::fake_tenant::{FakeTenant, Person, TENANT};
use tally_tests::{TestStack, id};

use super::{MOMENTS, TRANSACT, cut, events, post, sessions};
use crate::audit::erasure::own_id;
use crate::coverage;
use crate::users::{patch, user_id};

#[tokio::test]
async fn an_invitation_is_made_used_or_taken_back_whole_or_not_at_all() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let admin = stack.admin().await;
        let committed = moment == Failure::HeldAfter;
        let invite = || post(&stack, "/users/invites", Some(&admin), &json!({}));
        cut(&stack, moment, ("InvitesFunction", TRANSACT, "InvitesTable"), invite()).await;
        // The list shows an invitation that its sender has never seen, so that it can be deleted.
        let listed = stack.get("/users/invites", Some(&admin)).await.expect(200)["items"].clone();
        assert_eq!(listed.as_array().unwrap().len(), usize::from(committed), "{moment:?}");
        let again = stack.send(invite()).await;
        let unseen = if committed {
            again.problem(409, "secret_already_shown");
            id(&listed[0])
        } else {
            id(&again.expect(201))
        };
        let revoke = || {
            stack
                .request(Method::DELETE, &format!("/users/invites/{unseen}"))
                .bearer_auth(&admin.access)
        };
        cut(&stack, moment, ("InvitesFunction", TRANSACT, "InvitesTable"), revoke()).await;
        assert_eq!(stack.send(revoke()).await.status, if committed { 404 } else { 204 });

        let token =
            stack.post("/users/invites", Some(&admin), &json!({})).await.expect(201)["token"]
                .clone();
        let new = |username: &str| {
            json!({
                "username": username, "email": format!("{username}@example.com"),
                "password": "Correct-Horse-9", "invite": token,
            })
        };
        let register = || post(&stack, "/auth/register", None, &new("guest"));
        cut(&stack, moment, ("RegisterFunction", TRANSACT, "InvitesTable"), register()).await;
        // Before: the invitation is still valid. After: this account has used it. In either case
        // the client gets its account.
        assert_eq!(stack.send(register()).await.expect(201)["user"]["username"], "guest");
        stack.post("/auth/register", None, &new("second")).await.invalid(&["/invite"]);
        stack.login("guest", "Correct-Horse-9").await;
    }
}

#[tokio::test]
async fn a_change_of_an_account_is_made_whole_or_not_at_all() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let admin = stack.admin().await;
        let caller = stack.someone().await;
        let target = user_id(&stack, &caller.username).await;
        let change = json!({"is_active": false});
        let request = stack
            .request(Method::PATCH, &format!("/users/{target}"))
            .bearer_auth(&admin.access)
            .json(&change);
        cut(&stack, moment, ("UsersFunction", TRANSACT, "UsersTable"), request).await;
        let committed = moment == Failure::HeldAfter;
        assert_eq!(
            events(&stack, "user.updated", "success").await,
            usize::from(committed),
            "{moment:?}"
        );
        assert_eq!(
            stack.get("/auth/sessions", Some(&caller)).await.status,
            if committed { 401 } else { 200 }
        );
        patch(&stack, &admin, &target, &change).await.expect(200);
        stack.get("/auth/sessions", Some(&caller)).await.problem(401, "invalid_token");
    }
}

#[tokio::test]
async fn an_account_changes_hands_whole_or_not_at_all() {
    let tenant = FakeTenant::start();
    for moment in MOMENTS {
        let stack = TestStack::with_sso(&tenant, &[]).await;
        let admin = stack.admin().await;
        let caller = stack.someone().await;
        let target = own_id(&stack, &caller).await;
        let path = format!("/users/{target}/sso");
        let committed = moment == Failure::HeldAfter;
        let person = Person::new("Anna Berg");
        let body = json!({"tenant": TENANT, "subject": person.object});
        let bind = || stack.request(Method::PUT, &path).bearer_auth(&admin.access).json(&body);
        cut(&stack, moment, ("UsersFunction", TRANSACT, "UsersTable"), bind()).await;
        assert_eq!(
            events(&stack, "account.linked", "success").await,
            usize::from(committed),
            "{moment:?}"
        );
        assert_eq!(
            stack.get("/auth/sessions", Some(&caller)).await.status,
            if committed { 401 } else { 200 }
        );
        stack.send(bind()).await.expect(200);
        assert_eq!(own_id(&stack, &stack.sso(&tenant, &person).await).await, target);

        let free = || stack.request(Method::DELETE, &path).bearer_auth(&admin.access);
        cut(&stack, moment, ("UsersFunction", TRANSACT, "UsersTable"), free()).await;
        let user = stack.get(&format!("/users/{target}"), Some(&admin)).await.expect(200);
        assert_eq!(user["sign_in"], if committed { "password" } else { "sso" }, "{moment:?}");
        assert_eq!(stack.send(free()).await.status, if committed { 404 } else { 204 });
        let email = person.email.as_deref().unwrap();
        let token = stack.mailed_token("/auth/password/forgot", email).await;
        let reset = json!({"token": token, "new_password": "Another-Horse-9"});
        stack.post("/auth/password/reset", None, &reset).await.expect(204);
        stack.login(email, "Another-Horse-9").await;
    }
}

#[tokio::test]
async fn a_budget_whose_change_is_cut_is_as_before_or_as_asked_for() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let admin = stack.admin().await;
        let caller = stack.someone().await;
        let path = format!("/users/{}/budget", user_id(&stack, &caller.username).await);
        let change = json!({"monthly_usd": "1.50"});
        let request = stack.request(Method::PUT, &path).bearer_auth(&admin.access).json(&change);
        cut(&stack, moment, ("BudgetsFunction", TRANSACT, "BudgetsTable"), request).await;
        let committed = moment == Failure::HeldAfter;
        let before = stack.get(&path, Some(&caller)).await.expect(200);
        assert_eq!(
            (&before["is_default"], before["monthly_usd"] == "1.50"),
            (&json!(!committed), committed)
        );
        assert_eq!(
            events(&stack, "budget.set", "success").await,
            usize::from(committed),
            "{moment:?}"
        );
        let after = stack.call(Method::PUT, &path, &admin, &change).await.expect(200);
        assert_eq!(stack.get(&path, Some(&caller)).await.expect(200), after);
    }
}

#[tokio::test]
async fn all_sessions_end_or_none() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let other = stack.demo().await;
        let caller = stack.demo().await;
        let logout = post(&stack, "/auth/logout", Some(&caller), &json!({"all": true}));
        cut(&stack, moment, ("LogoutFunction", TRANSACT, "SessionsTable"), logout).await;
        if moment == Failure::HeldBefore {
            assert_eq!(sessions(&stack, &caller).await, 2);
            stack.post("/auth/logout", Some(&caller), &json!({"all": true})).await.expect(204);
        }
        for caller in [&other, &caller] {
            stack.get("/auth/sessions", Some(caller)).await.problem(401, "invalid_token");
        }
        assert_eq!(events(&stack, "auth.logout", "success").await, 1, "{moment:?}");
    }
}

#[tokio::test]
async fn a_refresh_grant_that_is_cut_ends_no_session() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let caller = stack.someone().await;
        let body = json!({"grant_type": "refresh_token", "refresh_token": caller.refresh});
        let spend = || coverage::request(&stack, Method::POST, "/auth/token", None, Some(&body));
        cut(&stack, moment, ("TokenFunction", TRANSACT, "SessionsTable"), spend()).await;
        let pair = stack.send(spend()).await.expect(200);
        assert_eq!(stack.send(spend()).await.expect(200), pair, "{moment:?}");
    }
}

#[tokio::test]
async fn the_first_administrator_is_there_with_the_event_or_not_at_all() {
    for moment in MOMENTS {
        let stack =
            TestStack::with(&[("SeedDemoUsers", "off"), ("RateLimits", "*=100000/1m")]).await;
        let caller = stack.someone().await;
        let candidate = json!({"username": caller.username}).to_string();
        let bootstrap = || stack.local.invoke("BootstrapAdminFunction", candidate.clone());
        stack.fail("UsersTable", Some(TRANSACT), moment, 1);
        let kill = async {
            stack.local.aws().held().await;
            stack.local.functions().kill("BootstrapAdminFunction").unwrap();
        };
        let (answer, ()) = futures_util::join!(bootstrap(), kill);
        assert!(answer.is_err(), "{moment:?}");
        let committed = moment == Failure::HeldAfter;
        assert_eq!(
            stack.get("/users", Some(&caller)).await.status,
            if committed { 200 } else { 403 }
        );
        // A second call reports that there is one.
        assert_eq!(bootstrap().await.is_err(), committed);
        stack.get("/users", Some(&caller)).await.expect(200);
        let made = stack.events(&caller, "admin.bootstrapped").await;
        assert_eq!(
            made.iter().filter(|event| event["outcome"] == "success").count(),
            1,
            "{moment:?}"
        );
    }
}

#[tokio::test]
async fn an_invitation_of_the_first_administrator_that_is_cut_is_made_again() {
    for moment in MOMENTS {
        let stack =
            TestStack::with(&[("SeedDemoUsers", "off"), ("RateLimits", "*=100000/1m")]).await;
        let candidate = json!({"email": "first@example.com"}).to_string();
        let bootstrap = || stack.local.invoke("BootstrapAdminFunction", candidate.clone());
        stack.fail("InvitesTable", Some(TRANSACT), moment, 1);
        let kill = async {
            stack.local.aws().held().await;
            stack.local.functions().kill("BootstrapAdminFunction").unwrap();
        };
        let (answer, ()) = futures_util::join!(bootstrap(), kill);
        assert!(answer.is_err(), "{moment:?}");
        // The token that was never delivered stays unused. The next one works.
        let answer: Value = serde_json::from_slice(&bootstrap().await.unwrap()).unwrap();
        let body = json!({
            "username": "first", "email": "first@example.com", "password": "Correct-Horse-9",
            "invite": answer["invite"],
        });
        stack.post("/auth/register", None, &body).await.expect(201);
        let first = stack.login("first", "Correct-Horse-9").await;
        stack.get("/users", Some(&first)).await.expect(200);
        let made = stack.events(&first, "admin.bootstrapped").await;
        assert_eq!(made.len(), 1 + usize::from(moment == Failure::HeldAfter), "{moment:?}");
    }
}

#[tokio::test]
async fn a_mail_that_is_cut_as_it_is_asked_for_again_comes_when_it_is_asked_for_once_more() {
    for moment in MOMENTS {
        let stack =
            TestStack::with(&[("EmailVerification", "on"), ("RateLimits", "*=100000/1m")]).await;
        let body =
            json!({"username": "slow", "email": "slow@example.com", "password": "Correct-Horse-9"});
        stack.post("/auth/register", None, &body).await.expect(201);
        stack.token_from(0, "slow@example.com").await;
        let resend =
            post(&stack, "/auth/email/resend", None, &json!({"email": "slow@example.com"}));
        cut(&stack, moment, ("AskMailFunction", TRANSACT, "ErrandsTable"), resend).await;
        let token = stack.mailed_token("/auth/email/resend", "slow@example.com").await;
        stack.post("/auth/email/verify", None, &json!({"token": token})).await.expect(200);
        stack.login("slow", "Correct-Horse-9").await;
    }
}

//! Sign-ins at the identity provider, and accounts that change to it.

use serde_json::json;
use tally_local::aws::Failure;
use tally_tests::TestStack;
use tally_tests::fake_tenant::{FakeTenant, Person};

use super::{MOMENTS, TRANSACT, cut, events, post, sessions};
use crate::sso::browser::code_of;

#[tokio::test]
async fn a_first_sign_in_that_is_cut_makes_one_account_or_none() {
    for moment in MOMENTS {
        let tenant = FakeTenant::start();
        let stack = TestStack::with_sso(&tenant, &[]).await;
        let person = Person::new("cut");
        let body = json!({"token": tenant.token(&person)});
        let sign_in = post(&stack, "/auth/sso", None, &body);
        cut(&stack, moment, ("SsoFunction", TRANSACT, "UsersTable"), sign_in).await;
        let provisioned = async || {
            let logins = stack.events(&stack.admin().await, "auth.login").await;
            logins.iter().filter(|event| event["detail"]["provisioned"] == true).count()
        };
        let committed = usize::from(moment == Failure::HeldAfter);
        assert_eq!(provisioned().await, committed, "{moment:?}");
        // The client signs in again. In either case the person has one account.
        let caller = stack.sso(&tenant, &person).await;
        assert_eq!(provisioned().await, 1, "{moment:?}");
        assert_eq!(sessions(&stack, &caller).await, 1 + committed, "{moment:?}");
    }
}

#[tokio::test]
async fn a_code_whose_sign_in_is_cut_is_good_or_spent() {
    for moment in MOMENTS {
        let tenant = FakeTenant::start();
        let stack = TestStack::with_sso(&tenant, &[]).await;
        let person = Person::new("cut");
        let body = code_of(&stack, &tenant, &person).await;
        let sign_in = || post(&stack, "/auth/sso", None, &body);
        cut(&stack, moment, ("SsoFunction", TRANSACT, "SsoHandoffsTable"), sign_in()).await;
        let again = stack.send(sign_in()).await;
        if moment == Failure::HeldBefore {
            again.expect(200);
        } else {
            // The browser has a session at the provider. So another round asks its user nothing.
            again.problem(401, "invalid_sso_code");
            let body = code_of(&stack, &tenant, &person).await;
            stack.post("/auth/sso", None, &body).await.expect(200);
        }
    }
}

#[tokio::test]
async fn an_account_is_linked_whole_or_not_at_all() {
    for moment in MOMENTS {
        let tenant = FakeTenant::start();
        let stack = TestStack::with_sso(&tenant, &[]).await;
        let caller = stack.someone().await;
        let person = Person::new("cut");
        let body = json!({"token": tenant.token(&person), "current_password": "Correct-Horse-9"});
        let link = || post(&stack, "/auth/sso/link", Some(&caller), &body);
        cut(&stack, moment, ("SsoFunction", TRANSACT, "UsersTable"), link()).await;
        let committed = moment == Failure::HeldAfter;
        let user = stack.get("/auth/me", Some(&caller)).await.expect(200)["user"].clone();
        assert_eq!(user["sign_in"], if committed { "sso" } else { "password" }, "{moment:?}");
        assert_eq!(events(&stack, "account.linked", "success").await, usize::from(committed));
        let again = stack.send(link()).await;
        if committed {
            again.problem(409, "managed_by_sso");
        } else {
            again.expect(200);
        }
        let signed_in = stack.sso(&tenant, &person).await;
        let found = stack.get("/auth/me", Some(&signed_in)).await.expect(200);
        assert_eq!(found["user"]["id"], user["id"], "{moment:?}");
    }
}

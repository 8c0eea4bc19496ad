//! What `GET /ready` says of the identity provider.

use serde_json::json;
use tally_tests::TestStack;
use tally_tests::fake_tenant::{FakeTenant, Fault, Person};

use super::browser::{Browser, Page};
use super::{all_is_well, readiness, sign_ins_fail};

#[tokio::test]
async fn where_single_sign_on_is_off_readiness_does_not_name_it() {
    let stack = TestStack::start().await;
    let ready = stack.get("/ready", None).await.expect(200);
    assert_eq!((&ready["status"], ready["checks"].get("sso")), (&json!("ok"), None));
}

#[tokio::test]
async fn readiness_says_that_no_keys_arrive_until_they_do() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    assert_eq!(readiness(&stack).await, all_is_well());
    let body = json!({"token": tenant.token(&Person::new("patient"))});

    tenant.fault(Fault::Status(500));
    let refused = stack.post("/auth/sso", None, &body).await;
    refused.problem(503, "unavailable");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    assert_eq!(readiness(&stack).await, sign_ins_fail());
    // A password needs no provider.
    stack.demo().await;

    tenant.heal();
    stack.post("/auth/sso", None, &body).await.expect(200);
    assert_eq!(readiness(&stack).await, all_is_well());
}

#[tokio::test]
async fn readiness_says_that_the_credential_is_refused_until_it_is_taken() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let person = Person::new("patient");
    // The secret has expired.
    tenant.fault(Fault::Refuse("AADSTS7000222"));
    let mut browser = Browser::new(&stack);
    let refused = browser.sign_in(&tenant, &person, &Page::new()).await;
    assert!(refused.contains_key("error"), "{refused:?}");
    assert_eq!(readiness(&stack).await, sign_ins_fail());
    // A token that a client has got from the provider needs no credential of this server.
    stack.sso(&tenant, &person).await;
    assert_eq!(readiness(&stack).await, sign_ins_fail());

    tenant.heal();
    let returned = browser.sign_in(&tenant, &person, &Page::new()).await;
    assert!(returned.contains_key("code"), "{returned:?}");
    assert_eq!(readiness(&stack).await, all_is_well());
}

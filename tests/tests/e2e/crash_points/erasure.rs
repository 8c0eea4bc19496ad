//! The worker that erases users, cut at each of its writes.

use std::time::Duration;

use futures_util::future::join;
use http::Method;
use platform::clock::Clock;
use platform::context::Context;
use platform::identity::{Credential, Principal};
use serde_json::json;
use tally_accounts::store::{Confirmation, Erasure, Erasures};
use tally_local::aws::Failure;
use tally_tests::{Caller, TestStack};

use super::{MOMENTS, TRANSACT, cut, events};
use crate::api_keys::new_key;
use crate::audit::ask;
use crate::audit::erasure::{
    assert_erased, confirm_erasure, done, finish, own_id, request_erasure, second_admin, start,
};
use crate::chat::FAST;

/// The writes of the worker, in their order.
const WRITES: [(&str, &str); 8] = [
    ("UpdateItem", "DataKeysTable"),
    (TRANSACT, "UsersTable"),
    ("BatchWriteItem", "ApiKeysTable"),
    ("BatchWriteItem", "AuditTextsTable"),
    ("UpdateItem", "ErasuresTable"),
    ("BatchWriteItem", "UsageTable"),
    ("BatchWriteItem", "BudgetsTable"),
    (TRANSACT, "ErasuresTable"),
];

/// Leaves the erasure of a user as two administrators do, but starts no worker.
async fn confirmed(stack: &TestStack, user_id: &str) {
    let platform = stack.platform("ErasuresFunction");
    let erasures = Erasures::new(&platform).unwrap();
    let now = Clock::System.now();
    let by = Principal {
        user_id: "019a0000-0000-7000-8000-00000000000b".into(),
        username: "second".into(),
        credential: Credential::SessionId("019a0000-0000-7000-8000-00000000000c".into()),
    };
    let confirmation = Confirmation { by, context: Context::default() };
    let erasure = Erasure::new(user_id, "019a0000-0000-7000-8000-00000000000a", now);
    for write in [
        erasures.request(&erasure, now).unwrap(),
        erasures.confirm(user_id, &confirmation, now).unwrap(),
    ] {
        platform.database().unwrap().commit(vec![write]).await.unwrap();
    }
}

#[tokio::test]
async fn an_erasure_that_is_cut_goes_on_where_it_was() {
    for moment in MOMENTS {
        for (operation, table) in WRITES {
            let stack = TestStack::with(&FAST).await;
            let person = stack.someone().await;
            let user_id = own_id(&stack, &person).await;
            let admin = stack.admin().await;
            ask(&stack, &person, "Cut me off").await;
            let key = new_key(&["chat:write"], Duration::from_hours(24));
            stack.post("/api-keys", Some(&person), &key).await.expect(201);
            let path = format!("/users/{user_id}/budget");
            let budget = json!({"monthly_usd": "5"});
            stack.call(Method::PUT, &path, &admin, &budget).await.expect(200);
            confirmed(&stack, &user_id).await;

            stack.fail(table, Some(operation), moment, 1);
            let kill = async {
                stack.local.aws().held().await;
                stack.local.functions().kill("EraseFunction").unwrap();
            };
            join(finish(&stack, &user_id), kill).await;
            assert_erased(&stack, &user_id, &["Cut me off"]).await;
            assert!(stack.items("AuditTextsTable").await.is_empty(), "{moment:?} {table}");
            for action in ["account.deleted", "account.erased"] {
                assert_eq!(done(&stack, &admin, action, &user_id).await, 1, "{moment:?} {table}");
            }
        }
    }
}

#[tokio::test]
async fn a_request_for_an_erasure_and_its_confirmation_are_there_or_not() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let first = stack.admin().await;
        let second = second_admin(&stack, &first).await;
        let user_id = own_id(&stack, &stack.demo().await).await;
        let committed = moment == Failure::HeldAfter;
        let post = |path: &str, caller: &Caller| {
            stack.request(Method::POST, path).bearer_auth(&caller.access)
        };
        let path = format!("/users/{user_id}/erase");
        let point = ("ErasuresFunction", TRANSACT, "ErasuresTable");
        cut(&stack, moment, point, post(&path, &first)).await;
        let again = request_erasure(&stack, &first, &user_id).await;
        assert_eq!(again.status, if committed { 409 } else { 202 }, "{moment:?}");
        let path = format!("{path}/confirm");
        cut(&stack, moment, point, post(&path, &second)).await;
        let again = confirm_erasure(&stack, &second, &user_id).await;
        assert_eq!(again.status, if committed { 409 } else { 202 }, "{moment:?}");
        // If the worker was not started, its schedule begins the erasure.
        finish(&stack, &user_id).await;
        for action in ["account.erase_requested", "account.erase_confirmed", "account.erased"] {
            assert_eq!(events(&stack, action, "success").await, 1, "{action} {moment:?}");
        }
    }
}

/// No worker was started after the confirmation, and meanwhile the other administrators have gone.
#[tokio::test]
async fn the_last_administrator_is_erased_once_there_is_another() {
    let stack = TestStack::start().await;
    let last = stack.admin().await;
    let user_id = own_id(&stack, &last).await;
    confirmed(&stack, &user_id).await;
    for _ in 0..2 {
        assert!(!start(&stack, "EraseFunction", &user_id).await);
    }
    // A run that waits leaves no event.
    assert_eq!(stack.events(&last, "account.deleted").await.len(), 0);
    let other = second_admin(&stack, &last).await;
    finish(&stack, &user_id).await;
    assert_erased(&stack, &user_id, &[]).await;
    assert_eq!(done(&stack, &other, "account.deleted", &user_id).await, 1);
}

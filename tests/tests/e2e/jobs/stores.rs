//! Stores that fail under a worker.

use serde_json::json;
use tally_local::aws::Failure;
use tally_tests::messages_api::MessagesApi;

use super::worker::{left, work};
use super::{PRICE, check, codes, events, shown, stack, start, well};
use crate::chat::text;
use crate::job_api::{ended, nanos, read};

const TRANSACT: Option<&str> = Some("TransactWriteItems");

#[tokio::test]
async fn a_change_whose_answer_is_lost_or_that_fails_at_first_counts_once() {
    let api = MessagesApi::start(well).await;
    let stack = stack(&api, &[]).await;
    let caller = stack.someone().await;
    // The SDK sends a change three times, and the worker tries again after that.
    for failure in [Failure::AnswerLost, Failure::Internal] {
        for passed in [0, 1] {
            let before = api.asked().len();
            stack.fail("JobItemsTable", TRANSACT, Failure::Passed, passed);
            stack.fail("JobItemsTable", TRANSACT, failure, 3);
            let job = start(&stack, &caller, 6).await;
            let job = ended(&stack, &caller, &job).await;
            let found = (text(&job["status"]), nanos(&job["cost_usd"]));
            assert_eq!(found, ("succeeded", 7 * PRICE), "{failure:?} {passed} {job}");
            for item in check(&stack, &caller, &job).await {
                assert_eq!(item["attempts"], 1, "{failure:?} {passed} {item}");
            }
            assert_eq!(api.asked().len() - before, 7, "{failure:?} {passed}");
            assert_eq!(events(&stack, &caller, "job.item", &job).await.len(), 7);
        }
    }
}

#[tokio::test]
async fn a_store_that_a_call_needs_pauses_the_job_and_at_last_fails_the_call() {
    let api = MessagesApi::start(well).await;
    let stack = stack(&api, &[]).await;
    let caller = stack.someone().await;
    let lose = || stack.fail("AuditTextsTable", Some("PutItem"), Failure::Internal, usize::MAX);
    // The texts of the events cannot be stored, so the answers do not count. They are paid.
    lose();
    let job = start(&stack, &caller, 3).await;
    let head = left(&stack, &caller, &job).await;
    assert_eq!(head.cost.nanos(), 3 * PRICE);
    let waits = read(&stack, &caller, &job).await;
    assert_eq!((text(&waits["status"]), &waits["counts"]["pending"]), ("running", &json!(4)));
    stack.local.aws().recover();
    work(&stack, &caller, &job).await;
    let job = read(&stack, &caller, &job).await;
    assert_eq!((text(&job["status"]), nanos(&job["cost_usd"])), ("succeeded", 7 * PRICE), "{job}");
    let attempts: Vec<_> = (check(&stack, &caller, &job).await.iter())
        .map(|item| item["attempts"].as_u64().unwrap())
        .collect();
    assert_eq!(attempts, [2, 2, 2, 1]);

    lose();
    let job = start(&stack, &caller, 1).await;
    for _ in 0..2 {
        left(&stack, &caller, &job).await;
        work(&stack, &caller, &job).await;
    }
    left(&stack, &caller, &job).await;
    stack.local.aws().recover();
    work(&stack, &caller, &job).await;
    let job = read(&stack, &caller, &job).await;
    assert_eq!((text(&job["status"]), nanos(&job["cost_usd"])), ("failed", 3 * PRICE), "{job}");
    assert_eq!(codes(&check(&stack, &caller, &job).await)[0], "interrupted");
    assert_eq!(shown(&api)[&None], 1, "there was nothing to sum up");
}

//! Workers that die, that are overtaken, and whose invocation ends.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tally_local::aws::Failure;
use tally_tests::messages_api::MessagesApi;
use tally_tests::{Caller, TestStack};
use tokio::sync::Barrier;

use super::worker::{Here, abandon, head, kill, sweep, without_workers, work, workers_ended};
use super::{PRICE, check, codes, events, hang, piece, shown, stack, start, well, world, worst};
use crate::chat::text;
use crate::job_api::{budget, ended, nanos, read, until};

/// The events of attempts whose worker died.
async fn interrupted(stack: &TestStack, caller: &Caller, job: &Value) -> usize {
    let made = events(stack, caller, "job.item", job).await;
    made.iter().filter(|event| event["detail"]["interrupted"] == true).count()
}

#[tokio::test]
async fn calls_whose_worker_was_killed_are_billed_at_their_worst_and_made_again() {
    const PIECES: usize = 12;
    let seen = Mutex::new(BTreeSet::new());
    // Each of the pieces 4 to 7 hangs when it is first shown.
    let api = MessagesApi::start(move |asked| match piece(asked) {
        Some(piece @ 4..8) if seen.lock().unwrap().insert(piece) => hang(),
        _ => well(asked),
    });
    let api = api.await;
    let stack = stack(&api, &[("JobLeaseSeconds", "3")]).await;
    let caller = stack.someone().await;
    let worst = worst(&stack, &caller).await;
    let job = start(&stack, &caller, PIECES).await;
    let held = nanos(&job["held_usd"]);
    let counts = json!({
        "total": 13, "pending": 5, "running": 4, "succeeded": 4, "failed": 0, "cancelled": 0,
    });
    until(&stack, &caller, &job, |job| job["counts"] == counts).await;
    api.was_asked(8).await;
    kill(&stack, &api, 4).await;
    // The schedule starts the next worker as soon as the lease is over.
    while head(&stack, &caller, &job).await.epoch == 1 {
        sweep(&stack).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let job = ended(&stack, &caller, &job).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    let items = check(&stack, &caller, &job).await;
    for (item, index) in items.iter().zip(0..) {
        let is_hit = (4..8).contains(&index);
        let cost = if is_hit { worst + PRICE } else { PRICE };
        let attempts = if is_hit { 2 } else { 1 };
        let found = (nanos(&item["cost_usd"]), &item["attempts"], item["estimated"] == true);
        assert_eq!(found, (cost, &json!(attempts), is_hit), "{item}");
        assert_eq!(item["status"], "succeeded", "{item}");
    }
    assert_eq!(nanos(&job["cost_usd"]), 13 * PRICE + 4 * worst);
    assert_eq!(budget(&stack, &caller).await, (13 * PRICE + 4 * worst, 0));
    assert!(nanos(&job["cost_usd"]) <= held);
    for (piece, times) in shown(&api) {
        let is_hit = piece.is_some_and(|piece| (4..8).contains(&piece));
        assert_eq!(times, if is_hit { 2 } else { 1 }, "{piece:?}");
    }
    assert_eq!(interrupted(&stack, &caller, &job).await, 4);
    assert_eq!(events(&stack, &caller, "job.item", &job).await.len(), 13 + 4);
    assert_eq!(events(&stack, &caller, "job.ended", &job).await.len(), 1);
}

#[tokio::test]
async fn an_item_whose_worker_dies_three_times_is_given_up() {
    let api = MessagesApi::start(|asked| match piece(asked) {
        Some(5) => hang(),
        _ => well(asked),
    });
    let api = api.await;
    let stack = stack(&api, &[]).await;
    let caller = stack.someone().await;
    let worst = worst(&stack, &caller).await;
    let job = start(&stack, &caller, 6).await;
    for times in 1..=3 {
        api.was_asked(5 + times).await;
        until(&stack, &caller, &job, |job| job["counts"]["succeeded"] == 5).await;
        kill(&stack, &api, times).await;
        abandon(&stack, &caller, &job).await;
        sweep(&stack).await;
    }
    let job = ended(&stack, &caller, &job).await;
    assert_eq!(
        (text(&job["status"]), nanos(&job["cost_usd"])),
        ("succeeded", 6 * PRICE + 3 * worst)
    );
    let items = check(&stack, &caller, &job).await;
    assert_eq!(codes(&items), ["", "", "", "", "", "interrupted", ""]);
    assert_eq!((nanos(&items[5]["cost_usd"]), &items[5]["attempts"]), (3 * worst, &json!(3)));
    assert_eq!(interrupted(&stack, &caller, &job).await, 3);
    assert_eq!(shown(&api)[&Some(5)], 3);
}

#[tokio::test]
async fn a_worker_that_was_overtaken_stores_nothing() {
    const TRANSACT: Option<&str> = Some("TransactWriteItems");
    let api = MessagesApi::start(well).await;
    let stack = stack(&api, &[]).await;
    let caller = stack.someone().await;
    let worst = worst(&stack, &caller).await;
    // The worker stores that calls begin, and then waits for the store of their answers.
    stack.fail("JobItemsTable", TRANSACT, Failure::Passed, 1);
    stack.fail("JobItemsTable", TRANSACT, Failure::HeldBefore, 1);
    let job = start(&stack, &caller, 8).await;
    stack.local.aws().held().await;
    let job_before = read(&stack, &caller, &job).await;
    assert_eq!(job_before["counts"]["running"], 4, "{job_before}");
    abandon(&stack, &caller, &job).await;
    work(&stack, &caller, &job).await;
    let job = read(&stack, &caller, &job).await;
    let expected = ("succeeded", 9 * PRICE + 4 * worst);
    assert_eq!((text(&job["status"]), nanos(&job["cost_usd"])), expected, "{job}");
    // The first worker sends its answers again, and ends.
    workers_ended(&stack, 2).await;
    assert_eq!(read(&stack, &caller, &job).await, job);
    check(&stack, &caller, &job).await;
    assert_eq!(interrupted(&stack, &caller, &job).await, 4);
    assert_eq!(events(&stack, &caller, "job.item", &job).await.len(), 9 + 4);
    assert_eq!(events(&stack, &caller, "job.ended", &job).await.len(), 1);
}

#[tokio::test]
async fn a_worker_whose_invocation_ends_hands_its_job_over() {
    // Of the first four calls, three hang. The other one ends when the worker begins no more.
    let barrier = Arc::new(Barrier::new(2));
    let held = Arc::clone(&barrier);
    let api = MessagesApi::start(move |asked| match asked.number {
        0..3 => hang(),
        3 => well(asked).held_at(0, &held),
        _ => well(asked),
    });
    let api = api.await;
    let stack = world(&api, &[], without_workers).await;
    let caller = stack.someone().await;
    let job = start(&stack, &caller, 6).await;
    let here = Here::new(&stack, &caller, &job).await;
    let drive = async {
        api.was_asked(4).await;
        here.leave(Duration::from_secs(59));
        barrier.wait().await;
        until(&stack, &caller, &job, |job| job["counts"]["succeeded"] == 1).await;
        assert_eq!(api.asked().len(), 4, "no further call begins");
        here.leave(Duration::from_secs(14));
        api.hung_up(3).await;
    };
    let (worked, ()) = tokio::join!(here.run(), drive);
    worked.unwrap();
    // Its successor is a worker of the stack.
    let job = ended(&stack, &caller, &job).await;
    assert_eq!((text(&job["status"]), job.get("error")), ("succeeded", None), "{job}");
    let items = check(&stack, &caller, &job).await;
    let again: Vec<_> = items.iter().filter(|item| item["attempts"] == 2).collect();
    assert_eq!(again.len(), 3, "{items:?}");
    for item in again {
        // What was broken off is paid as far as it had come.
        assert!(nanos(&item["cost_usd"]) > PRICE && item["estimated"] == true, "{item}");
    }
    assert_eq!(api.asked().len(), 4 + 3 + 2 + 1);
    assert_eq!(interrupted(&stack, &caller, &job).await, 0);
    assert_eq!(head(&stack, &caller, &job).await.epoch, 2);
}

//! A provider whose rate limit is reached, or that is out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use platform::clock::Clock;
use serde_json::json;
use tally_tests::messages_api::{Answer, MessagesApi};

use super::worker::{left, sweep, work};
use super::{PRICE, check, estimate, piece, stack, start, well};
use crate::chat::text;
use crate::job_api::{budget, cancel, ended, nanos, read};

/// Requests that are turned away before the first one is answered. If they counted, each item would
/// have used up its attempts.
const LIMITED: usize = 60;

#[tokio::test]
async fn a_rate_limit_is_waited_for_with_a_worker_or_without_one() {
    const SHORT: usize = 0;
    const HOUR: usize = 1;
    const EVER: usize = 2;
    let mode = Arc::new(AtomicUsize::new(SHORT));
    let now = Arc::clone(&mode);
    let api = MessagesApi::start(move |asked| {
        let limited = Answer::error(429, "rate_limit_error");
        match (now.load(Ordering::Relaxed), piece(asked)) {
            (SHORT, Some(_)) if asked.number < LIMITED => limited.header("retry-after-ms", "10"),
            (HOUR, Some(_)) => limited.header("retry-after", "3600"),
            (EVER, Some(_)) => limited.header("retry-after", "99999999999999"),
            _ => well(asked),
        }
    });
    let api = api.await;
    let stack = stack(&api, &[("JobParallel", "2")]).await;
    let caller = stack.someone().await;
    let job = start(&stack, &caller, 4).await;
    let job = ended(&stack, &caller, &job).await;
    assert_eq!((text(&job["status"]), nanos(&job["cost_usd"])), ("succeeded", 5 * PRICE), "{job}");
    assert_eq!(api.asked().len(), LIMITED + 5);
    for item in check(&stack, &caller, &job).await {
        assert_eq!(item["attempts"], 1, "{item}");
    }

    // A worker does not wait for an hour. A wait never goes beyond the round.
    for (wait, range) in [(HOUR, 3_500..=3_601), (EVER, 86_000..=86_400)] {
        mode.store(wait, Ordering::Relaxed);
        let job = start(&stack, &caller, 2).await;
        let head = left(&stack, &caller, &job).await;
        let due_in = head.due_at.unwrap() - Clock::System.now().as_second();
        assert!(range.contains(&due_in), "{due_in}");
        assert!(head.due_at.unwrap() <= head.deadline / 1_000);
        let waits = read(&stack, &caller, &job).await;
        let found = (text(&waits["status"]), &waits["counts"]["pending"]);
        assert_eq!(found, ("running", &json!(3)), "{waits}");
        assert_eq!(budget(&stack, &caller).await.1, estimate(&stack, &caller, 2).await);
        // It stops at once all the same.
        cancel(&stack, &caller, &job).await.expect(200);
        let job = ended(&stack, &caller, &job).await;
        let found = (text(&job["status"]), &job["counts"]["cancelled"], text(&job["cost_usd"]));
        assert_eq!(found, ("cancelled", &json!(3), "0.00"), "{job}");
        check(&stack, &caller, &job).await;
    }
}

#[tokio::test]
async fn an_outage_is_outlasted_however_often_a_worker_meets_it() {
    let is_out = Arc::new(AtomicBool::new(true));
    let now = Arc::clone(&is_out);
    let api = MessagesApi::start(move |asked| {
        if now.load(Ordering::Relaxed) {
            return Answer::error(529, "overloaded_error").header("retry-after-ms", "1");
        }
        well(asked)
    });
    let api = api.await;
    let stack = stack(&api, &[]).await;
    let caller = stack.someone().await;
    let job = start(&stack, &caller, 6).await;
    for _ in 0..5 {
        let head = left(&stack, &caller, &job).await;
        // The schedule starts its next worker in half a minute. Nothing else waits until then.
        let due_in = head.due_at.unwrap() - Clock::System.now().as_second();
        assert!((1..=30).contains(&due_in), "{due_in}");
        sweep(&stack).await;
        let waits = read(&stack, &caller, &job).await;
        let found = (text(&waits["status"]), &waits["counts"]["pending"]);
        assert_eq!(found, ("running", &json!(7)), "{waits}");
        work(&stack, &caller, &job).await;
    }
    let held = estimate(&stack, &caller, 6).await;
    assert_eq!(budget(&stack, &caller).await, (0, held));

    is_out.store(false, Ordering::Relaxed);
    // The circuit would stay open for half a minute.
    stack.delete_item("OutagesTable", &json!({"part": {"S": "models"}})).await;
    work(&stack, &caller, &job).await;
    let job = read(&stack, &caller, &job).await;
    assert_eq!((text(&job["status"]), nanos(&job["cost_usd"])), ("succeeded", 7 * PRICE), "{job}");
    for item in check(&stack, &caller, &job).await {
        assert_eq!(item["attempts"], 1, "{item}");
    }
}

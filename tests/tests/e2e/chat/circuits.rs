//! Circuits to models. All workers count failures in one item, which `GET /ready` reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use assistant::store::{OPEN_MS, THRESHOLD};
use futures_util::future::join_all;
use platform::clock::Timestamp;
use serde_json::{Value, json};
use tally_tests::messages_api::{Answer, MessagesApi, reply};
use tally_tests::{Circuits, TestStack};

use super::{ask_async, claude, path_of, poll};

#[tokio::test]
async fn a_circuit_opens_after_failures_in_a_row_and_closes_by_a_trial() {
    let circuits = Circuits::start().await;
    let outages = circuits.outages();
    let at = |seconds: i64| Timestamp::from_second(1_800_000_000 + seconds).unwrap();
    let admits = async |model: &str, seconds| outages.admits(model, at(seconds)).await.unwrap();
    let fail = async |model: &str, seconds| outages.failed(model, 2, at(seconds)).await.unwrap();
    for failures in 1..THRESHOLD {
        assert_eq!(fail("a", 0).await, failures);
    }
    assert!(!outages.succeeded("a", at(0)).await.unwrap(), "it was not open");
    for failures in 1..THRESHOLD {
        assert!(admits("a", 0).await);
        assert_eq!(fail("a", 0).await, failures);
    }
    assert!(admits("a", 0).await);
    fail("a", 0).await;
    let open = OPEN_MS / 1_000;
    let last = OPEN_MS / 1_000 - 1;
    assert!(
        !admits("a", 0).await && !admits("a", last).await && admits("b", 0).await,
        "one for each model"
    );
    assert_eq!(
        (circuits.outage(at(last)).await, circuits.outage(at(open)).await),
        (Some(false), None)
    );
    for _ in 0..THRESHOLD {
        fail("b", 0).await;
    }
    assert_eq!(circuits.outage(at(last)).await, Some(true));

    // When the circuit's time is over, one of all that come tries. If it gives up, another one
    // tries later.
    for trial in [open, 2 * open] {
        let tries = join_all((0..10).map(|_| admits("a", trial))).await;
        assert_eq!(tries.iter().filter(|tries| **tries).count(), 1);
        assert!(!admits("a", trial + last).await);
    }
    fail("a", 3 * open).await;
    assert!(!admits("a", 3 * open + last).await);
    assert!(outages.succeeded("a", at(3 * open + last)).await.unwrap(), "it was open");
    assert!(admits("a", 3 * open + last).await);
    assert_eq!(fail("a", 3 * open + last).await, 1, "what was before is forgotten");

    // Failures of long ago are forgotten as well.
    assert!(
        join_all((0..20).map(|_| fail("c", 0))).await.contains(&20),
        "each of those that come at once is counted"
    );
    assert!(admits("c", 300).await);
    assert_eq!(fail("c", 300).await, 1);
}

async fn readiness(stack: &TestStack) -> (Value, Value) {
    // Accounts and data answer, in any state of the assistant.
    let ready = stack.get("/ready", None).await.expect(200).clone();
    (ready["status"].clone(), ready["checks"]["assistant"]["status"].clone())
}

#[tokio::test]
async fn readiness_says_that_a_model_is_not_asked_and_that_none_is() {
    let second_fails = Arc::new(AtomicBool::new(false));
    let fails = Arc::clone(&second_fails);
    let api = MessagesApi::start(move |asked| {
        let overloaded = asked.body["model"] == "first" || fails.load(Ordering::Relaxed);
        if overloaded {
            Answer::error(529, "overloaded_error").header("retry-after-ms", "1")
        } else {
            Answer::stream(reply(&["Well"]))
        }
    });
    let api = api.await;
    let stack = claude::stack(&api, &[]).await;
    let caller = stack.someone().await;
    assert_eq!(readiness(&stack).await, ("ok".into(), "ok".into()));
    for (fails, status, assistant) in [(false, 200, "degraded"), (true, 503, "failing")] {
        second_fails.store(fails, Ordering::Relaxed);
        let mut asked = 0;
        while readiness(&stack).await != ("degraded".into(), assistant.into()) {
            asked += 1;
            assert!(asked < 50, "{assistant}");
            stack
                .post("/chat", Some(&caller), &json!({"message": "How are you?"}))
                .await
                .expect(status);
        }
    }
}

#[tokio::test]
async fn readiness_says_that_the_key_is_refused_until_a_model_answers() {
    let is_refused = Arc::new(AtomicBool::new(true));
    let refused = Arc::clone(&is_refused);
    let api = MessagesApi::start(move |_| {
        let is_refused = refused.load(Ordering::Relaxed);
        if is_refused {
            Answer::error(401, "authentication_error")
        } else {
            Answer::stream(reply(&["Well"]))
        }
    });
    let api = api.await;
    let stack = claude::stack(&api, &[]).await;
    let caller = stack.someone().await;
    let ask =
        async || stack.post("/chat", Some(&caller), &json!({"message": "How are you?"})).await;
    assert_eq!(readiness(&stack).await, ("ok".into(), "ok".into()));
    // The number does not matter: this is no outage, which another attempt could overcome.
    for _ in 0..=THRESHOLD {
        ask().await.problem(502, "provider_rejected");
        assert_eq!(readiness(&stack).await, ("degraded".into(), "failing".into()));
    }
    is_refused.store(false, Ordering::Relaxed);
    ask().await.expect(200);
    assert_eq!(readiness(&stack).await, ("ok".into(), "ok".into()));
}

#[tokio::test]
async fn a_key_that_was_refused_is_forgotten_after_five_minutes() {
    let circuits = Circuits::start().await;
    let outages = circuits.outages();
    let at = |seconds: i64| Timestamp::from_second(1_800_000_000 + seconds).unwrap();
    outages.key_refused(2, at(0)).await.unwrap();
    outages.key_refused(2, at(0)).await.unwrap();
    assert_eq!(
        (circuits.outage(at(299)).await, circuits.outage(at(300)).await),
        (Some(true), None)
    );
    assert!(outages.admits("a", at(0)).await.unwrap());
    for _ in 0..THRESHOLD {
        outages.failed("a", 2, at(300)).await.unwrap();
    }
    // A success of one model says only that the key is good. It says nothing about the other model.
    outages.key_refused(2, at(300)).await.unwrap();
    assert!(!outages.succeeded("b", at(300)).await.unwrap());
    assert_eq!(circuits.outage(at(300)).await, Some(false));
    assert!(outages.succeeded("a", at(300)).await.unwrap());
    assert_eq!(circuits.outage(at(300)).await, None);
}

#[tokio::test]
async fn calls_that_hang_in_many_workers_open_the_circuit_of_all() {
    const CALLS: usize = 40;
    let api = MessagesApi::with(vec![Answer::silence()]).await;
    let stack = claude::world_of(&api, |options| {
        options.processes.per_function = 32;
        options.sets.retain(|(name, _)| name != "AiFallbackModel");
        options.sets.push(("AiFirstTokenMilliseconds".into(), "5000".into()));
    });
    let stack = stack.await;
    let caller = stack.someone().await;
    let question = json!({"message": "Anyone?"});
    let mut asked = Vec::new();
    for _ in 0..CALLS {
        asked.push(ask_async(&stack, &caller, &question).await.expect(202));
    }
    for asked in &asked {
        let end = poll(&stack, &caller, &path_of(asked)).await.pop().unwrap();
        assert_eq!(end["status"], "failed");
    }
    assert_eq!(readiness(&stack).await, ("degraded".into(), "failing".into()));
    // A worker on its own would have asked three times.
    let before = api.asked().len();
    assert!(before <= CALLS, "{before}");
    stack.post("/chat", Some(&caller), &question).await.problem(503, "unavailable");
    assert_eq!(api.asked().len(), before, "nobody waits for what does not answer");
}

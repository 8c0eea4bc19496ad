//! Jobs that their users stop: while calls run, before a worker, after one, and at any moment.

use std::time::Duration;

use serde_json::json;
use tally_local::aws::Failure;
use tally_tests::messages_api::MessagesApi;

use super::worker::{WORKER, abandon, kill, sweep};
use super::{PRICE, check, events, hang, piece, stack, start, well, worst};
use crate::chat::text;
use crate::job_api::{budget, cancel, ended, nanos, read, until};

/// Pieces that are answered where all others hang.
const GOOD: usize = 2;

#[tokio::test]
async fn a_job_that_is_stopped_closes_its_calls_and_keeps_what_it_has() {
    let api = MessagesApi::start(|asked| match piece(asked) {
        Some(GOOD..) => hang(),
        _ => well(asked),
    });
    let api = api.await;
    let stack = stack(&api, &[]).await;
    let caller = stack.someone().await;
    let job = start(&stack, &caller, 8).await;
    let counts = json!({
        "total": 9, "pending": 3, "running": 4, "succeeded": 2, "failed": 0, "cancelled": 0,
    });
    until(&stack, &caller, &job, |job| job["counts"] == counts).await;
    api.was_asked(6).await;
    cancel(&stack, &caller, &job).await.expect(200);
    api.hung_up(4).await;
    let job = ended(&stack, &caller, &job).await;
    assert_eq!((text(&job["status"]), job.get("error")), ("cancelled", None), "{job}");
    let counts = json!({
        "total": 9, "pending": 0, "running": 0, "succeeded": 2, "failed": 0, "cancelled": 7,
    });
    assert_eq!(job["counts"], counts);
    for (item, index) in check(&stack, &caller, &job).await.iter().zip(0..) {
        let cost = nanos(&item["cost_usd"]);
        let found = (text(&item["status"]), &item["attempts"], item["estimated"] == true);
        match index {
            0..GOOD => assert_eq!((found, cost), (("succeeded", &json!(1), false), PRICE)),
            // It was broken off, and is paid as far as it had come.
            GOOD..6 => {
                assert_eq!((found, cost > 0), (("cancelled", &json!(1), true), true), "{item}");
            }
            _ => assert_eq!((found, cost), (("cancelled", &json!(0), false), 0), "{item}"),
        }
    }
    // A repeated request changes nothing, and so does one that comes too late.
    let done = start(&stack, &caller, GOOD).await;
    let done = ended(&stack, &caller, &done).await;
    assert_eq!(done["status"], "succeeded", "{done}");
    for (job, told) in [(&job, 1), (&done, 0)] {
        assert_eq!(cancel(&stack, &caller, job).await.expect(200), *job);
        assert_eq!(read(&stack, &caller, job).await, *job);
        assert_eq!(events(&stack, &caller, "job.cancelled", job).await.len(), told);
        assert_eq!(events(&stack, &caller, "job.ended", job).await.len(), 1);
    }
}

#[tokio::test]
async fn a_job_without_a_living_worker_is_stopped_too() {
    let api = MessagesApi::start(|asked| match piece(asked) {
        Some(GOOD..) => hang(),
        _ => well(asked),
    });
    let api = api.await;
    let stack = stack(&api, &[]).await;
    let caller = stack.someone().await;
    let worst = worst(&stack, &caller).await;

    // Its worker dies before it has the job.
    stack.fail("JobsTable", Some("PutItem"), Failure::HeldBefore, 1);
    let job = start(&stack, &caller, 3).await;
    stack.local.aws().held().await;
    stack.local.functions().kill(WORKER).unwrap();
    assert_eq!(read(&stack, &caller, &job).await["status"], "queued");
    cancel(&stack, &caller, &job).await.expect(200);
    let job = ended(&stack, &caller, &job).await;
    let found = (text(&job["status"]), &job["counts"]["cancelled"], text(&job["cost_usd"]));
    assert_eq!(found, ("cancelled", &json!(4), "0.00"), "{job}");
    check(&stack, &caller, &job).await;
    assert_eq!(api.asked().len(), 0);

    // Its worker dies while calls run. A worker ends the job when the lease is over.
    let job = start(&stack, &caller, 7).await;
    until(&stack, &caller, &job, |job| job["counts"]["succeeded"] == GOOD).await;
    api.was_asked(GOOD + 4).await;
    kill(&stack, &api, 4).await;
    cancel(&stack, &caller, &job).await.expect(200);
    assert_eq!(read(&stack, &caller, &job).await["status"], "running");
    abandon(&stack, &caller, &job).await;
    sweep(&stack).await;
    let job = ended(&stack, &caller, &job).await;
    let found = (text(&job["status"]), nanos(&job["cost_usd"]), &job["counts"]["cancelled"]);
    assert_eq!(found, ("cancelled", 2 * PRICE + 4 * worst, &json!(6)), "{job}");
    check(&stack, &caller, &job).await;
    assert_eq!(budget(&stack, &caller).await.1, 0);
}

#[tokio::test]
async fn a_job_may_be_stopped_at_any_moment_and_adds_up() {
    let api = MessagesApi::start(|asked| well(asked).paced(Duration::from_millis(5)));
    let api = api.await;
    let stack = stack(&api, &[("JobParallel", "2")]).await;
    let caller = stack.someone().await;
    for moment in 0..=6 {
        let before = api.asked().len();
        let job = start(&stack, &caller, 5).await;
        api.was_asked(before + moment).await;
        let (one, other) =
            tokio::join!(cancel(&stack, &caller, &job), cancel(&stack, &caller, &job));
        for answer in [one, other] {
            answer.expect(200);
        }
        let job = ended(&stack, &caller, &job).await;
        let status = text(&job["status"]);
        assert!(["cancelled", "succeeded"].contains(&status), "{moment}: {job}");
        check(&stack, &caller, &job).await;
        assert!(events(&stack, &caller, "job.cancelled", &job).await.len() <= 1);
        assert_eq!(events(&stack, &caller, "job.ended", &job).await.len(), 1, "{moment}");
    }
}

//! How many jobs a user has at once, and how long a job goes on.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tally_tests::messages_api::MessagesApi;
use tally_tests::{Answer, Caller, TestStack};

use super::worker::{Here, without_workers};
use super::{analysis, check, codes, estimate, hang, piece, stack, start, well, world};
use crate::chat::{own_events, text};
use crate::job_api::{cancel, ended, jobs, nanos, read, retry, under_key};

/// Asks for an analysis of one piece.
async fn ask(stack: &TestStack, caller: &Caller) -> Answer {
    stack.post("/analyses", Some(caller), &analysis(1)).await
}

#[tokio::test]
async fn a_user_has_five_jobs_at_once() {
    let api = MessagesApi::start(|_| hang()).await;
    let stack = stack(&api, &[]).await;
    let (caller, other) = (stack.someone().await, stack.someone().await);
    let (mut begun, refused): (Vec<_>, Vec<_>) = join_all((0..8).map(|_| ask(&stack, &caller)))
        .await
        .into_iter()
        .partition(|answer| answer.status == 202);
    assert_eq!((begun.len(), refused.len()), (5, 3));
    for answer in refused {
        answer.problem(409, "too_many_jobs");
    }
    let requested = own_events(&stack, &caller, "job.requested").await;
    assert_eq!(requested.iter().filter(|event| event["outcome"] == "failure").count(), 3);
    // An estimate starts nothing, and other users have jobs of their own. A repeated request is
    // one job.
    assert!(estimate(&stack, &caller, 1).await > 0);
    let one = analysis(1);
    let ask_with_key = || under_key(&stack, &other, "/analyses", "k", &one);
    let first = ask_with_key().await.expect(202);
    assert_eq!(ask_with_key().await.expect(202)["id"], first["id"]);
    assert_eq!(jobs(&stack, &other).await.len(), 1);

    // A job that has ended makes room for another one, or for a further round of its own.
    let ended_one = begun.pop().unwrap().json();
    cancel(&stack, &caller, &ended_one).await.expect(200);
    let stopped = ended(&stack, &caller, &ended_one).await;
    check(&stack, &caller, &stopped).await;
    ask(&stack, &caller).await.expect(202);
    ask(&stack, &caller).await.problem(409, "too_many_jobs");
    retry(&stack, &caller, &stopped, &json!({})).await.problem(409, "too_many_jobs");
    assert_eq!(read(&stack, &caller, &stopped).await, stopped);
    let open = begun.pop().unwrap().json();
    cancel(&stack, &caller, &open).await.expect(200);
    ended(&stack, &caller, &open).await;
    retry(&stack, &caller, &stopped, &json!({})).await.expect(202);
    ask(&stack, &caller).await.problem(409, "too_many_jobs");
}

#[tokio::test]
async fn what_is_left_of_a_job_after_a_day_expires() {
    const DAY: Duration = Duration::from_hours(24);
    let api = MessagesApi::start(|asked| match piece(asked) {
        Some(0) => well(asked),
        _ => hang(),
    });
    let api = api.await;
    let stack = world(&api, &[], without_workers).await;
    let caller = stack.someone().await;
    let end_of = async |job: &Value| {
        let job = read(&stack, &caller, job).await;
        assert_eq!(job["error"]["code"], "expired", "{job}");
        let items = check(&stack, &caller, &job).await;
        (job, items)
    };

    // While calls run: they are broken off.
    let job = start(&stack, &caller, 6).await;
    let here = Here::new(&stack, &caller, &job).await;
    let drive = async {
        api.was_asked(5).await;
        here.pass(DAY);
        api.hung_up(4).await;
    };
    let (worked, ()) = tokio::join!(here.run(), drive);
    worked.unwrap();
    let (job, items) = end_of(&job).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    assert_eq!(
        codes(&items),
        ["", "expired", "expired", "expired", "expired", "expired", "expired"]
    );
    assert_eq!(items.iter().filter(|item| nanos(&item["cost_usd"]) > 0).count(), 5);

    // Before a worker has begun it.
    let job = start(&stack, &caller, 2).await;
    let here = Here::new(&stack, &caller, &job).await;
    here.pass(DAY);
    here.run().await.unwrap();
    let (job, items) = end_of(&job).await;
    assert_eq!((text(&job["status"]), text(&job["cost_usd"])), ("failed", "0.00"), "{job}");
    assert_eq!(codes(&items), ["expired"; 3]);
    assert_eq!(api.asked().len(), 5);
}

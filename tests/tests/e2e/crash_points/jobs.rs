//! Jobs: their start, what their users change, and each write of their worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Method;
use serde_json::json;
use tally_local::aws::Failure;
use tally_tests::messages_api::MessagesApi;

use super::{MOMENTS, TRANSACT, cut, events, post};
use crate::chat::text;
use crate::job_api::{budget, ended, jobs, path, read};
use crate::jobs::worker::{WORKER, abandon, sweep, work};
use crate::jobs::{self, analysis, check, hang, stack, start, well};

const CREATE: (&str, &str, &str) = ("AnalysesFunction", TRANSACT, "JobsTable");
const CHANGE: (&str, &str, &str) = ("JobsFunction", TRANSACT, "JobsTable");

/// The writes of a worker: how many like it come before it, its operation, and a table of it. It
/// acquires the job, stores that calls begin, stores what they gave, and ends the round.
const WRITES: [(usize, &str, &str); 4] = [
    (0, "PutItem", "JobsTable"),
    (0, TRANSACT, "JobItemsTable"),
    (1, TRANSACT, "JobItemsTable"),
    (0, TRANSACT, "UsageTable"),
];

#[tokio::test]
async fn a_job_and_what_its_user_changes_are_whole_or_not_there() {
    for moment in MOMENTS {
        let hangs = Arc::new(AtomicBool::new(false));
        let now = Arc::clone(&hangs);
        let api =
            MessagesApi::start(
                move |asked| {
                    if now.load(Ordering::Relaxed) { hang() } else { well(asked) }
                },
            );
        let api = api.await;
        let stack = stack(&api, &[]).await;
        let caller = stack.someone().await;
        let is_done = moment == Failure::HeldAfter;
        let body = analysis(2);
        let create = || post(&stack, "/analyses", Some(&caller), &body);
        cut(&stack, moment, CREATE, create()).await;
        assert_eq!(jobs(&stack, &caller).await.len(), usize::from(is_done), "{moment:?}");
        assert_eq!(budget(&stack, &caller).await.1 > 0, is_done, "{moment:?}");
        assert_eq!(events(&stack, "job.requested", "success").await, usize::from(is_done));
        // The client sends the request again. In either case it has one job.
        let job = stack.send(create()).await.expect(202);
        assert_eq!(jobs(&stack, &caller).await.len(), 1, "{moment:?}");
        if is_done {
            // No worker was started. The schedule starts one when the job is due.
            abandon(&stack, &caller, &job).await;
            sweep(&stack).await;
        }
        let job = ended(&stack, &caller, &job).await;
        assert_eq!(job["status"], "succeeded", "{moment:?} {job}");
        check(&stack, &caller, &job).await;

        hangs.store(true, Ordering::Relaxed);
        let job = start(&stack, &caller, 2).await;
        api.was_asked(3 + 2).await;
        let change = |method: Method, more: &str| {
            let request = stack.request(method, &format!("{}{more}", path(&job)));
            request.bearer_auth(&caller.access)
        };
        cut(&stack, moment, CHANGE, change(Method::POST, "/cancel")).await;
        stack.send(change(Method::POST, "/cancel")).await.expect(200);
        let stopped = ended(&stack, &caller, &job).await;
        assert_eq!(stopped["status"], "cancelled", "{moment:?} {stopped}");
        check(&stack, &caller, &stopped).await;
        assert_eq!(events(&stack, "job.cancelled", "success").await, 1, "{moment:?}");

        hangs.store(false, Ordering::Relaxed);
        let again = || change(Method::POST, "/retry").json(&json!({}));
        cut(&stack, moment, CHANGE, again()).await;
        let found = read(&stack, &caller, &job).await;
        assert_eq!(text(&found["status"]), if is_done { "queued" } else { "cancelled" });
        assert_eq!(budget(&stack, &caller).await.1 > 0, is_done, "{moment:?}");
        assert_eq!(stack.send(again()).await.status, if is_done { 409 } else { 202 });
        if is_done {
            abandon(&stack, &caller, &job).await;
            sweep(&stack).await;
        }
        let whole = ended(&stack, &caller, &job).await;
        assert_eq!(whole["status"], "succeeded", "{moment:?} {whole}");
        check(&stack, &caller, &whole).await;
        assert_eq!(events(&stack, "job.retried", "success").await, 1, "{moment:?}");

        cut(&stack, moment, CHANGE, change(Method::DELETE, "")).await;
        let left = if is_done { 1 } else { 2 };
        assert_eq!(jobs(&stack, &caller).await.len(), left, "{moment:?}");
        let deleted = stack.send(change(Method::DELETE, "")).await.status;
        assert_eq!(deleted, if is_done { 404 } else { 204 });
        assert_eq!(jobs(&stack, &caller).await.len(), 1, "{moment:?}");
        assert_eq!(events(&stack, "job.deleted", "success").await, 1, "{moment:?}");
    }
}

#[tokio::test]
async fn a_worker_that_is_cut_at_a_write_leaves_a_job_that_ends_once() {
    for moment in MOMENTS {
        let api = MessagesApi::start(well).await;
        let stack = stack(&api, &[]).await;
        let caller = stack.someone().await;
        for (passed, operation, table) in WRITES {
            stack.fail(table, Some(operation), Failure::Passed, passed);
            stack.fail(table, Some(operation), moment, 1);
            let job = start(&stack, &caller, 8).await;
            stack.local.aws().held().await;
            stack.local.functions().kill(WORKER).unwrap();
            abandon(&stack, &caller, &job).await;
            work(&stack, &caller, &job).await;
            let job = read(&stack, &caller, &job).await;
            let case = format!("{moment:?} {passed} {operation} {table}");
            assert_eq!(job["status"], "succeeded", "{case} {job}");
            for item in check(&stack, &caller, &job).await {
                assert_eq!(item["status"], "succeeded", "{case} {item}");
            }
            let told = jobs::events(&stack, &caller, "job.ended", &job).await;
            assert_eq!(told.len(), 1, "{case}");
        }
    }
}

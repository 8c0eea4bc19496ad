//! Jobs of deleted accounts.

use http::Method;
use serde_json::{Value, json};
use tally_local::aws::Failure;
use tally_tests::{Caller, TestStack, id};

use crate::access::{copy, ids_like, me};
use crate::chat::FAST;
use crate::files::{objects, put_object};
use crate::job_api::{cancel, ended, read};
use crate::job_samples::analysis;

/// Starts an analysis, and reads it until it has ended.
async fn analysed(stack: &TestStack, caller: &Caller) -> Value {
    let job = analysis(stack, caller, "Sums").await.expect(202);
    let job = ended(stack, caller, &job).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    job
}

/// The items of a user in the table of jobs.
async fn left(stack: &TestStack, user: &str) -> Vec<Value> {
    let items = stack.items("JobsTable").await.into_iter();
    items.filter(|item| item["user_id"]["S"] == user).collect()
}

/// Number of calls of a job in their table.
async fn calls(stack: &TestStack, job_id: &str) -> usize {
    let items = stack.items("JobItemsTable").await;
    items.iter().filter(|item| item["job_id"]["S"] == job_id).count()
}

async fn leave(stack: &TestStack, caller: &Caller) {
    let confirmation = json!({"current_password": "Correct-Horse-9"});
    stack.call(Method::DELETE, "/auth/me", caller, &confirmation).await.expect(204);
}

/// Starts the worker of the deletion once more, and waits for its end.
async fn purge(stack: &TestStack, user: &str) {
    let start = json!({"user_id": user}).to_string();
    stack.local.invoke("PurgeConversationsFunction", start).await.unwrap();
}

#[tokio::test]
async fn a_deleted_account_leaves_no_job_and_no_object_even_if_the_purge_is_cut() {
    for moment in [Failure::HeldBefore, Failure::HeldAfter] {
        let stack = TestStack::with(&FAST).await;
        let (leaver, other) = (stack.someone().await, stack.someone().await);
        let (user, stays) = (me(&stack, &leaver).await, analysed(&stack, &other).await);
        let job = analysed(&stack, &leaver).await;
        // A job that was refused after its inputs were stored.
        let refused = format!("inputs/{user}/019a0000-0000-7000-8000-000000000000");
        put_object(&stack, &refused).await;
        copy(&stack, "JobsTable", &id(&job), &ids_like(&id(&job), 22)).await;
        for (owner, job) in [(&leaver, &job), (&other, &stays)] {
            let key = format!("inputs/{}/{}", me(&stack, owner).await, id(job));
            assert_eq!(objects(&stack, &id(job)).await, [key]);
            assert_eq!(calls(&stack, &id(job)).await, 2);
        }
        // The jobs, and the number of those that have not ended.
        assert_eq!(left(&stack, &user).await.len(), 24);
        stack.fail("JobsTable", Some("BatchWriteItem"), moment, 1);
        leave(&stack, &leaver).await;
        stack.local.aws().held().await;
        stack.local.functions().kill("PurgeConversationsFunction").unwrap();
        let expected = if moment == Failure::HeldBefore { 24 } else { 14 };
        assert_eq!(left(&stack, &user).await.len(), expected);
        purge(&stack, &user).await;
        assert_eq!(left(&stack, &user).await, Vec::<Value>::new(), "{moment:?}");
        assert_eq!(objects(&stack, &user).await, Vec::<String>::new(), "{moment:?}");
        assert_eq!(calls(&stack, &id(&job)).await, 0);
        assert_eq!(objects(&stack, &id(&stays)).await.len(), 1);
        assert_eq!(calls(&stack, &id(&stays)).await, 2);
        assert_eq!(read(&stack, &other, &stays).await, stays);
    }
}

#[tokio::test]
async fn jobs_that_have_not_ended_are_told_to_stop_and_go_after_their_end() {
    // A call takes longer than this test, unless its job stops.
    let stack = TestStack::with(&[FAST[0], ("LoremWordMilliseconds", "10000")]).await;
    let leaver = stack.someone().await;
    let user = me(&stack, &leaver).await;
    let mut started = Vec::new();
    for _ in 0..3 {
        started.push(analysis(&stack, &leaver, "Sums").await.expect(202));
    }
    cancel(&stack, &leaver, &started[0]).await.expect(200);
    assert_eq!(ended(&stack, &leaver, &started[0]).await["status"], "cancelled");
    let jobs = async || {
        let mut jobs = left(&stack, &user).await;
        jobs.retain(|item| item["status"]["S"].is_string());
        jobs
    };
    assert_eq!(jobs().await.len(), 3);
    leave(&stack, &leaver).await;
    // One run of the worker tells both to stop. Their own workers end them.
    while jobs().await.iter().any(|job| job["status"]["S"] != "cancelled") {}
    purge(&stack, &user).await;
    assert_eq!(left(&stack, &user).await, Vec::<Value>::new());
    for job in started {
        assert_eq!(objects(&stack, &id(&job)).await, Vec::<String>::new());
        assert_eq!(calls(&stack, &id(&job)).await, 0);
    }
}

#[tokio::test]
async fn a_job_that_its_user_has_deleted_leads_the_purge_to_what_is_left_of_it() {
    let stack = TestStack::with(&FAST).await;
    let leaver = stack.someone().await;
    let (user, job) = (me(&stack, &leaver).await, analysed(&stack, &leaver).await);
    let path = format!("/jobs/{}", id(&job));
    stack.fail("JobItemsTable", Some("BatchWriteItem"), Failure::Internal, 3);
    stack.delete(&path, Some(&leaver)).await.expect(204);
    stack.get(&path, Some(&leaver)).await.problem(404, "not_found");
    stack.delete(&path, Some(&leaver)).await.problem(404, "not_found");
    let jobs = stack.get("/jobs", Some(&leaver)).await.expect(200);
    assert_eq!(jobs["items"], json!([]));
    assert_eq!(calls(&stack, &id(&job)).await, 2);
    leave(&stack, &leaver).await;
    while !left(&stack, &user).await.is_empty() {
        purge(&stack, &user).await;
    }
    assert_eq!(calls(&stack, &id(&job)).await, 0);
}

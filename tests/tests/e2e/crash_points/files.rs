//! Files: their announcement, their completion and their end.

use http::Method;
use serde_json::Value;
use tally_local::aws::Failure;
use tally_tests::{Caller, TestStack};

use super::{MOMENTS, TRANSACT, cut, events, post};
use crate::files::{ended, text, upload};

const TARGET: (&str, &str, &str) = ("FilesFunction", TRANSACT, "FilesTable");

/// The files of a caller.
async fn files(stack: &TestStack, caller: &Caller) -> Vec<Value> {
    let page = stack.get("/files", Some(caller)).await.expect(200);
    page["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_file_is_announced_completed_and_deleted_whole_or_not_at_all() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let caller = stack.someone().await;
        let is_done = moment == Failure::HeldAfter;
        let sample = text("Cut");
        let announce = || post(&stack, "/files", Some(&caller), &sample.announcement());
        cut(&stack, moment, TARGET, announce()).await;
        assert_eq!(files(&stack, &caller).await.len(), usize::from(is_done), "{moment:?}");
        assert_eq!(events(&stack, "file.created", "success").await, usize::from(is_done));
        // The client sends the request again. In either case it has one file, and its upload.
        let announced = stack.send(announce()).await.expect(201);
        let file = &announced["file"];
        assert_eq!(files(&stack, &caller).await, std::slice::from_ref(file), "{moment:?}");
        upload(&stack, &announced["upload"], &sample.bytes).await;

        let path = format!("/files/{}", file["id"].as_str().unwrap());
        let complete = format!("{path}/complete");
        let complete = || stack.request(Method::POST, &complete).bearer_auth(&caller.access);
        cut(&stack, moment, TARGET, complete()).await;
        // After: no preparation was started. A retry starts it.
        let status = if is_done { "processing" } else { "pending" };
        assert_eq!(files(&stack, &caller).await[0]["status"], status, "{moment:?}");
        stack.send(complete()).await.expect(202);
        assert_eq!(ended(&stack, &caller, file).await["status"], "ready", "{moment:?}");
        let told = stack.events(&stack.admin().await, "file.completed").await;
        let first = told.iter().filter(|event| event["detail"]["repeated"].is_null()).count();
        assert_eq!(first, 1, "{moment:?}");

        let delete = || stack.request(Method::DELETE, &path).bearer_auth(&caller.access);
        cut(&stack, moment, TARGET, delete()).await;
        assert_eq!(files(&stack, &caller).await.len(), usize::from(!is_done), "{moment:?}");
        assert_eq!(stack.send(delete()).await.status, if is_done { 404 } else { 204 });
        assert_eq!(events(&stack, "file.deleted", "success").await, 1, "{moment:?}");
    }
}

//! Ends of preparations: how they are stored once, and who is told.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use futures_util::future::join_all;
use platform::clock::Clock;
use serde_json::{Value, json};
use tally_local::aws::{Failure, Fault, Service};
use tally_tests::{Caller, TestStack, id};

use super::{
    Sample, bucket, complete, edit, ended, listed, objects, path, prepared, s3, text, uploaded,
};
use crate::access::me;

/// Holds preparations at their first call, until the stack recovers from its faults. A preparation
/// gives such a call up and tries it again, which takes seconds.
fn hold(stack: &TestStack) {
    stack.local.aws().fail(Fault {
        service: Service::S3,
        operation: Some("GetObject".into()),
        target: Some(format!("{}/incoming/", bucket(stack))),
        failure: Failure::HeldBefore,
        times: usize::MAX,
    });
}

/// Completes an upload whose preparation does not end. Returns the file.
async fn held(stack: &TestStack, caller: &Caller, sample: &Sample) -> Value {
    let file = uploaded(stack, caller, sample).await;
    hold(stack);
    let processing = complete(stack, caller, &file).await.expect(202);
    assert_eq!(processing["status"], "processing");
    stack.local.aws().held().await;
    processing
}

/// The record of a preparation, as Lambda sends it.
async fn record(stack: &TestStack, owner: &Caller, file: &Value, response: Value) -> Value {
    json!({
        "version": "1.0",
        "timestamp": "2026-01-31T09:30:00.000Z",
        "requestContext": {
            "requestId": "r-1", "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:x",
            "condition": "Success", "approximateInvokeCount": 1,
        },
        "requestPayload": {
            "user_id": me(stack, owner).await, "file_id": file["id"], "size": file["size"],
            "sha256": file["sha256"], "media_type": file["media_type"],
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": response,
    })
}

/// Runs the worker with a record.
async fn end(stack: &TestStack, record: &Value) {
    stack.local.invoke("FileEndFunction", record.to_string()).await.unwrap();
}

#[tokio::test]
async fn every_connection_of_the_owner_is_told_and_no_other() {
    let stack = TestStack::start().await;
    let (owner, other) = (stack.someone().await, stack.someone().await);
    let again = stack.login(&owner.username, "Correct-Horse-9").await;
    let mut sockets =
        [stack.connect(&owner).await, stack.connect(&owner).await, stack.connect(&again).await];
    let mut stranger = stack.connect(&other).await;
    let file = uploaded(&stack, &owner, &text("Told")).await;
    complete(&stack, &owner, &file).await.expect(202);
    for socket in &mut sockets {
        let message = socket.expect("file.updated").await;
        assert_eq!(message["file"], stack.get(&path(&file), Some(&owner)).await.expect(200));
        assert_eq!(message["file"]["status"], "ready");
    }
    // A session that has ended, and a token that has been expired for too long, get nothing more.
    let items = stack.items("ConnectionsTable").await;
    let of_owner = items.iter().filter(|item| item["username"]["S"] == owner.username.as_str());
    let mut oldest =
        of_owner.min_by_key(|item| item["connected_at"]["N"].to_string()).unwrap().clone();
    oldest["token_exp"]["N"] = "1".into();
    stack.put_item("ConnectionsTable", &oldest).await;
    stack.post("/auth/logout", Some(&again), &json!({})).await.expect(204);
    assert_eq!(sockets[2].next().await, None);
    let bad = Sample { bytes: b"\xff\xfe\x00".to_vec(), ..text("Not text") };
    let file = uploaded(&stack, &owner, &bad).await;
    complete(&stack, &owner, &file).await.expect(202);
    let message = sockets[1].expect("file.updated").await;
    assert_eq!(message["file"]["status"], "rejected", "{message}");
    let silence = sockets[0].next_within(Duration::from_millis(200)).await;
    assert!(silence.is_err(), "{silence:?}");
    stranger.ask(&json!({"action": "ping"}), "pong").await;
}

#[tokio::test]
async fn a_preparation_that_dies_leaves_an_unreadable_file() {
    let stack = TestStack::start().await;
    let (owner, admin) = (stack.someone().await, stack.admin().await);
    let mut socket = stack.connect(&owner).await;
    let file = held(&stack, &owner, &text("Deadly")).await;
    stack.local.aws().recover();
    stack.local.functions().kill("FilePrepareFunction").unwrap();
    let message = socket.expect("file.updated").await;
    let rejected = ended(&stack, &owner, &file).await;
    assert_eq!(message["file"], rejected);
    assert_eq!(
        (&rejected["status"], &rejected["reason"]),
        (&json!("rejected"), &json!("unreadable"))
    );
    assert_eq!((rejected.get("parts"), rejected.get("pages")), (None, None));
    // The completion stands, and the file stays as it is.
    assert_eq!(complete(&stack, &owner, &file).await.expect(202), rejected);
    let content = format!("{}/content", path(&file));
    stack.get(&content, Some(&owner)).await.problem(409, "file_not_ready");
    let events = stack.events(&admin, "file.rejected").await;
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!(event["resource"], format!("file:{}", id(&file)));
    assert_eq!(event["detail"], json!({"reason": "unreadable"}));
    assert_eq!(event["actor"]["username"], owner.username.as_str());
    let completed = stack.events(&admin, "file.completed").await.remove(0);
    assert_eq!(event["request_id"], completed["request_id"]);
    // The circumstances of the completion are kept no longer than its event needs them.
    let item = stack.items("FilesTable").await.into_iter().find(|item| !item["name"].is_null());
    assert_eq!(item.unwrap().get("origin"), None);
    // The same file can be announced again.
    let second = uploaded(&stack, &owner, &text("Deadly")).await;
    prepared(&stack, &owner, &second).await;
}

#[tokio::test]
async fn a_preparation_without_an_end_is_unreadable_from_its_deadline_on() {
    let stack = TestStack::start().await;
    let (owner, admin) = (stack.someone().await, stack.admin().await);
    let file = held(&stack, &owner, &text("Lost")).await;
    let late = record(&stack, &owner, &file, json!({"status": "ready", "parts": 1})).await;
    assert_eq!(listed(&stack, &owner, "status=processing", 20).await.len(), 1);
    let past = (Clock::System.now().as_millisecond() - 1).to_string();
    edit(&stack, &file, |item| item["deadline"]["N"] = past.as_str().into()).await;
    let dead = stack.get(&path(&file), Some(&owner)).await.expect(200);
    assert_eq!(
        (&dead["status"], &dead["reason"]),
        (&json!("rejected"), &json!("unreadable")),
        "{dead}"
    );
    assert_eq!(listed(&stack, &owner, "status=rejected", 20).await, std::slice::from_ref(&dead));
    assert_eq!(listed(&stack, &owner, "status=processing", 20).await, Vec::<Value>::new());
    assert_eq!(complete(&stack, &owner, &file).await.expect(202), dead);
    // An end that comes too late changes nothing that readers have seen.
    join_all((0..3).map(|_| end(&stack, &late))).await;
    assert_eq!(stack.get(&path(&file), Some(&owner)).await.expect(200), dead);
    assert_eq!(stack.events(&admin, "file.rejected").await.len(), 1);
    stack.delete(&path(&file), Some(&owner)).await.expect(204);
}

#[tokio::test]
async fn an_end_is_stored_once_and_a_lost_start_is_made_up_for() {
    let stack = TestStack::start().await;
    let (owner, admin) = (stack.someone().await, stack.admin().await);
    let mut socket = stack.connect(&owner).await;
    // The first preparation hangs. A repeated completion starts another one.
    let file = held(&stack, &owner, &text("Twice")).await;
    stack.local.aws().recover();
    let repeated = complete(&stack, &owner, &file).await.expect(202);
    assert_eq!(repeated["id"], file["id"]);
    let ready = ended(&stack, &owner, &file).await;
    assert_eq!(ready["status"], "ready", "{ready}");
    assert_eq!(socket.expect("file.updated").await["file"], ready);
    // The end of the first one changes nothing any more, and tells no connection.
    let rejected = json!({"status": "rejected", "reason": "too_large"});
    let first = record(&stack, &owner, &file, rejected).await;
    for _ in 0..2 {
        end(&stack, &first).await;
    }
    assert_eq!(stack.get(&path(&file), Some(&owner)).await.expect(200), ready);
    socket.ask(&json!({"action": "ping"}), "pong").await;
    assert_eq!(stack.events(&admin, "file.rejected").await, Vec::<Value>::new());
}

#[tokio::test]
async fn the_end_of_a_deleted_file_leaves_no_objects() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let kept = uploaded(&stack, &owner, &text("Kept")).await;
    prepared(&stack, &owner, &kept).await;
    let of_kept = objects(&stack, &id(&kept)).await;
    let file = held(&stack, &owner, &text("Deleted")).await;
    let late = record(&stack, &owner, &file, json!({"status": "ready", "parts": 1})).await;
    stack.delete(&path(&file), Some(&owner)).await.expect(204);
    // The preparation, which was under way, writes them now.
    for name in ["original", "manifest.json", "parts/0"] {
        let key = format!("files/{}/{name}", id(&file));
        let put = s3(&stack).put_object().bucket(bucket(&stack)).key(key);
        put.body(ByteStream::from_static(b"x")).send().await.unwrap();
    }
    end(&stack, &late).await;
    assert_eq!(objects(&stack, &id(&file)).await, Vec::<String>::new());
    assert_eq!(objects(&stack, &id(&kept)).await, of_kept);
    stack.get(&path(&file), Some(&owner)).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_record_without_the_id_of_a_file_deletes_nothing() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let pending = uploaded(&stack, &owner, &text("Pending")).await;
    let ready = uploaded(&stack, &owner, &text("Ready")).await;
    prepared(&stack, &owner, &ready).await;
    let before = objects(&stack, "").await;
    // The keys of all files begin like some of these.
    for id in ["", "0", &id(&pending)[..8], &id(&ready)[..35]] {
        let mut forged =
            record(&stack, &owner, &ready, json!({"status": "ready", "parts": 1})).await;
        forged["requestPayload"]["file_id"] = id.into();
        end(&stack, &forged).await;
    }
    assert_eq!(objects(&stack, "").await, before);
}

#[tokio::test]
async fn a_long_list_of_skipped_entries_is_read_and_not_posted() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let mut socket = stack.connect(&owner).await;
    for (length, is_posted) in [(20, true), (99, false)] {
        let file = held(&stack, &owner, &text("Archive")).await;
        // Each quote takes two bytes in JSON.
        let entry = json!({"path": "\"".repeat(length), "reason": "binary"});
        let skipped: Vec<_> = std::iter::repeat_n(entry, 200).collect();
        let response = json!({"status": "ready", "parts": 1, "skipped": skipped});
        end(&stack, &record(&stack, &owner, &file, response).await).await;
        let message = socket.expect("file.updated").await;
        let read = stack.get(&path(&file), Some(&owner)).await.expect(200);
        assert_eq!(read["skipped"].as_array().unwrap().len(), 200, "{length}");
        let posted = message["file"].get("skipped");
        assert_eq!(posted, is_posted.then_some(&read["skipped"]), "{length}");
    }
}

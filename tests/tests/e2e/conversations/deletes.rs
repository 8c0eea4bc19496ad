//! `DELETE /conversations/{id}`, and the worker that then deletes the data.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use platform::clock::{Clock, Timestamp};
use serde_json::{Value, json};
use tally_access::sources::Sources;
use tally_chat::domain::{Frame, MessageStatus};
use tally_chat::store::{Deleted, Frames, Message};
use tally_local::aws::Failure;
use tally_tests::{Caller, TestStack};

use super::{LONG_AGO_MS, Shelf, rename, say, titles, walk};
use crate::chat::{FAST, SLOW, ask_async, own_events, path_of, text};

/// Runs the worker to its end.
async fn purge(stack: &TestStack, start: &Value) {
    stack.local.invoke("PurgeConversationsFunction", start.to_string().into_bytes()).await.unwrap();
}

/// Fails unless a deleted conversation leaves no trace in any answer.
async fn assert_deleted(stack: &TestStack, caller: &Caller, reply: &Value) {
    let id = text(&reply["conversation_id"]);
    let path = format!("/conversations/{id}");
    for path in [&path, &path_of(reply)] {
        stack.get(path, Some(caller)).await.problem(404, "not_found");
    }
    rename(stack, caller, id, &json!({"title": "Still there?"})).await.problem(404, "not_found");
    stack.delete(&path, Some(caller)).await.problem(404, "not_found");
    let more = json!({"message": "Still there?", "conversation_id": id});
    stack.post("/chat", Some(caller), &more).await.problem(404, "not_found");
    let (found, _) = walk(stack, caller, "/conversations", "").await;
    assert!(found.iter().all(|conversation| conversation["id"] != id), "{found:?}");
}

#[tokio::test]
async fn a_deleted_conversation_is_gone_at_once_and_its_messages_soon_after() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let other = stack.someone().await;
    let shelf = Shelf::of(&stack, &caller).await;
    let kept = say(&stack, &caller, "Kept", None).await;
    let deleted = say(&stack, &caller, "A secret", None).await;
    let id = text(&deleted["conversation_id"]);
    shelf.say(id, (0..60).map(|number| format!("{number}"))).await;
    // Make a long draft, with more items than one round deletes.
    let first = shelf.drafts.frames(text(&deleted["message_id"])).await.unwrap().len() as u64 + 1;
    for sequence in first..first + 50 {
        let frames = Frames {
            message_id: text(&deleted["message_id"]).to_owned(),
            sequence,
            frames: vec![Frame::Text("more".to_owned())],
            sources: Sources::default(),
        };
        shelf.drafts.save(&frames, Clock::System.now()).await.unwrap();
    }
    let path = format!("/conversations/{id}");
    stack.delete(&path, Some(&other)).await.problem(404, "not_found");
    stack.delete("/conversations/me", Some(&caller)).await.problem(404, "not_found");

    let answer = stack.delete(&path, Some(&caller)).await;
    answer.expect(204);
    assert_deleted(&stack, &caller, &deleted).await;
    shelf.purged(id).await;
    let draft = text(&deleted["message_id"]);
    assert_eq!(
        (shelf.drafts.head(draft).await.unwrap(), shelf.drafts.frames(draft).await.unwrap().len()),
        (None, 0)
    );

    let (found, _) = walk(&stack, &caller, "/conversations", "").await;
    assert_eq!(titles(&found), ["Kept"]);
    stack.get(&path_of(&kept), Some(&caller)).await.expect(200);
    let events = own_events(&stack, &caller, "conversation.deleted").await;
    let done: Vec<_> = events.iter().filter(|event| event["outcome"] == "success").collect();
    let [event] = done.as_slice() else { panic!("{events:?}") };
    assert_eq!(
        (text(&event["resource"]), &event["request_id"]),
        (&*format!("conversation:{id}"), &json!(answer.header("x-request-id")))
    );
    assert!(!event.to_string().contains("secret"), "{event}");
}

#[tokio::test]
async fn a_batch_that_the_database_leaves_over_or_throttles_is_deleted_all_the_same() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let shelf = Shelf::of(&stack, &caller).await;
    let reply = say(&stack, &caller, "A secret", None).await;
    let id = text(&reply["conversation_id"]);
    stack.fail("MessagesTable", Some("BatchWriteItem"), Failure::Unprocessed, 4);
    stack.fail("DraftsTable", Some("BatchWriteItem"), Failure::Throttled, 2);
    stack.delete(&format!("/conversations/{id}"), Some(&caller)).await.expect(204);
    // The local stack does not invoke the worker a second time.
    shelf.purged(id).await;
    let head = shelf.drafts.head(text(&reply["message_id"])).await.unwrap();
    assert!(head.is_none(), "{head:?}");
}

#[tokio::test]
async fn a_reply_that_is_being_written_ends_and_brings_nothing_back() {
    let stack = TestStack::with(&SLOW).await;
    let caller = stack.someone().await;
    let shelf = Shelf::of(&stack, &caller).await;
    let mut socket = stack.connect(&caller).await;
    let started =
        socket.ask(&json!({"action": "chat.send", "message": "At length"}), "chat.started").await;
    let ask = || {
        let request = stack
            .request(Method::POST, "/chat")
            .bearer_auth(&caller.access)
            .header("prefer", "respond-async");
        let body = json!({"message": "And again", "conversation_id": started["conversation_id"]});
        stack.send(request.header("idempotency-key", "k").json(&body))
    };
    ask().await.expect(202);
    let id = text(&started["conversation_id"]);
    stack.delete(&format!("/conversations/{id}"), Some(&caller)).await.expect(204);
    assert_deleted(&stack, &caller, &started).await;
    ask().await.problem(404, "not_found");

    // Both replies are billed and recorded like any other.
    while own_events(&stack, &caller, "chat.message").await.len() < 2 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let end = loop {
        let message = socket.next().await.unwrap();
        if message["type"] != "chat.delta" {
            break message;
        }
    };
    assert_eq!(
        (text(&end["type"]), &end["message_id"]),
        ("chat.completed", &started["message_id"])
    );
    assert_deleted(&stack, &caller, &started).await;
    purge(&stack, &json!({"conversation_id": id})).await;
    shelf.purged(id).await;
    assert_deleted(&stack, &caller, &started).await;
}

#[tokio::test]
async fn a_sweep_goes_on_where_it_was_cut_and_may_be_done_twice() {
    for moment in [Failure::HeldBefore, Failure::HeldAfter] {
        let stack = TestStack::with(&FAST).await;
        let caller = stack.someone().await;
        let shelf = Shelf::of(&stack, &caller).await;
        let id = shelf.fill(1).await.remove(0);
        shelf.say(&id, (0..120).map(|number| format!("{number}"))).await;
        stack.fail("MessagesTable", Some("BatchWriteItem"), moment, 1);
        stack.delete(&format!("/conversations/{id}"), Some(&caller)).await.expect(204);
        stack.local.aws().held().await;
        stack.local.functions().kill("PurgeConversationsFunction").unwrap();
        let left = shelf.messages_of(&id).await;
        assert_eq!(left, if moment == Failure::HeldBefore { 120 } else { 95 });

        let start = json!({"conversation_id": id});
        join_all((0..2).map(|_| purge(&stack, &start))).await;
        shelf.purged(&id).await;
        purge(&stack, &start).await;
    }
}

#[tokio::test]
async fn a_sweep_whose_worker_died_is_finished_by_the_next_attempt() {
    let stack = TestStack::of(|options| {
        options.sets = FAST.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        options.processes.retry_delays = [Duration::ZERO; 2];
    });
    let stack = stack.await;
    let caller = stack.someone().await;
    let shelf = Shelf::of(&stack, &caller).await;
    let id = shelf.fill(1).await.remove(0);
    shelf.say(&id, (0..120).map(|number| format!("{number}"))).await;
    stack.fail("MessagesTable", Some("BatchWriteItem"), Failure::HeldAfter, 1);
    stack.delete(&format!("/conversations/{id}"), Some(&caller)).await.expect(204);
    stack.local.aws().held().await;
    stack.local.functions().kill("PurgeConversationsFunction").unwrap();
    shelf.purged(&id).await;
}

#[tokio::test]
async fn what_an_earlier_worker_left_is_purged_by_the_next_and_nothing_else() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let shelf = Shelf::of(&stack, &caller).await;
    let alive = say(&stack, &caller, "Alive", None).await;
    // These were deleted long ago, but no worker was started.
    let left: Vec<_> = (0..30).map(|seconds| shelf.conversation(seconds, "Left").id).collect();
    for id in &left {
        shelf.say(id, ["one".to_owned(), "two".to_owned()]).await;
        let then = Timestamp::from_millisecond(LONG_AGO_MS).unwrap();
        shelf
            .commit(vec![
                shelf.purge_jobs.leave(Deleted::Conversations, id, &shelf.user_id, then).unwrap(),
            ])
            .await;
    }
    // A conversation that has not been deleted is not purged, even if a request names it.
    purge(&stack, &json!({"conversation_id": alive["conversation_id"]})).await;
    for id in &left {
        shelf.purged(id).await;
    }
    stack.get(&path_of(&alive), Some(&caller)).await.expect(200);
    // This is the input of a schedule.
    purge(&stack, &json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}))
        .await;
}

#[tokio::test]
async fn a_conversation_can_be_deleted_although_no_worker_starts() {
    let nowhere = "arn:aws:lambda:us-east-1:123456789012:function:Nowhere";
    let stack = TestStack::of(|options| {
        options.environment.insert("PURGE_CONVERSATIONS_ARN".into(), nowhere.into());
    });
    let stack = stack.await;
    let caller = stack.someone().await;
    let reply = ask_async(&stack, &caller, &json!({"message": "Hello"})).await.expect(202);
    let id = text(&reply["conversation_id"]);
    stack.delete(&format!("/conversations/{id}"), Some(&caller)).await.expect(204);
    assert_deleted(&stack, &caller, &reply).await;
    let shelf = Shelf::of(&stack, &caller).await;
    assert!(shelf.purge_jobs.find(Deleted::Conversations, id).await.unwrap().is_some());
    delete_account(&stack, &caller).await;
    assert!(shelf.purge_jobs.find(Deleted::Users, &shelf.user_id).await.unwrap().is_some());
}

async fn delete_account(stack: &TestStack, caller: &Caller) {
    stack
        .call(Method::DELETE, "/auth/me", caller, &json!({"current_password": "Correct-Horse-9"}))
        .await
        .expect(204);
}

#[tokio::test]
async fn a_reply_that_has_not_ended_is_left_however_old_it_is() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let shelf = Shelf::of(&stack, &caller).await;
    let id = shelf.conversation(0, "Left").id;
    let said = shelf.say(&id, (0..30).map(|number| format!("{number}"))).await;
    // One of the first messages is a reply that never ends.
    let completed = shelf.message(&id, &said[1]).await;
    let unended = Message { status: MessageStatus::Streaming, ..completed.clone() };
    shelf.commit(vec![shelf.messages.end(&unended, MessageStatus::Completed).unwrap()]).await;
    let then = Timestamp::from_millisecond(LONG_AGO_MS).unwrap();
    shelf
        .commit(vec![
            shelf.purge_jobs.leave(Deleted::Conversations, &id, &shelf.user_id, then).unwrap(),
        ])
        .await;
    for _ in 0..2 {
        purge(&stack, &json!({})).await;
        assert_eq!(shelf.messages_of(&id).await, 1);
        assert!(shelf.purge_jobs.find(Deleted::Conversations, &id).await.unwrap().is_some());
    }
    shelf.commit(vec![shelf.messages.end(&completed, MessageStatus::Streaming).unwrap()]).await;
    purge(&stack, &json!({})).await;
    shelf.purged(&id).await;
}

#[tokio::test]
async fn an_account_that_goes_takes_its_conversations_along() {
    for moment in [Failure::HeldBefore, Failure::HeldAfter] {
        let stack = TestStack::with(&FAST).await;
        let caller = stack.someone().await;
        let other = stack.someone().await;
        let shelf = Shelf::of(&stack, &caller).await;
        let others = Shelf::of(&stack, &other).await;
        let ids = shelf.fill(12).await;
        for id in &ids {
            shelf.say(id, ["one".to_owned(), "two".to_owned()]).await;
        }
        let kept = others.fill(2).await;
        others.say(&kept[0], ["mine".to_owned()]).await;

        // The worker dies while it deletes the first of them.
        stack.fail("ConversationsTable", Some("TransactWriteItems"), moment, 1);
        delete_account(&stack, &caller).await;
        stack.local.aws().held().await;
        stack.local.functions().kill("PurgeConversationsFunction").unwrap();
        let start = json!({"user_id": shelf.user_id});
        join_all((0..2).map(|_| purge(&stack, &start))).await;
        assert!(shelf.history.list(&shelf.user_id, None, 1).await.unwrap().0.is_empty());
        // Finish the work of the dead worker, which would otherwise be done an hour later.
        for id in &ids {
            if let Some(left) = shelf.purge_jobs.find(Deleted::Conversations, id).await.unwrap() {
                purge(&stack, &json!({"conversation_id": left.id})).await;
            }
            shelf.purged(id).await;
        }
        assert_eq!(
            (
                others.history.list(&others.user_id, None, 5).await.unwrap().0.len(),
                others.messages_of(&kept[0]).await
            ),
            (2, 1)
        );

        // An earlier request that was admitted may still begin a conversation. The sweep's item
        // stays for that.
        assert!(shelf.purge_jobs.find(Deleted::Users, &shelf.user_id).await.unwrap().is_some());
        shelf.fill(1).await;
        purge(&stack, &start).await;
        assert!(shelf.history.list(&shelf.user_id, None, 1).await.unwrap().0.is_empty());
    }
}

#[tokio::test]
async fn an_account_that_went_long_ago_is_done_with() {
    let stack = TestStack::with(&FAST).await;
    let shelf = Shelf::of(&stack, &stack.someone().await).await;
    let ids = shelf.fill(3).await;
    let then = Timestamp::from_millisecond(LONG_AGO_MS).unwrap();
    shelf
        .commit(vec![
            shelf.purge_jobs.leave(Deleted::Users, &shelf.user_id, &shelf.user_id, then).unwrap(),
        ])
        .await;
    // This is the input of a schedule.
    purge(&stack, &json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}))
        .await;
    for id in &ids {
        shelf.purged(id).await;
    }
    assert!(shelf.history.list(&shelf.user_id, None, 1).await.unwrap().0.is_empty());
    assert_eq!(shelf.purge_jobs.find(Deleted::Users, &shelf.user_id).await.unwrap(), None);
}

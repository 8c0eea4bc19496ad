//! `DELETE /conversations/{id}`, and the worker that then sweeps up.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use platform::clock::{Clock, Timestamp};
use serde_json::{Value, json};
use tally_chat::domain::MessageStatus;
use tally_chat::store::{Deleted, Frames, Message};
use tally_local::aws::Failure;
use tally_tests::{Caller, World};

use super::{LONG_AGO_MS, Shelf, rename, say, titles, walk};
use crate::chat::{FAST, SLOW, ask_async, own_events, path_of, text};

/// Runs the worker to its end.
async fn sweep(world: &World, start: &Value) {
    world.stack.invoke("SweepConversationsFunction", start.to_string().into_bytes()).await.unwrap();
}

/// Fails unless a deleted conversation leaves no trace in any answer.
async fn is_gone(world: &World, caller: &Caller, reply: &Value) {
    let id = text(&reply["conversation_id"]);
    let path = format!("/conversations/{id}");
    for path in [&path, &path_of(reply)] {
        world.get(path, Some(caller)).await.problem(404, "not_found");
    }
    rename(world, caller, id, &json!({"title": "Still there?"})).await.problem(404, "not_found");
    world.delete(&path, Some(caller)).await.problem(404, "not_found");
    let more = json!({"message": "Still there?", "conversation_id": id});
    world.post("/chat", Some(caller), &more).await.problem(404, "not_found");
    let (found, _) = walk(world, caller, "/conversations", "").await;
    assert!(found.iter().all(|conversation| conversation["id"] != id), "{found:?}");
}

#[tokio::test]
async fn a_deleted_conversation_is_gone_at_once_and_its_messages_soon_after() {
    let world = World::with(&FAST).await;
    let (caller, other) = (world.someone().await, world.someone().await);
    let shelf = Shelf::of(&world, &caller).await;
    let kept = say(&world, &caller, "Kept", None).await;
    let deleted = say(&world, &caller, "A secret", None).await;
    let id = text(&deleted["conversation_id"]);
    shelf.say(id, (0..60).map(|number| format!("{number}"))).await;
    // Make a long draft, with more items than one round deletes.
    let first = shelf.drafts.frames(text(&deleted["message_id"])).await.unwrap().len() as u64 + 1;
    for sequence in first..first + 50 {
        let frames = Frames { message_id: text(&deleted["message_id"]).to_owned(), sequence, frames: vec!["more".to_owned()] };
        shelf.drafts.save(&frames, Clock::System.now()).await.unwrap();
    }
    let path = format!("/conversations/{id}");
    world.delete(&path, Some(&other)).await.problem(404, "not_found");
    world.delete("/conversations/me", Some(&caller)).await.problem(404, "not_found");

    let answer = world.delete(&path, Some(&caller)).await;
    answer.expect(204);
    is_gone(&world, &caller, &deleted).await;
    shelf.swept(id).await;
    let draft = text(&deleted["message_id"]);
    assert_eq!((shelf.drafts.head(draft).await.unwrap(), shelf.drafts.frames(draft).await.unwrap().len()), (None, 0));

    let (found, _) = walk(&world, &caller, "/conversations", "").await;
    assert_eq!(titles(&found), ["Kept"]);
    world.get(&path_of(&kept), Some(&caller)).await.expect(200);
    let events = own_events(&world, &caller, "conversation.deleted").await;
    let done: Vec<_> = events.iter().filter(|event| event["outcome"] == "success").collect();
    let [event] = done.as_slice() else { panic!("{events:?}") };
    assert_eq!((text(&event["resource"]), &event["request_id"]), (&*format!("conversation:{id}"), &json!(answer.header("x-request-id"))));
    assert!(!event.to_string().contains("secret"), "{event}");
}

#[tokio::test]
async fn a_reply_that_is_being_written_ends_and_brings_nothing_back() {
    let world = World::with(&SLOW).await;
    let caller = world.someone().await;
    let shelf = Shelf::of(&world, &caller).await;
    let mut socket = world.connect(&caller).await;
    let started = socket.ask(&json!({"action": "chat.send", "message": "At length"}), "chat.started").await;
    let ask = || {
        let request = world.request(Method::POST, "/chat").bearer_auth(&caller.access).header("prefer", "respond-async");
        let body = json!({"message": "And again", "conversation_id": started["conversation_id"]});
        world.send(request.header("idempotency-key", "k").json(&body))
    };
    ask().await.expect(202);
    let id = text(&started["conversation_id"]);
    world.delete(&format!("/conversations/{id}"), Some(&caller)).await.expect(204);
    is_gone(&world, &caller, &started).await;
    ask().await.problem(404, "not_found");

    // Both replies are billed and recorded like any other.
    while own_events(&world, &caller, "chat.message").await.len() < 2 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let end = loop {
        let message = socket.next().await.unwrap();
        if message["type"] != "chat.delta" {
            break message;
        }
    };
    assert_eq!((text(&end["type"]), &end["message_id"]), ("chat.completed", &started["message_id"]));
    is_gone(&world, &caller, &started).await;
    sweep(&world, &json!({"conversation_id": id})).await;
    shelf.swept(id).await;
    is_gone(&world, &caller, &started).await;
}

#[tokio::test]
async fn a_sweep_goes_on_where_it_was_cut_and_may_be_done_twice() {
    for moment in [Failure::HeldBefore, Failure::HeldAfter] {
        let world = World::with(&FAST).await;
        let caller = world.someone().await;
        let shelf = Shelf::of(&world, &caller).await;
        let id = shelf.fill(1).await.remove(0);
        shelf.say(&id, (0..120).map(|number| format!("{number}"))).await;
        world.fail("MessagesTable", Some("BatchWriteItem"), moment, 1);
        world.delete(&format!("/conversations/{id}"), Some(&caller)).await.expect(204);
        world.stack.aws().held().await;
        world.stack.functions().kill("SweepConversationsFunction").unwrap();
        let left = shelf.messages_of(&id).await;
        assert_eq!(left, if moment == Failure::HeldBefore { 120 } else { 95 });

        let start = json!({"conversation_id": id});
        join_all((0..2).map(|_| sweep(&world, &start))).await;
        shelf.swept(&id).await;
        sweep(&world, &start).await;
    }
}

#[tokio::test]
async fn what_an_earlier_worker_left_is_swept_by_the_next_and_nothing_else() {
    let world = World::with(&FAST).await;
    let caller = world.someone().await;
    let shelf = Shelf::of(&world, &caller).await;
    let alive = say(&world, &caller, "Alive", None).await;
    // These were deleted long ago, but no worker was started.
    let left: Vec<_> = (0..30).map(|seconds| shelf.conversation(seconds, "Left").id).collect();
    for id in &left {
        shelf.say(id, ["one".to_owned(), "two".to_owned()]).await;
        let then = Timestamp::from_millisecond(LONG_AGO_MS).unwrap();
        shelf.commit(vec![shelf.sweeps.leave(Deleted::Conversations, id, then).unwrap()]).await;
    }
    // A conversation that has not been deleted is not swept, even if a request names it.
    sweep(&world, &json!({"conversation_id": alive["conversation_id"]})).await;
    for id in &left {
        shelf.swept(id).await;
    }
    world.get(&path_of(&alive), Some(&caller)).await.expect(200);
    // This is the input of a schedule.
    sweep(&world, &json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}})).await;
}

#[tokio::test]
async fn a_worker_that_cannot_be_started_keeps_nobody_from_deleting() {
    let nowhere = "arn:aws:lambda:us-east-1:123456789012:function:Nowhere";
    let world = World::of(|options| {
        options.environment.insert("SWEEP_CONVERSATIONS_ARN".into(), nowhere.into());
    });
    let world = world.await;
    let caller = world.someone().await;
    let reply = ask_async(&world, &caller, &json!({"message": "Hello"})).await.expect(202);
    let id = text(&reply["conversation_id"]);
    world.delete(&format!("/conversations/{id}"), Some(&caller)).await.expect(204);
    is_gone(&world, &caller, &reply).await;
    let shelf = Shelf::of(&world, &caller).await;
    assert!(shelf.sweeps.find(Deleted::Conversations, id).await.unwrap().is_some());
    delete_account(&world, &caller).await;
    assert!(shelf.sweeps.find(Deleted::Users, &shelf.user_id).await.unwrap().is_some());
}

async fn delete_account(world: &World, caller: &Caller) {
    world.call(Method::DELETE, "/auth/me", caller, &json!({"current_password": "Correct-Horse-9"})).await.expect(204);
}

#[tokio::test]
async fn a_reply_that_has_not_ended_is_left_however_old_it_is() {
    let world = World::with(&FAST).await;
    let caller = world.someone().await;
    let shelf = Shelf::of(&world, &caller).await;
    let id = shelf.conversation(0, "Left").id;
    let said = shelf.say(&id, (0..30).map(|number| format!("{number}"))).await;
    // One of the first messages is a reply that never ends.
    let completed = shelf.message(&id, &said[1]).await;
    let unended = Message { status: MessageStatus::Streaming, ..completed.clone() };
    shelf.commit(vec![shelf.messages.end(&unended, MessageStatus::Completed).unwrap()]).await;
    let then = Timestamp::from_millisecond(LONG_AGO_MS).unwrap();
    shelf.commit(vec![shelf.sweeps.leave(Deleted::Conversations, &id, then).unwrap()]).await;
    for _ in 0..2 {
        sweep(&world, &json!({})).await;
        assert_eq!(shelf.messages_of(&id).await, 1);
        assert!(shelf.sweeps.find(Deleted::Conversations, &id).await.unwrap().is_some());
    }
    shelf.commit(vec![shelf.messages.end(&completed, MessageStatus::Streaming).unwrap()]).await;
    sweep(&world, &json!({})).await;
    shelf.swept(&id).await;
}

#[tokio::test]
async fn an_account_that_goes_takes_its_conversations_along() {
    for moment in [Failure::HeldBefore, Failure::HeldAfter] {
        let world = World::with(&FAST).await;
        let (caller, other) = (world.someone().await, world.someone().await);
        let (shelf, others) = (Shelf::of(&world, &caller).await, Shelf::of(&world, &other).await);
        let ids = shelf.fill(12).await;
        for id in &ids {
            shelf.say(id, ["one".to_owned(), "two".to_owned()]).await;
        }
        let kept = others.fill(2).await;
        others.say(&kept[0], ["mine".to_owned()]).await;

        // The worker dies while it deletes the first of them.
        world.fail("ConversationsTable", Some("TransactWriteItems"), moment, 1);
        delete_account(&world, &caller).await;
        world.stack.aws().held().await;
        world.stack.functions().kill("SweepConversationsFunction").unwrap();
        let start = json!({"user_id": shelf.user_id});
        join_all((0..2).map(|_| sweep(&world, &start))).await;
        assert!(shelf.history.list(&shelf.user_id, None, 1).await.unwrap().0.is_empty());
        // Finish the work of the dead worker, which would otherwise be done an hour later.
        for id in &ids {
            if let Some(left) = shelf.sweeps.find(Deleted::Conversations, id).await.unwrap() {
                sweep(&world, &json!({"conversation_id": left.id})).await;
            }
            shelf.swept(id).await;
        }
        assert_eq!((others.history.list(&others.user_id, None, 5).await.unwrap().0.len(), others.messages_of(&kept[0]).await), (2, 1));

        // An earlier request that was admitted may still begin a conversation. The sweep's item stays for that.
        assert!(shelf.sweeps.find(Deleted::Users, &shelf.user_id).await.unwrap().is_some());
        shelf.fill(1).await;
        sweep(&world, &start).await;
        assert!(shelf.history.list(&shelf.user_id, None, 1).await.unwrap().0.is_empty());
    }
}

#[tokio::test]
async fn an_account_that_went_long_ago_is_done_with() {
    let world = World::with(&FAST).await;
    let shelf = Shelf::of(&world, &world.someone().await).await;
    let ids = shelf.fill(3).await;
    let then = Timestamp::from_millisecond(LONG_AGO_MS).unwrap();
    shelf.commit(vec![shelf.sweeps.leave(Deleted::Users, &shelf.user_id, then).unwrap()]).await;
    // This is the input of a schedule.
    sweep(&world, &json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}})).await;
    for id in &ids {
        shelf.swept(id).await;
    }
    assert!(shelf.history.list(&shelf.user_id, None, 1).await.unwrap().0.is_empty());
    assert_eq!(shelf.sweeps.find(Deleted::Users, &shelf.user_id).await.unwrap(), None);
}

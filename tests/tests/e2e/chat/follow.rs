//! `chat.cancel` and `chat.resume`: a client stops a reply, or goes on receiving it from where it
//! left off.

use std::time::Duration;

use futures_util::future::join_all;
use platform::clock::{Clock, Timestamp};
use serde_json::{Value, json};
use tally_access::sources::Sources;
use tally_chat::domain::Frame;
use tally_chat::store::{Drafts, Frames, Head, SubscribersAtEnd};
use tally_local::aws::Failure;
use tally_tests::{Caller, Socket, TestStack};

use super::sweep::{drafts, grow_old, sweep};
use super::{FAST, SLOW, ask_async, own_events, path_of, poll, text, words};

/// Replies that outlast every test here.
const ENDLESS: [(&str, &str); 2] =
    [("RateLimits", "*=100000/1m"), ("LoremWordMilliseconds", "2000")];

/// Replies that take a second or two.
const BRISK: [(&str, &str); 2] = [("RateLimits", "*=100000/1m"), ("LoremWordMilliseconds", "20")];

async fn start(socket: &mut Socket, about: &str) -> Value {
    socket.ask(&json!({"action": "chat.send", "message": about}), "chat.started").await
}

async fn resume(socket: &mut Socket, started: &Value, after: u64) {
    socket
        .send(&json!({
            "action": "chat.resume", "message_id": started["message_id"], "after_sequence": after,
        }))
        .await;
}

async fn cancel(socket: &mut Socket, started: &Value) {
    socket
        .send(&json!({"action": "chat.cancel", "id": "c", "message_id": started["message_id"]}))
        .await;
}

/// Hears a reply from the frame after `after` to its end, or until `most` frames have come. Returns
/// the text, the last frame, the end.
async fn hear(socket: &mut Socket, after: u64, most: u64) -> (String, u64, Option<Value>) {
    let mut heard = String::new();
    let mut last = after;
    while last < after.saturating_add(most) {
        let message = socket.next().await.expect("the connection stays");
        match text(&message["type"]) {
            "chat.delta" => {}
            "chat.cancelling" => continue,
            _ => return (heard, last, Some(message)),
        }
        last += 1;
        assert_eq!(message["sequence"], last, "{message}");
        heard.push_str(text(&message["text"]));
    }
    (heard, last, None)
}

async fn head(drafts: &Drafts, started: &Value) -> Head {
    drafts.head(text(&started["message_id"])).await.unwrap().unwrap()
}

async fn stored(stack: &TestStack, caller: &Caller, started: &Value) -> Value {
    poll(stack, caller, &path_of(started)).await.pop().unwrap()
}

#[tokio::test]
async fn a_reply_stops_at_once_and_keeps_what_was_written() {
    let stack = TestStack::with(&[FAST[0], ("LoremWordMilliseconds", "250")]).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let started = start(&mut socket, "Stop me").await;
    let (mut said, last, _) = hear(&mut socket, 0, 2).await;
    cancel(&mut socket, &started).await;
    cancel(&mut socket, &started).await;
    let (rest, _, end) = hear(&mut socket, last, 100).await;
    said.push_str(&rest);
    let end = end.unwrap();
    assert_eq!((text(&end["type"]), text(&end["stop_reason"])), ("chat.completed", "cancelled"));

    let message = stored(&stack, &caller, &started).await;
    assert_eq!(
        (text(&message["status"]), text(&message["stop_reason"]), text(&message["text"])),
        ("cancelled", "cancelled", said.as_str())
    );
    // The bill covers the words that were produced.
    assert_eq!(
        (&end["usage"], &end["usage"]["output_tokens"]),
        (&message["usage"], &json!(words(&message["text"])))
    );
    assert!(words(&message["text"]) < 50, "{message}");

    // A second cancel has no effect.
    cancel(&mut socket, &started).await;
    let again = socket.ask_amid(&json!({"action": "ping"}), &["chat.cancelling"]).await;
    assert_eq!(text(&again["type"]), "pong");
    let events = own_events(&stack, &caller, "chat.").await;
    let actions: Vec<_> =
        events.iter().map(|event| (text(&event["action"]), text(&event["outcome"]))).collect();
    assert_eq!(
        actions,
        [("chat.requested", "success"), ("chat.cancelled", "success"), ("chat.message", "success")]
    );

    // The model gets the text so far, and six words that say that the user stopped it.
    let next = json!({"message": "Go on", "conversation_id": started["conversation_id"]});
    let mut quick = stack.connect(&caller).await;
    let next =
        quick.ask(&json!({
            "action": "chat.send", "message": "Go on", "conversation_id": next["conversation_id"],
        }), "chat.started").await;
    // Wait for a frame, because a reply that is stopped before the model is asked has no input
    // tokens.
    let (_, last, _) = hear(&mut quick, 0, 1).await;
    cancel(&mut quick, &next).await;
    let (_, _, end) = hear(&mut quick, last, 100).await;
    assert_eq!(end.unwrap()["usage"]["input_tokens"], 2 + words(&message["text"]) + 6 + 2);
}

#[tokio::test]
async fn what_cannot_be_stopped_or_resumed_is_said() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let other = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let started = start(&mut socket, "Mine").await;
    hear(&mut socket, 0, u64::MAX).await;
    let mut intruder = stack.connect(&other).await;
    for action in ["chat.cancel", "chat.resume"] {
        let ask = |id: &Value| json!({"action": action, "message_id": id, "after_sequence": 0});
        let ask = |id: &Value| {
            let mut ask = ask(id);
            if action == "chat.cancel" {
                ask.as_object_mut().unwrap().remove("after_sequence");
            }
            ask
        };
        let wrong = socket.ask(&ask(&json!("mine")), "error").await;
        assert_eq!(text(&wrong["code"]), "validation_failed");
        for (socket, id) in [
            (&mut intruder, &started["message_id"]),
            (&mut socket, &json!("019a0000-0000-7000-8000-000000000000")),
        ] {
            assert_eq!(text(&socket.ask(&ask(id), "error").await["code"]), "not_found", "{action}");
        }
    }
    let ended = socket
        .ask(&json!({"action": "chat.cancel", "message_id": started["message_id"]}), "error")
        .await;
    assert_eq!(text(&ended["code"]), "conflict");
    let failures = own_events(&stack, &other, "chat.cancelled").await;
    assert_eq!(
        failures.iter().map(|event| text(&event["outcome"])).collect::<Vec<_>>(),
        ["failure"]
    );
}

#[tokio::test]
async fn a_client_that_resumes_after_any_frame_has_the_whole_text() {
    let stack = &TestStack::with(&BRISK).await;
    // Twelve clients, each cut off after a different number of frames. The last one is cut off when
    // the reply has ended.
    join_all((0..12).map(|frames| async move {
        let caller = &stack.someone().await;
        let mut socket = stack.connect(caller).await;
        let started = start(&mut socket, "Tell me").await;
        let (mut said, last, ended) =
            hear(&mut socket, 0, if frames == 11 { u64::MAX } else { frames }).await;
        socket.close().await;
        let mut again = stack.connect(caller).await;
        resume(&mut again, &started, last).await;
        let (rest, _, end) = hear(&mut again, last, u64::MAX).await;
        said.push_str(&rest);
        let end = end.unwrap();
        assert_eq!(text(&end["type"]), "chat.completed");
        if let Some(ended) = ended {
            assert_eq!((ended, rest.as_str()), (end, ""));
        }
        assert_eq!(text(&stored(stack, caller, &started).await["text"]), said);
    }))
    .await;
}

#[tokio::test]
async fn a_second_device_hears_all_of_a_reply_and_the_first_goes_on() {
    let stack = TestStack::with(&SLOW).await;
    let caller = stack.someone().await;
    let mut first = stack.connect(&caller).await;
    let started = start(&mut first, "Both of us").await;
    let (before, last, _) = hear(&mut first, 0, 3).await;
    let mut second = stack.connect(&stack.login(&caller.username, "Correct-Horse-9").await).await;
    resume(&mut second, &started, 0).await;
    let ((rest, _, end), (all, _, same_end)) =
        tokio::join!(hear(&mut first, last, u64::MAX), hear(&mut second, 0, u64::MAX));
    assert_eq!((before + &rest, end), (all.clone(), same_end));
    // After its end it can be heard again, on any connection, even on one that has heard it.
    for after in [0, 2, 1_000_000] {
        resume(&mut second, &started, after).await;
        let (again, _, end) = hear(&mut second, after, u64::MAX).await;
        assert!(
            all.ends_with(&again)
                && (after > 0 || again == all)
                && (after < 1_000 || again.is_empty())
        );
        assert_eq!(end.unwrap()["type"], "chat.completed");
    }
}

#[tokio::test]
async fn a_reply_that_was_asked_for_over_http_can_be_resumed() {
    let stack = TestStack::with(&SLOW).await;
    let caller = stack.someone().await;
    let answer = super::ask_async(&stack, &caller, &json!({"message": "Later"})).await.expect(202);
    let mut socket = stack.connect(&caller).await;
    resume(&mut socket, &answer, 0).await;
    let (said, _, end) = hear(&mut socket, 0, u64::MAX).await;
    assert_eq!(text(&end.unwrap()["type"]), "chat.completed");
    assert_eq!(text(&stored(&stack, &caller, &answer).await["text"]), said);
}

#[tokio::test]
async fn a_resume_whose_answer_was_lost_joins_once() {
    let stack = TestStack::with(&SLOW).await;
    let caller = stack.someone().await;
    let asked = ask_async(&stack, &caller, &json!({"message": "Once"})).await.expect(202);
    let drafts = drafts(&stack);
    // Wait for the worker's first write and kill it. After that only this test writes to the draft.
    while head(&drafts, &asked).await.spent.is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stack.local.functions().kill("ChatStreamFunction").unwrap();
    let mut socket = stack.connect(&caller).await;
    stack.fail("DraftsTable", Some("UpdateItem"), Failure::AnswerLost, 1);
    resume(&mut socket, &asked, 0).await;
    while head(&drafts, &asked).await.subscribers.is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The answer to this message shows that the resume has been handled.
    socket.ask(&json!({"action": "chat.cancel", "message_id": "mine"}), "error").await;
    let head = head(&drafts, &asked).await;
    let joined: Vec<_> = head.subscribers.values().map(|subscriber| subscriber.joined).collect();
    assert_eq!((head.revision, joined), (2, vec![2]));
    grow_old(&stack, &asked["message_id"], 1).await;
    sweep(&stack).await;
    assert_eq!(text(&socket.expect("chat.failed").await["message_id"]), text(&asked["message_id"]));
}

#[tokio::test]
async fn what_is_no_longer_whole_is_not_resumed() {
    let stack = TestStack::with(&BRISK).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let started = start(&mut socket, "Whole").await;
    let (said, _, _) = hear(&mut socket, 0, u64::MAX).await;
    let drafts = drafts(&stack);
    // The first item gets too few frames, so the others follow after a gap.
    let frames = drafts.frames(text(&started["message_id"])).await.unwrap();
    assert!(frames.len() > 3 && Frame::text_of(&frames) == said, "{frames:?}");
    let first = Frames {
        message_id: text(&started["message_id"]).into(),
        sequence: 1,
        frames: frames[..1].to_vec(),
        sources: Sources::default(),
    };
    drafts.save(&first, Clock::System.now()).await.unwrap();
    for after in [0, 1, frames.len() as u64] {
        resume(&mut socket, &started, after).await;
        let failed = socket.expect("chat.failed").await;
        assert!(text(&failed["detail"]).ends_with(&format!("{}.", path_of(&started))), "{failed}");
    }
}

#[tokio::test]
async fn a_reply_that_ended_longer_than_a_day_ago_is_not_resumed() {
    let stack = TestStack::with(&SLOW).await;
    let caller = stack.someone().await;
    let asked = ask_async(&stack, &caller, &json!({"message": "Old"})).await.expect(202);
    let drafts = drafts(&stack);
    while head(&drafts, &asked).await.spent.is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stack.local.functions().kill("ChatStreamFunction").unwrap();
    let long_ago = Timestamp::from_second(Clock::System.now().as_second() - 86_401).unwrap();
    let head = head(&drafts, &asked).await;
    let end = drafts
        .end(&head.message_id, head.revision, &SubscribersAtEnd::default(), None, long_ago)
        .unwrap();
    stack.platform("ExpireRepliesFunction").database().unwrap().commit(vec![end]).await.unwrap();
    // By now some of the frames may have been deleted, and some not.
    let mut socket = stack.connect(&caller).await;
    resume(&mut socket, &asked, 0).await;
    assert_eq!(text(&socket.expect("error").await["code"]), "not_found");
}

#[tokio::test]
async fn a_reply_of_a_deleted_conversation_goes_on_for_its_subscribers_and_takes_no_new_ones() {
    let stack = TestStack::with(&ENDLESS).await;
    let caller = stack.someone().await;
    let mut first = stack.connect(&caller).await;
    let mut second = stack.connect(&caller).await;
    let started = start(&mut first, "Here").await;
    let (_, last, _) = hear(&mut first, 0, 1).await;
    stack
        .delete(&format!("/conversations/{}", text(&started["conversation_id"])), Some(&caller))
        .await
        .expect(204);
    resume(&mut second, &started, 0).await;
    assert_eq!(text(&second.expect("error").await["code"]), "not_found");
    cancel(&mut first, &started).await;
    let (_, _, end) = hear(&mut first, last, u64::MAX).await;
    assert_eq!(text(&end.unwrap()["stop_reason"]), "cancelled");
    resume(&mut second, &started, 0).await;
    assert_eq!(text(&second.expect("error").await["code"]), "not_found");
}

#[tokio::test]
async fn an_eleventh_subscriber_evicts_the_first_unless_another_has_disconnected() {
    let stack = TestStack::with(&ENDLESS).await;
    let caller = stack.someone().await;
    // Sessions for as many connections as a user can have.
    let mut sessions = vec![caller.clone()];
    for _ in 0..2 {
        sessions.push(stack.login(&caller.username, "Correct-Horse-9").await);
    }
    let mut first = stack.connect(&caller).await;
    let started = start(&mut first, "All of us").await;
    let drafts = drafts(&stack);
    let subscribers = async |number: usize| {
        while head(&drafts, &started).await.subscribers.len() != number {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mut others = Vec::new();
    for number in 2..=10 {
        let mut other = stack.connect(&sessions[number % 3]).await;
        resume(&mut other, &started, 0).await;
        subscribers(number).await;
        others.push(other);
    }
    // One connection has closed, and the worker notices: there is room.
    others.pop().unwrap().close().await;
    subscribers(9).await;
    let joiner = async || {
        let revision = head(&drafts, &started).await.revision;
        let mut joiner = stack.connect(&sessions[2]).await;
        resume(&mut joiner, &started, 0).await;
        while head(&drafts, &started).await.revision == revision {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        joiner
    };
    others.push(joiner().await);
    assert!(
        head(&drafts, &started).await.subscribers.values().any(|subscriber| subscriber.joined == 0)
    );
    // There is no room now: the connection that joined first is evicted.
    others.push(joiner().await);
    let end = hear(&mut first, 0, u64::MAX).await.2.unwrap();
    assert_eq!((text(&end["type"]), text(&end["code"])), ("chat.failed", "unavailable"));
    assert!(text(&end["detail"]).contains(&path_of(&started)), "{end}");
    // The reply goes on for the others, and for the first one too if it resumes.
    cancel(&mut first, &started).await;
    for (_, _, end) in join_all(others.iter_mut().map(|other| hear(other, 0, u64::MAX))).await {
        assert_eq!(text(&end.unwrap()["stop_reason"]), "cancelled");
    }
}

#[tokio::test]
async fn resumes_are_limited_by_user() {
    let stack = TestStack::with(&[("RateLimits", "chat_resume=2/1h,*=100000/1m"), FAST[1]]).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let started = start(&mut socket, "Again").await;
    hear(&mut socket, 0, u64::MAX).await;
    for _ in 0..2 {
        resume(&mut socket, &started, 1_000).await;
        socket.expect("chat.completed").await;
    }
    resume(&mut socket, &started, 1_000).await;
    assert_eq!(text(&socket.expect("error").await["code"]), "rate_limited");
}

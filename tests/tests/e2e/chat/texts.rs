//! What a model is asked and what it writes are the texts of the reply's event, however the reply
//! ends. Without a key for them, no model is asked.

use assistant::domain::{StopReason, Usage};
use assistant::{Event, Fault, ProviderError};
use chat_stream::ChatStream;
use futures_util::future::join_all;
use platform::Platform;
use platform::audit;
use platform::clock::Clock;
use platform::problem::Code;
use platform::store::AuditLog;
use serde_json::json;
use tally_chat::store::{Message, Messages};
use tally_local::aws::{Failure, Service};
use tally_prompts::domain::PromptName;
use tally_tests::TestStack;
use texts::{TextError, Texts, Unreadable};
use tokio::time::{Duration, Instant};

use super::sweep::{grow_old, sweep};
use super::worker::{Scripted, Seen, pending, platform_of, start_of_reply, write};
use super::{FAST, own_events};

const FOR_EVER: usize = usize::MAX;

/// The events `chat.message` of a reply.
async fn ends_of(stack: &TestStack, message_id: &str) -> Vec<audit::Event> {
    let resource = format!("message:{message_id}");
    let log = AuditLog::new(&stack.platform("AuditFunction")).unwrap();
    let mut ends = Vec::new();
    for item in stack.items("AuditTable").await {
        if item["action"]["S"] == "chat.message" && item["resource"]["S"] == resource.as_str() {
            let id = item["id"]["S"].as_str().unwrap();
            ends.push(log.get(id, Clock::System.now()).await.unwrap().unwrap());
        }
    }
    ends
}

/// The texts of the one event of a reply's end, by their names.
async fn texts_of(stack: &TestStack, message_id: &str) -> Vec<(String, String)> {
    let ends = ends_of(stack, message_id).await;
    let [end] = ends.as_slice() else { panic!("{ends:?}") };
    assert_eq!(end.fingerprint(), end.hash);
    let read = Texts::new(&stack.platform("AuditFunction")).unwrap().read(end).await.unwrap();
    let texts = end.texts.iter().zip(read);
    texts.map(|(reference, text)| (reference.name.clone(), text.unwrap())).collect()
}

fn prompt(shown: &[&str], turn: &str) -> String {
    let sha256 = json!(tally_prompts::built_in(&PromptName::default()).unwrap().sha256);
    let prompt = format!(r#"{{"name":"default","version":0,"sha256":{sha256}}}"#);
    let (shown, turn) = (json!(shown), json!(turn));
    format!(r#"{{"prompt":{prompt},"shown":{shown},"turn":{turn}}}"#)
}

/// What a scripted model gives next.
type Given = Result<Event, ProviderError>;

#[expect(clippy::unnecessary_wraps, reason = "it is a line of a script")]
fn say(text: &str) -> Given {
    Ok(Event::Text(text.into()))
}

#[expect(clippy::unnecessary_wraps, reason = "it is a line of a script")]
fn used(output_tokens: u64) -> Given {
    Ok(Event::Usage(Usage { input_tokens: 1, output_tokens, ..Usage::default() }))
}

fn failed(fault: Fault) -> Given {
    Err(ProviderError::new(fault, "as the script says"))
}

#[expect(clippy::unnecessary_wraps, reason = "it is a line of a script")]
fn stop() -> Given {
    Ok(Event::Stop(StopReason::EndTurn))
}

async fn end_of(platform: &Platform, reply: &Message) -> Message {
    let messages = Messages::new(platform).unwrap();
    messages.get(&reply.conversation_id, &reply.id).await.unwrap().unwrap()
}

#[tokio::test]
async fn what_was_asked_and_written_is_kept_however_the_reply_ends() {
    let stack = TestStack::with(&FAST).await;
    let platform = platform_of(&stack, &[]);
    let long = "€".repeat(100_000);
    let asked = prompt(&[], " \"Hi\"\n");
    let asked = asked.as_str();
    for (script, expected) in [
        (vec![used(0), say("a"), say("b"), stop()], &[asked, "ab"][..]),
        (vec![stop()], &[asked]),
        (vec![used(0), say("a"), failed(Fault::Unreachable)], &[asked, "a"]),
        (vec![used(0), failed(Fault::Overloaded)], &[asked]),
        // The first event is an error: nothing was sent to a model.
        (vec![failed(Fault::CircuitOpen)], &[]),
        (vec![failed(Fault::NoKey)], &[]),
        // It takes two items.
        (vec![used(0), say(&long), stop()], &[asked, &long]),
    ] {
        let reply = pending(&platform, " \"Hi\"\n", None).await;
        write(&platform, Scripted(script.clone()), &reply).await;
        let texts = texts_of(&stack, &reply.id).await;
        let names: Vec<_> = texts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["prompt", "reply"][..expected.len()], "{script:?}");
        let texts: Vec<_> = texts.iter().map(|(_, text)| text.as_str()).collect();
        assert!(texts == expected, "{script:?}");
    }
}

#[tokio::test]
async fn the_prompt_names_the_messages_that_the_model_was_shown() {
    let stack = TestStack::with(&FAST).await;
    let platform = platform_of(&stack, &[]);
    for (shown, expected) in [
        (None, [true, true]),
        (Some(vec![0, 1, 2]), [true, true]),
        (Some(vec![1, 2]), [false, true]),
        (Some(vec![2]), [false, false]),
    ] {
        let first = pending(&platform, "First", None).await;
        write(&platform, Scripted(vec![say("One"), stop()]), &first).await;
        let earlier = [first.answers.as_deref().unwrap(), first.id.as_str()];
        let earlier = earlier.into_iter().zip(expected);
        let expected: Vec<_> =
            earlier.filter(|(_, is_shown)| *is_shown).map(|(id, _)| id).collect();

        let next = pending(&platform, "Next", Some(&first)).await;
        let told = shown.clone().map(|turns| Ok(Event::Shown(turns)));
        let script = [used(0)].into_iter().chain(told).chain([stop()]).collect();
        write(&platform, Scripted(script), &next).await;
        let texts = texts_of(&stack, &next.id).await;
        assert_eq!(texts, [("prompt".to_owned(), prompt(&expected, "Next"))], "{shown:?}");
    }
}

#[tokio::test]
async fn without_a_key_no_model_is_asked() {
    let stack = TestStack::with(&FAST).await;
    let nowhere = [("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:1")];
    let unknown = [(
        "TEXT_KEY_ARN",
        "arn:aws:kms:us-east-1:123456789012:key/019a0000-0000-7000-8000-000000000000",
    )];
    let in_vain = async |own: &[(&str, &str)]| {
        let platform = platform_of(&stack, own);
        let reply = pending(&platform, "Anyone?", None).await;
        let seen = Seen::default();
        write(&platform, seen.clone(), &reply).await;
        assert!(seen.0.lock().unwrap().is_empty(), "the model was asked");
        let end = end_of(&platform, &reply).await;
        let failure = end.failure.map(Code::as_str);
        assert_eq!((end.status.as_str(), failure), ("failed", Some("unavailable")));
        assert_eq!(texts_of(&stack, &reply.id).await, []);
    };
    in_vain(&nowhere).await;
    in_vain(&unknown).await;
    for operation in ["GetItem", "PutItem"] {
        stack.fail("DataKeysTable", Some(operation), Failure::Internal, FOR_EVER);
        in_vain(&[]).await;
        stack.local.aws().recover();
    }
    // With the key of a user erased, no other is made.
    let erased = json!({"user_id": {"S": "u-1"}, "erased_at": {"N": "1"}});
    stack.put_item("DataKeysTable", &erased).await;
    in_vain(&[]).await;
    assert_eq!(stack.items("DataKeysTable").await, [erased]);
    let texts = Texts::new(&platform_of(&stack, &[])).unwrap();
    assert!(matches!(texts.prepare("u-1").await, Err(TextError::Erased)));
    assert!(matches!(texts.store("u-1", &[("prompt", "x")]).await, Err(TextError::Erased)));
    assert_eq!(stack.items("AuditTextsTable").await.len(), 0);
}

#[tokio::test]
async fn a_caller_is_told_that_nothing_could_be_recorded() {
    let unknown = "arn:aws:kms:us-east-1:123456789012:key/019a0000-0000-7000-8000-000000000000";
    let stack = TestStack::of(|options| {
        options.environment.insert("TEXT_KEY_ARN".into(), unknown.into());
    });
    let stack = stack.await;
    let caller = stack.someone().await;
    stack
        .post("/chat", Some(&caller), &json!({"message": "Anyone?"}))
        .await
        .problem(503, "unavailable");
    let mut socket = stack.connect(&caller).await;
    socket.send(&json!({"action": "chat.send", "message": "Anyone?"})).await;
    socket.expect("chat.started").await;
    assert_eq!(socket.expect("chat.failed").await["code"], "unavailable");
    let events = own_events(&stack, &caller, "chat.message").await;
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| event.get("texts").is_none()), "{events:?}");
}

#[tokio::test]
async fn a_reply_whose_user_is_erased_while_it_is_written_ends_without_texts() {
    let stack = TestStack::with(&FAST).await;
    let platform = platform_of(&stack, &[]);
    let reply = pending(&platform, "Until then", None).await;
    write(&platform, Scripted(vec![say("a"), stop()]), &reply).await;
    let next = pending(&platform, "And then", Some(&reply)).await;
    let messages = Messages::new(&platform).unwrap();
    messages.acquire(&next.conversation_id, &next.id, "a worker that dies").await.unwrap();
    stack
        .put_item("DataKeysTable", &json!({"user_id": {"S": "u-1"}, "erased_at": {"N": "1"}}))
        .await;
    grow_old(&stack, &json!(next.id), 0).await;
    sweep(&stack).await;
    assert_eq!(end_of(&platform, &next).await.status.as_str(), "failed");
    assert_eq!(texts_of(&stack, &next.id).await, []);
    // Nothing that was written before can be read any more.
    let [before] = ends_of(&stack, &reply.id).await.try_into().unwrap();
    let texts = Texts::new(&platform).unwrap();
    assert_eq!(texts.read(&before).await.unwrap(), vec![Err(Unreadable::Erased); 2]);
}

#[tokio::test]
async fn a_reply_ends_only_with_its_texts() {
    let stack = TestStack::with(&FAST).await;
    let platform = platform_of(&stack, &[]);
    let fail = |times| stack.fail("AuditTextsTable", Some("PutItem"), Failure::Internal, times);
    // The SDK sends a put three times. After that the worker ends the reply again.
    fail(6);
    let reply = pending(&platform, "Patience", None).await;
    write(&platform, Scripted(vec![say("a"), stop()]), &reply).await;
    let expected = [("prompt", prompt(&[], "Patience")), ("reply", "a".to_owned())];
    let expected = expected.map(|(name, text)| (name.to_owned(), text));
    assert_eq!(texts_of(&stack, &reply.id).await, expected);

    fail(FOR_EVER);
    let reply = pending(&platform, "In vain", None).await;
    let provider = Box::new(Scripted(vec![used(0), say("a"), stop()]));
    let worker = ChatStream::with_provider(&platform, provider).unwrap();
    let until = Instant::now() + Duration::from_mins(1);
    let problem = worker.write_reply(start_of_reply(&reply), until).await.unwrap_err();
    assert_eq!(problem.code.as_str(), "unavailable");
    assert_eq!(end_of(&platform, &reply).await.status.as_str(), "streaming");
    assert_eq!(ends_of(&stack, &reply.id).await, []);
    // The sweep cannot end it either, until the table takes the texts.
    grow_old(&stack, &json!(reply.id), 1).await;
    assert!(stack.local.invoke("ExpireRepliesFunction", "{}").await.is_err());
    assert_eq!(ends_of(&stack, &reply.id).await, []);
    stack.local.aws().recover();
    grow_old(&stack, &json!(reply.id), 1).await;
    sweep(&stack).await;
    assert_eq!(end_of(&platform, &reply).await.status.as_str(), "failed");
    let texts = texts_of(&stack, &reply.id).await;
    let on_record =
        r#"{"prompt":{"name":"default","version":0,"sha256":null},"shown":null,"turn":"In vain"}"#;
    assert_eq!(texts, [("prompt".to_owned(), on_record.to_owned())]);
}

#[tokio::test]
async fn a_worker_asks_for_a_users_key_once() {
    let stack = TestStack::with(&FAST).await;
    let platform = platform_of(&stack, &[]);
    let worker = || {
        let script = Scripted(vec![say("a"), stop()]);
        ChatStream::with_provider(&platform, Box::new(script)).unwrap()
    };
    let warm = worker();
    for (worker, expected) in [
        (&warm, &["GetItem", "GenerateDataKey", "PutItem"][..]),
        (&warm, &[]),
        (&worker(), &["GetItem", "Decrypt"]),
    ] {
        let reply = pending(&platform, "Hi", None).await;
        stack.local.calls().clear();
        let until = Instant::now() + Duration::from_mins(1);
        worker.write_reply(start_of_reply(&reply), until).await.unwrap();
        let calls = stack.local.calls().snapshot().into_iter();
        let calls: Vec<_> = calls
            // The sealer of the audit log asks KMS for signatures beside it.
            .filter(|call| {
                let is_sealer = ["Sign", "GetPublicKey"].contains(&call.operation.as_str());
                call.service == Service::Kms && !is_sealer
                    || call.targets.concat().contains("DataKeys")
            })
            .map(|call| call.operation)
            .collect();
        assert_eq!(calls, expected);
        assert_eq!(texts_of(&stack, &reply.id).await.len(), 2);
    }
}

#[tokio::test]
async fn of_many_that_make_the_first_key_of_a_user_one_is_stored_and_all_use_it() {
    let stack = TestStack::with(&FAST).await;
    let platform = platform_of(&stack, &[]);
    let racers = (0..20).map(|_| {
        let texts = Texts::new(&platform).unwrap();
        // Each is a process with a cache of its own.
        tokio::spawn(async move { texts.store("u-1", &[("prompt", "x")]).await.unwrap() })
    });
    let racers: Vec<_> = racers.collect();
    let stored: Vec<_> = join_all(racers).await.into_iter().map(Result::unwrap).collect();
    let keys = stack.items("DataKeysTable").await;
    let [key] = keys.as_slice() else { panic!("{keys:?}") };
    for texts in &stored {
        assert_eq!(texts.texts[0].key_id, key["key_id"]["S"].as_str().unwrap());
    }
    let items = stack.items("AuditTextsTable").await;
    assert_eq!(items.len(), 20);
    assert!(items.iter().all(|item| item["expires_at"]["N"].is_string()), "{items:?}");
}

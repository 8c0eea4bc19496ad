//! The worker writes each reply once and in time, however the model and the connection behave.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use assistant::domain::{Cost, StopReason, Usage};
use assistant::{Content, Event, Events, Fault, Provider, ProviderError, Request};
use chat_stream::ChatStream;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use platform::Platform;
use platform::clock::Clock;
use platform::config::Config;
use platform::context::Context;
use platform::domain::{Peer, Roles};
use platform::gate::{Committer, RequestInfo};
use platform::identity::{Credential, Principal};
use platform::input::Fields;
use platform::plan::Reply;
use platform::store::{User, Users};
use serde_json::{Value, json};
use tally_chat::store::{Budgets, Hold, Message, Messages, Origin, Spending, Subject};
use tally_chat::{ChatRequest, Replies, ReplyStart};
use tally_tests::TestStack;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::{FAST, SLOW, ask_async, own_events, path_of, poll, start_of, text, words};

#[tokio::test]
async fn a_worker_that_is_started_again_writes_nothing_more() {
    let stack = TestStack::with(&SLOW).await;
    let caller = stack.someone().await;
    let answer = ask_async(&stack, &caller, &json!({"message": "Once"})).await.expect(202);
    let start = start_of(&stack, &caller, &answer).await;
    let start = serde_json::to_vec(&start).unwrap();
    // Start it three times during the writing, and once more after the end.
    for result in
        join_all((0..3).map(|_| stack.local.invoke("ChatStreamFunction", start.clone()))).await
    {
        result.unwrap();
    }
    let end = poll(&stack, &caller, &path_of(&answer)).await.pop().unwrap();
    stack.local.invoke("ChatStreamFunction", start).await.unwrap();
    assert_eq!(stack.get(&path_of(&answer), Some(&caller)).await.expect(200), end);
    assert_eq!(own_events(&stack, &caller, "chat.message").await.len(), 1);
}

#[tokio::test]
async fn a_reply_ends_before_its_worker_does() {
    // The worker keeps 15 s of the 17 for storing the reply.
    let stack =
        TestStack::with(&[("LoremWordMilliseconds", "200"), ("ChatReplySeconds", "17")]).await;
    let caller = stack.someone().await;
    let answer =
        stack.post("/chat", Some(&caller), &json!({"message": "At length"})).await.expect(200);
    assert_eq!(answer["stop_reason"], "deadline");
    let written = words(&answer["reply"]);
    assert!((1..50).contains(&written), "{answer}");
    assert_eq!(answer["usage"]["output_tokens"], written);
}

#[tokio::test]
async fn a_worker_that_cannot_be_started_fails_the_reply() {
    let nowhere = "arn:aws:lambda:us-east-1:123456789012:function:Nowhere";
    let stack = TestStack::of(|options| {
        options.environment.insert("CHAT_STREAM_ARN".into(), nowhere.into());
    });
    let stack = stack.await;
    let caller = stack.someone().await;
    stack
        .post("/chat", Some(&caller), &json!({"message": "Anyone?"}))
        .await
        .problem(503, "unavailable");
    let events = own_events(&stack, &caller, "chat.").await;
    let [requested, ended] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(
        (text(&requested["action"]), text(&requested["outcome"])),
        ("chat.requested", "success")
    );
    assert_eq!((text(&ended["action"]), text(&ended["outcome"])), ("chat.message", "failure"));
    let id = text(&ended["resource"]).strip_prefix("message:").unwrap();
    let path =
        format!("/conversations/{}/messages/{id}", text(&ended["detail"]["conversation_id"]));
    let message = stack.get(&path, Some(&caller)).await.expect(200);
    assert_eq!((text(&message["status"]), text(&message["text"])), ("failed", ""));
}

/// A provider whose calls follow a script.
#[derive(Clone)]
pub struct Scripted(pub Vec<Result<Event, ProviderError>>);

impl Provider for Scripted {
    fn model(&self) -> &'static str {
        "scripted"
    }

    fn call(&self, _: Request) -> Events {
        // A script without an end goes silent.
        let ends = self.0.last().is_none_or(|last| !matches!(last, Ok(Event::Text(_))));
        let events = stream::iter(self.0.clone());
        if ends { events.boxed() } else { events.chain(stream::pending()).boxed() }
    }

    /// A billionth of a dollar per token, or ten for the model `dear`.
    fn cost(&self, model: &str, usage: &Usage) -> Cost {
        format!("0.{:09}", usage.output_tokens * if model == "dear" { 10 } else { 1 })
            .parse()
            .unwrap()
    }
}

/// The platform of functions, on this stack's tables, with settings of the test.
pub fn platform_of(stack: &TestStack, own: &[(&str, &str)]) -> Platform {
    let functions = stack.local.deployment().functions.iter();
    let chat = functions.filter(|function| function.id.starts_with("Chat"));
    let settings = chat.flat_map(|function| stack.local.environment(function));
    let own = own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Platform::new(settings.chain(own).collect::<Config>(), Clock::System)
}

/// Makes the account of a caller with an API key, if it does not exist.
async fn keep_key(platform: &Platform, caller: &Principal) {
    let users = Users::new(platform).unwrap();
    if users.get(&caller.user_id).await.unwrap().is_some() {
        return;
    }
    let user = User {
        id: caller.user_id.clone(),
        username: caller.username.clone(),
        email: Some("someone@example.com".into()),
        unverified_email: None,
        full_name: None,
        created_at: 0,
        is_active: true,
        roles: Roles::default().into_vec(),
        password_hash: None,
        sso: None,
        version: 1,
        sessions: BTreeMap::new(),
        api_keys: BTreeMap::from([(caller.credential.id().to_owned(), i64::MAX)]),
    };
    let email = user.email.as_ref().unwrap().parse().unwrap();
    let writes = users.create(&user, &user.username.parse().unwrap(), &email).unwrap();
    platform.database().unwrap().commit(writes).await.unwrap();
}

/// A reply, in a given conversation or a new one, that was asked for over a connection. Its worker
/// has not been started.
pub async fn pending(platform: &Platform, text: &str, conversation: Option<&Message>) -> Message {
    // It was asked for with the API key of an account that stays. So the reply is not ended by
    // either.
    let caller = Principal {
        user_id: "u-1".into(),
        username: "someone".into(),
        credential: Credential::KeyId("k-1".into()),
    };
    keep_key(platform, &caller).await;
    let body = json!({
        "message": text, "conversation_id": conversation.map(|message| &message.conversation_id),
    });
    pending_of(platform, caller, &body).await
}

/// The same for any caller and any message.
pub async fn pending_of(platform: &Platform, caller: Principal, body: &Value) -> Message {
    let subscriber = Peer::open("c-1=");
    let origin = Origin { caller, context: Context::default() };
    let request: ChatRequest = Fields::json(body.as_object().unwrap().clone()).read().unwrap();
    let now = platform.clock.now();
    let (reply, plan) = Replies::new(platform)
        .unwrap()
        .ask(request, origin, Some(subscriber), now, |_| Reply::new(()))
        .await
        .unwrap();
    let committer = Committer::new(platform).unwrap();
    let context = Context::default();
    let info = RequestInfo::new(&context, now, None);
    committer.commit(Ok(plan), None, &info).await.unwrap();
    reply
}

/// Has a provider write a reply to its end.
pub async fn write(platform: &Platform, provider: impl Provider + 'static, reply: &Message) {
    write_within(platform, provider, reply, Duration::from_mins(1)).await;
}

/// Has a provider write a reply within this time.
async fn write_within(
    platform: &Platform,
    provider: impl Provider + 'static,
    reply: &Message,
    time: Duration,
) {
    let worker = ChatStream::with_provider(platform, Box::new(provider)).unwrap();
    worker.write_reply(start_of_reply(reply), tokio::time::Instant::now() + time).await.unwrap();
}

/// The input with which the worker of this reply is started.
pub fn start_of_reply(reply: &Message) -> ReplyStart {
    ReplyStart {
        conversation_id: reply.conversation_id.clone(),
        message_id: reply.id.clone(),
        user_id: reply.user_id.clone(),
    }
}

#[tokio::test]
async fn a_reply_keeps_what_was_written_however_it_ends() {
    let stack = TestStack::with(&FAST).await;
    let platform = platform_of(&stack, &[]);
    let messages = Messages::new(&platform).unwrap();
    let say = |text: &str| Ok(Event::Text(text.into()));
    let used = |output_tokens| {
        Ok(Event::Usage(Usage { input_tokens: 1, output_tokens, ..Usage::default() }))
    };
    let failed = |fault| Err(ProviderError::new(fault, "as the script says"));
    let stop = || Ok(Event::Stop(StopReason::EndTurn));
    let model = |name: &str| Ok(Event::Model(name.into()));
    for (script, expected) in [
        (
            vec![used(0), say("a"), say("b"), used(2), stop()],
            ("completed", Some("end_turn"), "ab", "0.000000002"),
        ),
        (
            vec![model("dear"), say("a"), used(2), stop()],
            ("completed", Some("end_turn"), "a", "0.00000002"),
        ),
        (vec![stop()], ("completed", Some("end_turn"), "", "0.00")),
        (vec![], ("failed", None, "", "0.00")),
        (vec![failed(Fault::Overloaded)], ("failed", None, "", "0.00")),
        (vec![failed(Fault::UnknownModel)], ("failed", None, "", "0.00")),
        (
            vec![used(0), say("a"), used(1), say("b"), failed(Fault::Unreachable)],
            ("failed", None, "ab", "0.000000001"),
        ),
        (vec![say("a"), used(1)], ("failed", None, "a", "0.000000001")),
        (vec![used(1), say("a")], ("completed", Some("deadline"), "a", "0.000000001")),
    ] {
        let reply = pending(&platform, "Hi", None).await;
        // A silent provider must be waited for, so its time is short.
        let time = Duration::from_secs(if expected.1 == Some("deadline") { 3 } else { 60 });
        write_within(&platform, Scripted(script.clone()), &reply, time).await;
        let end = messages.get(&reply.conversation_id, &reply.id).await.unwrap().unwrap();
        let reason = end.stop_reason.map(StopReason::as_str);
        let cost = end.cost_usd.unwrap().to_string();
        assert_eq!(
            (end.status.as_str(), reason, end.text.as_str(), cost.as_str()),
            expected,
            "{script:?}"
        );
    }
}

/// A provider that records its requests and answers nothing.
#[derive(Clone, Default)]
pub struct Seen(pub Arc<Mutex<Vec<String>>>);

impl Provider for Seen {
    fn model(&self) -> &'static str {
        "seen"
    }

    fn call(&self, request: Request) -> Events {
        let contents = request.turns.into_iter().flat_map(|turn| turn.content);
        let texts = contents.map(|content| {
            if let Content::Text(text) = content { text } else { panic!("{content:?}") }
        });
        *self.0.lock().unwrap() = texts.collect();
        stream::once(async { Err(ProviderError::new(Fault::Overloaded, "always")) }).boxed()
    }

    fn cost(&self, _: &str, _: &Usage) -> Cost {
        Cost::default()
    }
}

#[tokio::test]
async fn the_model_sees_20_messages_whatever_was_lost_between_them() {
    let stack = TestStack::with(&FAST).await;
    let platform = platform_of(&stack, &[]);
    let seen = Seen::default();
    let mut last = None;
    for number in 1..=25 {
        let reply = pending(&platform, &number.to_string(), last.as_ref()).await;
        write(&platform, seen.clone(), &reply).await;
        let expected: Vec<_> =
            (1.max(number - 19)..=number).map(|number: i32| number.to_string()).collect();
        assert_eq!(*seen.0.lock().unwrap(), expected);
        last = Some(reply);
    }
}

#[tokio::test]
async fn a_reply_answers_its_message_and_not_one_that_came_meanwhile() {
    let stack = TestStack::with(&FAST).await;
    let platform = platform_of(&stack, &[]);
    let seen = Seen::default();
    let first = pending(&platform, "First", None).await;
    let second = pending(&platform, "Second", Some(&first)).await;
    for (reply, expected) in [(&first, &["First"][..]), (&second, &["First", "Second"])] {
        write(&platform, seen.clone(), reply).await;
        assert_eq!(*seen.0.lock().unwrap(), expected);
    }
}

#[tokio::test]
async fn what_is_not_held_is_not_asked_for() {
    let stack = TestStack::with(&FAST).await;
    let prices = |prices| [("AI_PROVIDER", "anthropic"), ("AI_MODEL", "m"), ("AI_PRICES", prices)];
    let free = platform_of(&stack, &[]);
    let cheap = platform_of(&stack, &prices("m=1/1/1/1"));
    let dear = platform_of(&stack, &prices("m=1/2/1/1"));
    let messages = Messages::new(&free).unwrap();
    // When settings change, the functions are replaced one after the other.
    for (asks, writes, covered) in [
        (&free, &cheap, false),
        (&cheap, &dear, false),
        (&cheap, &cheap, true),
        (&dear, &cheap, true),
        (&cheap, &free, true),
    ] {
        let reply = pending(asks, "How much?", None).await;
        let seen = Seen::default();
        write(writes, seen.clone(), &reply).await;
        assert_eq!(!seen.0.lock().unwrap().is_empty(), covered);
        let end = messages.get(&reply.conversation_id, &reply.id).await.unwrap().unwrap();
        assert_eq!(end.status.as_str(), "failed");
    }
    let budgets = Budgets::new(&free).unwrap();
    let spending =
        budgets.spending(Subject::User("u-1"), &Hold::month(free.clock.now())).await.unwrap();
    assert_eq!(spending, Spending::default());
}

/// A server for `@connections`. It answers with these statuses in turn, and repeats the last one. A
/// status of 0 is never answered. Returns its URL and the posted messages.
async fn connections(statuses: &'static [u16]) -> (String, Arc<Mutex<Vec<Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/live", listener.local_addr().unwrap());
    let posted = Arc::new(Mutex::new(Vec::new()));
    let posts = Arc::clone(&posted);
    tokio::spawn(async move {
        let mut unanswered = Vec::new();
        loop {
            let mut stream = BufReader::new(listener.accept().await.unwrap().0);
            let mut line = String::new();
            let mut length = 0;
            while stream.read_line(&mut line).await.unwrap() > 2 {
                if let Some(("content-length", value)) = line.to_lowercase().trim().split_once(": ")
                {
                    length = value.parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.unwrap();
            let number = {
                let mut posts = posts.lock().unwrap();
                posts.push(serde_json::from_slice(&body).unwrap());
                posts.len() - 1
            };
            let status = statuses[number.min(statuses.len() - 1)];
            if status == 0 {
                unanswered.push(stream);
                continue;
            }
            let kind = if status == 410 { "GoneException" } else { "LimitExceededException" };
            let kind = if status == 410 || status == 429 {
                format!("x-amzn-errortype: {kind}\r\n")
            } else {
                String::new()
            };
            let answer = format!(
                "HTTP/1.1 {status} Status\r\n{kind}content-length: 0\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, posted)
}

#[tokio::test]
async fn each_subscriber_gets_an_end_even_if_a_frame_was_lost() {
    let stack = TestStack::with(&FAST).await;
    let drafts = super::sweep::drafts(&stack);
    let a = "chat.delta a";
    let b = "chat.delta bc";
    let completed = "chat.completed";
    let failed = "chat.failed unavailable";
    for (statuses, expected) in [
        (&[200][..], &[a, b, completed][..]),
        (&[200, 429, 200], &[a, b, b, completed]),
        // The worker can't know whether the message has arrived. So it sends only the failure.
        (&[500, 200], &[a, failed]),
        (&[200, 500, 200], &[a, b, failed]),
        // An end may be sent twice.
        (&[200, 200, 500, 200], &[a, b, completed, completed]),
        (&[200, 410], &[a, b]),
        (&[500], &[a, failed, failed, failed]),
        // The time is up while the worker waits for the first frame to be accepted.
        (&[0, 200], &[a, failed]),
    ] {
        let (url, posted) = connections(statuses).await;
        let platform = platform_of(&stack, &[("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", &url)]);
        let reply = pending(&platform, "Hi", None).await;
        let say = |text: &str| Ok(Event::Text(text.into()));
        let script = vec![say("a"), say("b"), say("c"), Ok(Event::Stop(StopReason::EndTurn))];
        let time = if statuses[0] == 0 { Duration::from_secs(2) } else { Duration::from_mins(1) };
        write_within(&platform, Scripted(script), &reply, time).await;
        let posted = posted.lock().unwrap().clone();
        let shown = posted.iter().map(|message| {
            let more = message["text"]
                .as_str()
                .or(message["code"].as_str())
                .map(|more| format!(" {more}"));
            format!("{}{}", text(&message["type"]), more.unwrap_or_default())
        });
        let shown: Vec<String> = shown.collect();
        assert_eq!(shown, expected, "{statuses:?}");
        // If no message gets through, `expire-replies` tells the client later. It also says that
        // part of the reply is missing.
        let head = drafts.head(&reply.id).await.unwrap().unwrap();
        assert_eq!(head.sweep_at.is_some(), statuses == [500], "{statuses:?}");
        assert!(
            head.missed.contains("c-1=") || !shown.contains(&failed.to_owned()),
            "{statuses:?}"
        );
        if shown.last().unwrap() == failed {
            let path = format!("/conversations/{}/messages/{}", reply.conversation_id, reply.id);
            assert!(text(&posted.last().unwrap()["detail"]).contains(&path), "{posted:?}");
        }
    }
}

#[tokio::test]
async fn a_text_is_cut_where_it_would_not_fit_into_a_message() {
    let stack = TestStack::with(&FAST).await;
    let platform = platform_of(&stack, &[]);
    let messages = Messages::new(&platform).unwrap();
    let say = |text: String| Ok(Event::Text(text));
    let end = |script: Vec<Result<Event, ProviderError>>| async {
        let reply = pending(&platform, "At length", None).await;
        write(&platform, Scripted(script), &reply).await;
        messages.get(&reply.conversation_id, &reply.id).await.unwrap().unwrap()
    };
    let stop = || Ok(Event::Stop(StopReason::EndTurn));
    for (script, bytes, reason) in [
        (vec![say("x".repeat(300_000)), stop()], 300_000, StopReason::EndTurn),
        (vec![say("x".repeat(300_000)), say("x".into()), stop()], 300_000, StopReason::MaxTokens),
        (vec![say("x".into()), say("€".repeat(150_000)), stop()], 299_998, StopReason::MaxTokens),
    ] {
        let end = end(script).await;
        assert_eq!(
            (end.text.len(), end.stop_reason, end.status.as_str()),
            (bytes, Some(reason), "completed")
        );
    }
}

#[tokio::test]
async fn while_nothing_is_written_a_reply_is_looked_at_and_not_stored() {
    let stack = TestStack::with(&FAST).await;
    let platform = platform_of(&stack, &[]);
    let drafts = super::sweep::drafts(&stack);
    let reply = pending(&platform, "Think", None).await;
    stack.local.calls().clear();
    let calls = |operation: &str| {
        let calls = stack.local.calls().snapshot();
        calls
            .iter()
            .filter(|call| call.operation == operation && call.targets.concat().contains("Drafts"))
            .count()
    };
    let stop = async {
        // Wait for enough reads, so that a low number of writes is no accident.
        while calls("GetItem") < 5 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // One write at first, one after usage, and one when its subscriber was found gone.
        assert!(calls("UpdateItem") <= 3, "{:?}", stack.local.calls().snapshot());
        let cancel = drafts.cancel(&reply.id, "u-1", platform.clock.now());
        platform.database().unwrap().commit(vec![cancel]).await.unwrap();
    };
    let used = Event::Usage(Usage { input_tokens: 1, ..Usage::default() });
    let write = write(&platform, Scripted(vec![Ok(used), Ok(Event::Text("a".into()))]), &reply);
    tokio::join!(write, stop);
    let messages = Messages::new(&platform).unwrap();
    let end = messages.get(&reply.conversation_id, &reply.id).await.unwrap().unwrap();
    assert_eq!((end.status.as_str(), end.text.as_str()), ("cancelled", "a"));
}

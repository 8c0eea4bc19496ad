//! Replies of the provider `anthropic` through the whole stack.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tally_local::StackOptions;
use tally_tests::TestStack;
use tally_tests::messages_api::{Answer, KEY, MessagesApi, event, reply, reply_of};

use super::{own_events, path_of, poll, text};

const PARTS: [&str; 3] = ["Alpha", " made €12", " in 2023."];

/// A stack that uses this server as its assistant, with the server's key and these settings.
pub async fn stack(api: &MessagesApi, own: &[(&str, &str)]) -> TestStack {
    let own = own
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect::<Vec<_>>();
    world_of(api, |options| options.sets.extend(own)).await
}

/// The same, with these options of the stack.
pub async fn world_of(api: &MessagesApi, change: impl FnOnce(&mut StackOptions)) -> TestStack {
    let sets = [
        ("RateLimits", "*=100000/1m"),
        ("AiProvider", "anthropic"),
        ("AnthropicBaseUrl", api.url.as_str()),
        ("AiModel", "first"),
        ("AiFallbackModel", "second"),
        ("AiPrices", "first=5/25/6.25/0.50,second=1/5/1.25/0.10"),
        ("AiIdleMilliseconds", "500"),
    ];
    let stack = TestStack::of(|options| {
        options.sets =
            sets.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        change(options);
    });
    let stack = stack.await;
    let secret = json!({"SecretString": json!({
        "api_key": KEY,
    }).to_string(), "ClientRequestToken": "5f3a1c52-8e53-4a5b-9c3e-0d0a5a6f7b10"});
    stack.secrets_manager("PutSecretValue", "AnthropicKey", secret).await.unwrap();
    stack
}

#[tokio::test]
async fn a_reply_of_claude_is_billed_by_its_prices_and_audited_with_its_model() {
    let api = MessagesApi::with(vec![
        Answer::stream(reply(&PARTS)),
        Answer::stream(reply_of(&PARTS, "refusal")),
    ])
    .await;
    let stack = stack(&api, &[]).await;
    let caller = stack.someone().await;
    let answer = stack
        .post("/chat", Some(&caller), &json!({"message": "How did Alpha do?"}))
        .await
        .expect(200);
    assert_eq!(
        (text(&answer["reply"]), text(&answer["stop_reason"])),
        ("Alpha made €12 in 2023.", "end_turn")
    );
    let usage = json!({
        "input_tokens": 25, "output_tokens": 4, "cache_read_tokens": 7, "cache_write_tokens": 5,
    });
    assert_eq!((&answer["usage"], text(&answer["cost_usd"])), (&usage, "0.00025975"));
    let events = own_events(&stack, &caller, "chat.message").await;
    assert_eq!(
        (&events[0]["detail"]["model"], &events[0]["detail"]["cost_usd"]),
        (&json!("first"), &json!("0.00025975"))
    );

    let next = json!({"message": "And Beta?", "conversation_id": answer["conversation_id"]});
    assert_eq!(
        stack.post("/chat", Some(&caller), &next).await.expect(200)["stop_reason"],
        "refusal"
    );
    let asked = api.asked();
    let said =
        |role: &str, text: &str| json!({"role": role, "content": [{"type": "text", "text": text}]});
    let expected = [
        said("user", "How did Alpha do?"),
        said("assistant", "Alpha made €12 in 2023."),
        said("user", "And Beta?"),
    ];
    assert_eq!(asked[1].body["messages"], json!(expected));
    assert_eq!(asked[1].body["system"][0]["cache_control"], json!({"type": "ephemeral"}));
    assert_eq!(asked[1].body["max_tokens"], 4_096);
}

#[tokio::test]
async fn whatever_the_provider_does_a_client_hears_the_end_of_it() {
    let overloaded = event(
        &json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    );
    let good = || Answer::stream(reply(&PARTS));
    let breaks = Answer::stream(reply(&PARTS).into_iter().take(4).chain([overloaded]));
    let limited = AtomicBool::new(false);
    // The user's message selects the answer.
    let api = MessagesApi::start(move |asked| {
        let model = &asked.body["model"];
        match asked.message() {
            "break" => breaks.clone(),
            "hang" => good().up_to(5).then_silence(),
            "reset" => good().up_to(4).then_reset(),
            "refuse" => Answer::error(400, "invalid_request_error"),
            "redirect" => Answer::body(302, "text/plain", "").header("location", "/v1/messages"),
            "fall back" if model == "first" => Answer::error(404, "not_found_error"),
            "limit" if !limited.swap(true, Ordering::Relaxed) => {
                Answer::error(429, "rate_limit_error").header("retry-after-ms", "1")
            }
            _ => good().in_pieces_of(2),
        }
    });
    let api = api.await;
    let stack = stack(&api, &[]).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let whole = PARTS.concat();
    for (message, expected, code, model) in [
        ("whole", whole.as_str(), None, "first"),
        ("fall back", &whole, None, "second"),
        ("break", PARTS[0], Some("unavailable"), "first"),
        ("hang", "Alpha made €12", Some("unavailable"), "first"),
        ("reset", PARTS[0], Some("unavailable"), "first"),
        ("refuse", "", Some("provider_rejected"), "first"),
        ("redirect", "", Some("unavailable"), "first"),
        ("limit", &whole, None, "first"),
    ] {
        let started =
            socket.ask(&json!({"action": "chat.send", "message": message}), "chat.started").await;
        let (heard, end) = listen(&mut socket).await;
        let kind = if code.is_some() { "chat.failed" } else { "chat.completed" };
        assert_eq!(
            (text(&end["type"]), end["code"].as_str(), heard.as_str()),
            (kind, code, expected),
            "{message}: {end}"
        );
        let stored = poll(&stack, &caller, &path_of(&started)).await.pop().unwrap();
        assert_eq!(
            (text(&stored["text"]), text(&stored["status"])),
            (expected, if code.is_some() { "failed" } else { "completed" }),
            "{message}"
        );
        // Tokens that were read are paid for, even if the reply failed.
        assert_eq!(
            stored["cost_usd"] == "0.00",
            message == "refuse" || message == "redirect",
            "{message}: {stored}"
        );
        let events = own_events(&stack, &caller, "chat.message").await;
        assert_eq!(events.last().unwrap()["detail"]["model"], model, "{message}");
    }
}

/// Hears a reply to its end. Returns its text, and the message that ended it.
pub async fn listen(socket: &mut tally_tests::Socket) -> (String, Value) {
    let mut heard = String::new();
    loop {
        let message = socket.next().await.expect("the connection stays");
        if message["type"] != "chat.delta" {
            return (heard, message);
        }
        heard.push_str(text(&message["text"]));
    }
}

#[tokio::test]
async fn without_a_key_no_model_is_asked_and_readiness_is_degraded() {
    let api = MessagesApi::with(vec![Answer::stream(reply(&PARTS))]).await;
    let sets = [
        ("AiProvider", "anthropic"),
        ("AnthropicBaseUrl", api.url.as_str()),
        ("AiModel", "m"),
        ("AiPrices", "m=1/1/1/1"),
    ];
    let stack = TestStack::with(&sets).await;
    let caller = stack.someone().await;
    assert_eq!(stack.get("/ready", None).await.expect(200)["status"], "ok");
    stack
        .post("/chat", Some(&caller), &json!({"message": "Anyone?"}))
        .await
        .problem(503, "unavailable");
    assert_eq!(api.asked().len(), 0);
    // Operators see it in the readiness before users complain.
    let ready = stack.get("/ready", None).await.expect(200);
    assert_eq!(
        (text(&ready["status"]), text(&ready["checks"]["assistant"]["status"])),
        ("degraded", "failing")
    );
}

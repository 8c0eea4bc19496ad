//! The provider `anthropic` in a whole stack. `providers/` has what it does as all providers do.

use serde_json::{Value, json};
use tally_local::StackOptions;
use tally_tests::TestStack;
use tally_tests::messages_api::{Answer, KEY, MessagesApi, reply};

use super::providers::world::stack_of;
use super::text;

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
    let assistant = [
        ("AiProvider", "anthropic"),
        ("AnthropicBaseUrl", api.url.as_str()),
        ("AiIdleMilliseconds", "500"),
    ];
    stack_of(&assistant, Some(("AnthropicKey", KEY)), change).await
}

#[tokio::test]
async fn a_conversation_of_claude_is_sent_with_marks_for_the_cache() {
    let api = MessagesApi::with(vec![Answer::stream(reply(&PARTS))]).await;
    let stack = stack(&api, &[]).await;
    let caller = stack.someone().await;
    let first = json!({"message": "How did Alpha do?"});
    let answer = stack.post("/chat", Some(&caller), &first).await.expect(200);
    let next = json!({"message": "And Beta?", "conversation_id": answer["conversation_id"]});
    stack.post("/chat", Some(&caller), &next).await.expect(200);
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

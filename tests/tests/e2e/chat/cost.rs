//! The use of API Gateway, Lambda and DynamoDB by one reply. docs/PERFORMANCE.md has the cost of a
//! million replies.

use std::time::{Duration, Instant};

use serde_json::json;
use tally_local::aws::{Call, Service};
use tally_tests::messages_api::{Answer, MessagesApi, reply};

use super::{claude, text};

/// A typical reply: 300 tokens, 50 a second.
const TOKENS: usize = 300;
const PACE: Duration = Duration::from_millis(20);

/// The worker's time in milliseconds: six seconds of writing, and the work before and after.
const WORKER_MS: u128 = 6_300;

/// Maximum time of `chat.send`, in milliseconds.
const SEND_MS: u128 = 100;

/// List prices (us-east-1, arm64) in billionths of a dollar: a message of up to 32 KB either way, a
/// GB-second, an invocation.
const MESSAGE: u128 = 1_000;
const GB_SECOND: u128 = 13_333;
const INVOCATION: u128 = 200;

#[tokio::test]
async fn a_million_replies_take_tens_of_posts_and_writes_each_and_75_dollars_of_posts_and_lambda() {
    let api = MessagesApi::with(vec![Answer::stream(reply(&[" token"; TOKENS])).paced(PACE)]).await;
    let stack = claude::stack(&api, &[("AiIdleMilliseconds", "60000")]).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    stack.local.calls().clear();
    let begun = Instant::now();
    socket.send(&json!({"action": "chat.send", "message": "How did Alpha do?"})).await;
    loop {
        let message = socket.next().await.expect("the connection stays");
        match text(&message["type"]) {
            "chat.started" | "chat.delta" => {}
            "chat.completed" => break,
            _ => panic!("{message}"),
        }
    }
    // On a slow machine the reply takes longer, with more posts and more writes.
    let took = begun.elapsed().as_millis();
    let calls = stack.local.calls().snapshot();
    let posts = calls.iter().filter(|call| call.service == Service::Connections).count() as u128;
    let is_write = |operation: &str| !matches!(operation, "GetItem" | "BatchGetItem" | "Query");
    // The sealer of the audit log writes beside it.
    let is_sealer = |call: &Call| call.targets.concat().contains("AuditSequence");
    let writes = calls.iter().filter(|call| {
        call.service == Service::DynamoDb && is_write(&call.operation) && !is_sealer(call)
    });
    let writes = writes
        .map(|call| format!("{} {}", call.operation, call.targets.join("+")))
        .collect::<Vec<_>>();
    // A frame every 150 ms, the first, the last, the start and the end.
    assert!(posts <= took / 150 + 4, "{posts} posts in {took} ms");
    // Frames and the draft's head every 350 ms and at the start; three limits, question,
    // acquisition, the user's first data key, two texts, end, and that it was told.
    assert!(
        writes.len() as u128 <= 2 * (took / 350 + 2) + 10,
        "{} writes in {took} ms: {writes:#?}",
        writes.len()
    );

    let memory = |id: &str| {
        u128::from(
            stack
                .local
                .deployment()
                .functions
                .iter()
                .find(|function| function.id == id)
                .unwrap()
                .memory_mb,
        )
    };
    let gb_ms =
        (memory("ChatStreamFunction") * WORKER_MS + memory("ChatSendFunction") * SEND_MS) / 1_024;
    let messages = 1 + posts * WORKER_MS / took.max(WORKER_MS);
    let cost = messages * MESSAGE + gb_ms * GB_SECOND / 1_000 + 2 * INVOCATION;
    assert!(
        cost <= 75_000,
        "a million replies of {messages} messages and {gb_ms} GB-ms: {} dollars",
        cost / 1_000
    );
}

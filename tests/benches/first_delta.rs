//! Measures the time from `chat.send` to the first words of a reply, and from `chat.confirm` to the
//! result of the call that it approves, without the model's time:
//! `cargo bench -p tally-tests --bench first_delta`. docs/PERFORMANCE.md has the results.
//!
//! One client of the local stack sends messages. All is warm, the functions are release binaries,
//! and the model takes no time. With `--profile dev` the bench runs the binaries of `cargo run`.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use serde_json::json;
use tally_local::aws::Service;
use tally_local::{StackOptions, builder};
use tally_tests::{Socket, TestStack, root};

/// Number of measured messages and confirmations, and of earlier ones that warm up processes,
/// connections and caches.
const ROUNDS: usize = 200;
const WARM: usize = 20;

#[tokio::main]
async fn main() {
    let mut options =
        StackOptions::new(root().join("template.yaml"), builder::binaries_directory().unwrap());
    options.only = Some(
        ["seed", "login", "connect", "disconnect", "chat-send", "chat-follow", "chat-stream"]
            .map(str::to_owned)
            .into(),
    );
    options.sets = [("RateLimits", "*=1000000/1m"), ("LoremWordMilliseconds", "0")]
        .map(|(name, value)| (name.into(), value.into()))
        .into();
    options.build().unwrap();
    let stack = TestStack::run(options).await;
    let mut socket = stack.connect(&stack.demo().await).await;
    for _ in 0..WARM {
        send(&mut socket).await;
    }
    let mut found = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        stack.local.calls().clear();
        for (times, took) in found.iter_mut().zip(send(&mut socket).await) {
            times.push(took);
        }
    }
    println!("{ROUNDS} messages, milliseconds from chat.send, median and 95th percentile");
    for (name, times) in
        ["chat.started", "first chat.delta", "chat.completed"].into_iter().zip(found)
    {
        print(name, times);
    }
    print_calls(&stack);

    for _ in 0..WARM {
        confirm(&mut socket, &stack).await;
    }
    let mut found = Vec::new();
    for _ in 0..ROUNDS {
        found.push(confirm(&mut socket, &stack).await);
    }
    println!("{ROUNDS} confirmations, milliseconds from chat.confirm, median and 95th percentile");
    print("chat.tool_result", found);
    print_calls(&stack);
    stack.local.shutdown().await;
}

/// Prints the median and the 95th percentile.
fn print(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    println!(
        "{name:<16} {:>8.1} {:>8.1}",
        milliseconds(times[ROUNDS / 2]),
        milliseconds(times[ROUNDS * 95 / 100])
    );
}

/// Prints the calls of AWS since they were last cleared.
fn print_calls(stack: &TestStack) {
    println!("calls of the last one:");
    for call in stack.local.calls().snapshot() {
        let targets =
            if call.service == Service::DynamoDb { call.targets.join(" ") } else { String::new() };
        println!("  {} {targets}", call.operation);
    }
}

/// Sends a message and reads its reply. Returns the times until it is accepted, until its first
/// words, and until its end.
async fn send(socket: &mut Socket) -> [Duration; 3] {
    let begun = Instant::now();
    socket
        .ask(&json!({"action": "chat.send", "message": "How did Alpha do?"}), "chat.started")
        .await;
    let started = begun.elapsed();
    socket.expect("chat.delta").await;
    let first = begun.elapsed();
    while socket.next().await.unwrap()["type"] == "chat.delta" {}
    [started, first, begun.elapsed()]
}

/// Asks an agent for a task, approves the call, and reads the rest of the reply. Returns the time
/// from the approval to the result of the call. The calls of AWS are cleared before the approval.
async fn confirm(socket: &mut Socket, stack: &TestStack) -> Duration {
    let message = r#"/tool add_task {"title": "Close the books"}"#;
    let send = json!({"action": "chat.send", "message": message, "agent": "tasks"});
    let started = socket.ask(&send, "chat.started").await;
    let call = socket.expect("chat.tool_call").await;
    let confirm = json!({
        "action": "chat.confirm", "message_id": started["message_id"],
        "decisions": [{"call_id": call["call_id"], "decision": "approve"}],
    });
    stack.local.calls().clear();
    let begun = Instant::now();
    socket.ask(&confirm, "chat.tool_result").await;
    let took = begun.elapsed();
    while socket.next().await.unwrap()["type"] != "chat.completed" {}
    took
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

//! The worker of jobs: its deaths, its calls, its stores, its budget and its user.

mod cancels;
mod engine;
mod leases;
mod limits;
mod messages;
mod money;
mod outages;
mod purge;
mod retries;
mod stores;
pub mod worker;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tally_local::StackOptions;
use tally_tests::messages_api::{Answer, Asked, MessagesApi, event, reply};
use tally_tests::{Caller, TestStack, id};

use crate::chat::{claude, own_events, text};
use crate::job_api::{PATIENT, budget, has_ended, items, jobs, nanos};
use crate::prompts::save;

/// The prompt of these analyses, and its text. It has no schema, so any answer is a result.
const PROMPT: &str = "probe";
const SYSTEM: &str = "Probe.";

/// Nano-dollars of an answer of [`well`]: 25 tokens read, 7 from the cache, 5 into it, and two
/// written, at 5, 0.50, 6.25 and 25 dollars for a million.
pub const PRICE: i64 = 209_750;

/// The states of an item, and of a job that has ended, by the names of the counts.
const STATES: [&str; 5] = ["pending", "running", "succeeded", "failed", "cancelled"];

/// A stack that uses this server as its assistant, waits for its answers, and has the prompt.
pub async fn stack(api: &MessagesApi, own: &[(&str, &str)]) -> TestStack {
    world(api, own, |_| ()).await
}

/// The same, with these options of the stack.
pub async fn world(
    api: &MessagesApi,
    own: &[(&str, &str)],
    change: impl FnOnce(&mut StackOptions),
) -> TestStack {
    let sets: Vec<_> = std::iter::once(&PATIENT)
        .chain(own)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let stack = claude::world_of(api, |options| {
        options.sets.extend(sets);
        change(options);
    });
    let stack = stack.await;
    let task = json!({
        "kind": "task", "system": SYSTEM, "user": "{{input}}", "labels": ["production"],
    });
    save(&stack, &stack.admin().await, PROMPT, &task).await.expect(201);
    stack
}

/// An analysis of so many texts, at most 20. Each is a piece. The last item is the summary.
pub fn analysis(pieces: usize) -> Value {
    let input = |number| {
        let name = format!("{number:02}.txt");
        json!({"name": name, "text": format!("This is piece-{number:02}.")})
    };
    let inputs: Vec<_> = (0..pieces).map(input).collect();
    json!({"type": "custom", "prompt": PROMPT, "inputs": inputs})
}

/// The number of the piece that a request shows. `None` for the summary.
pub fn piece(asked: &Asked) -> Option<usize> {
    let system = asked.body["system"].to_string();
    let shown = asked.body["messages"].to_string();
    let (_, rest) = shown.split_once("piece-").filter(|_| system.contains(SYSTEM))?;
    rest.get(..2)?.parse().ok()
}

/// How often each piece was shown, and the summary was asked for (`None`).
pub fn shown(api: &MessagesApi) -> BTreeMap<Option<usize>, usize> {
    let mut shown = BTreeMap::new();
    for asked in api.asked() {
        *shown.entry(piece(&asked)).or_default() += 1;
    }
    shown
}

/// An answer to any request of an analysis.
pub fn well(asked: &Asked) -> Answer {
    // The summary has a schema.
    let is_text = asked.body["output_config"]["format"].is_null();
    let summary = json!({"summary": "Fine."}).to_string();
    Answer::stream(reply(&[if is_text { "Fine." } else { summary.as_str() }]))
}

/// An answer to a piece that has written so many tokens.
pub fn dear(output_tokens: u64) -> Answer {
    let mut frames = reply(&["Fine."]);
    let at = frames.len() - 2;
    frames[at] = event(&json!({
        "type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
        "usage": {"output_tokens": output_tokens},
    }));
    Answer::stream(frames)
}

/// An answer that begins, and then is silent.
pub fn hang() -> Answer {
    Answer::stream(reply(&["Fine."])).up_to(4).then_silence()
}

/// Starts an analysis of so many pieces.
pub async fn start(stack: &TestStack, caller: &Caller, pieces: usize) -> Value {
    stack.post("/analyses", Some(caller), &analysis(pieces)).await.expect(202)
}

/// A whole number.
pub fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// What an analysis of so many pieces would cost at worst.
pub async fn estimate(stack: &TestStack, caller: &Caller, pieces: usize) -> i64 {
    let path = "/analyses?dry_run=true";
    let estimate = stack.post(path, Some(caller), &analysis(pieces)).await.expect(200);
    assert_eq!(estimate["items"], pieces + 1, "{estimate}");
    nanos(&estimate["worst_usd"])
}

/// The worst case of a piece.
pub async fn worst(stack: &TestStack, caller: &Caller) -> i64 {
    estimate(stack, caller, 2).await - estimate(stack, caller, 1).await
}

/// Fails unless a job that has ended adds up, and the caller's budget has what their jobs have cost
/// and what they hold. Returns the items of the job.
pub async fn check(stack: &TestStack, caller: &Caller, job: &Value) -> Vec<Value> {
    assert!(has_ended(job), "{job}");
    let counts = &job["counts"];
    let items = items(stack, caller, job).await;
    for state in STATES {
        let found = items.iter().filter(|item| item["status"] == state).count();
        assert_eq!(counts[state], found, "{state}: {job} {items:?}");
    }
    assert_eq!((&counts["pending"], &counts["running"]), (&json!(0), &json!(0)), "{job}");
    assert_eq!(counts["total"], items.len(), "{job}");
    let sum: i64 = items.iter().map(|item| nanos(&item["cost_usd"])).sum();
    assert_eq!(sum, nanos(&job["cost_usd"]), "{job} {items:?}");
    for tokens in ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"] {
        let sum: u64 = items.iter().map(|item| number(&item["usage"][tokens])).sum();
        assert_eq!(job["usage"][tokens], sum, "{tokens}: {job} {items:?}");
    }
    for item in &items {
        let has = (item["result"].is_object(), item["error"].is_object());
        let expected = match text(&item["status"]) {
            "succeeded" => (true, false),
            "failed" => (false, true),
            _ => (false, false),
        };
        assert_eq!(has, expected, "{item}");
    }
    assert_eq!(job["held_usd"], "0.00", "{job}");
    let jobs = jobs(stack, caller).await;
    let sum = |name: &str| jobs.iter().map(|job| nanos(&job[name])).sum::<i64>();
    let is_open = jobs.iter().any(|job| !has_ended(job));
    let (spent, held) = budget(stack, caller).await;
    assert_eq!(held, sum("held_usd"), "{jobs:?}");
    // The budget has the cost of a round when it has ended.
    assert!(is_open || spent == sum("cost_usd"), "{spent} {jobs:?}");
    items
}

/// The error codes of items, in order. An empty one stands for none.
pub fn codes(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["error"]["code"].as_str().unwrap_or_default()).collect()
}

/// The events of an action about a job, oldest first, at most a hundred.
pub async fn events(stack: &TestStack, caller: &Caller, action: &str, job: &Value) -> Vec<Value> {
    let events = own_events(stack, caller, action).await;
    let resource = json!(format!("job:{}", id(job)));
    events.into_iter().filter(|event| event["resource"] == resource).collect()
}

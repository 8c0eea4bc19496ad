//! Replies of a provider through the functions of a whole stack. A stack takes a while to start, so
//! all of it happens on one for each provider.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use assistant::domain::{Cost, StopReason};
use http::Method;
use serde_json::{Value, json};
use tally_tests::Caller;
use tally_tests::model_server::{Act, Answer, Break, Refusal};

use super::kind::Kind;
use super::server::Asked;
use super::world::World;
use crate::chat::claude::listen;
use crate::chat::tools::statuses;
use crate::chat::{own_events, path_of, poll, text};
use crate::users::user_id;

const PARTS: [&str; 3] = ["Alpha", " made €12", " in 2023."];

/// A reply of two seconds, and one of ten.
const SOME: [&str; 40] = [" token"; 40];
const LONG: [&str; 200] = [" token"; 200];
const PACE: Duration = Duration::from_millis(50);

/// The message that has `lorem` use a tool, too.
const TOOL: &str = "/tool list_tasks {}";

pub async fn replies_pass_through_the_whole_stack(kind: Kind) {
    let world = World::start(kind, script(kind)).await;
    // It is the first client that hangs up.
    a_cancelled_reply_ends_upstream_and_is_billed_by_its_estimate(&world).await;
    tokio::join!(
        a_reply_is_streamed_billed_and_audited(&world),
        a_resumed_connection_gets_the_rest(&world),
        a_loop_with_tools_ends_with_the_text_of_the_model(&world),
    );
    if kind != Kind::Lorem {
        tokio::join!(
            a_client_hears_the_end_of_every_reply(&world),
            a_request_beyond_the_budget_is_not_made(&world),
        );
    }
    assert_eq!(world.server.refused(), Vec::<String>::new());
}

/// The user's message selects what the model does.
fn script(kind: Kind) -> impl Fn(&Asked) -> Answer + Send + Sync + 'static {
    let limited = AtomicBool::new(false);
    move |asked| {
        let is_first = asked.model == "first";
        let refuses = Act::Refuses;
        let act = match asked.message.as_str() {
            "at length" => return kind.answer(&Act::says(&LONG)).paced(PACE),
            "for a while" => return kind.answer(&Act::says(&SOME)).paced(PACE),
            TOOL if asked.results.is_empty() => Act::uses(&[("call_1", "list_tasks", json!({}))]),
            "break" => Act::breaks(&PARTS, 1, Break::Error),
            "end" => Act::breaks(&PARTS, 2, Break::End),
            "hang" => Act::breaks(&PARTS, 2, Break::Silence),
            "reset" => Act::breaks(&PARTS, 1, Break::Reset),
            "gone" if is_first => refuses(Refusal::UnknownModel),
            "busy" if is_first => refuses(Refusal::Overloaded),
            "limit" if !limited.swap(true, Ordering::Relaxed) => {
                refuses(Refusal::RateLimited(Duration::from_millis(1)))
            }
            "wrong" => refuses(Refusal::Wrong),
            "forbidden" => refuses(Refusal::Key),
            "long" => refuses(Refusal::TooLong),
            "filter" => refuses(Refusal::Filtered),
            "bound" => Act::Says(vec!["Alpha".to_owned()], StopReason::MaxTokens),
            _ => Act::says(&PARTS),
        };
        kind.answer(&act)
    }
}

/// The cost of a usage by the prices of the first model; `lorem` costs nothing.
fn cost(kind: Kind, usage: &Value) -> String {
    let of = |member: &str, nanos: i64| usage[member].as_i64().unwrap() * nanos;
    let nanos = of("input_tokens", 5_000)
        + of("output_tokens", 25_000)
        + of("cache_read_tokens", 500)
        + of("cache_write_tokens", 6_250);
    Cost::from_nanos(if kind == Kind::Lorem { 0 } else { nanos }).to_string()
}

async fn budget(world: &World, caller: &Caller) -> Value {
    world.stack.get("/users/me/budget", Some(caller)).await.expect(200)
}

async fn a_cancelled_reply_ends_upstream_and_is_billed_by_its_estimate(world: &World) {
    let caller = world.stack.someone().await;
    let mut socket = world.stack.connect(&caller).await;
    let ask = json!({"action": "chat.send", "message": "at length"});
    let started = socket.ask(&ask, "chat.started").await;
    let first = socket.expect("chat.delta").await;
    let held = budget(world, &caller).await["held_usd"].clone();
    assert_eq!(text(&held) == "0.00", world.kind == Kind::Lorem, "{held}");
    socket.send(&json!({"action": "chat.cancel", "message_id": started["message_id"]})).await;
    let (rest, end) = listen(&mut socket).await;
    assert_eq!((text(&end["type"]), text(&end["stop_reason"])), ("chat.completed", "cancelled"));
    world.server.hung_up(1).await;
    let stored = poll(&world.stack, &caller, &path_of(&started)).await.pop().unwrap();
    let heard = text(&first["text"]).to_owned() + &rest;
    assert_eq!((text(&stored["status"]), text(&stored["text"])), ("cancelled", heard.as_str()));
    // Two tokens for three bytes; a token of `lorem` is a word.
    let estimated = (2 * heard.len() as u64).div_ceil(3);
    let output = end["usage"]["output_tokens"].as_u64().unwrap();
    assert!((1..=estimated).contains(&output), "{end}");
    assert_eq!(text(&end["cost_usd"]), cost(world.kind, &end["usage"]));
    let after = budget(world, &caller).await;
    assert_eq!((&after["spent_usd"], text(&after["held_usd"])), (&end["cost_usd"], "0.00"));
}

async fn a_reply_is_streamed_billed_and_audited(world: &World) {
    let (kind, stack) = (world.kind, &world.stack);
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let ask = json!({"action": "chat.send", "message": "How did Alpha do?"});
    let started = socket.ask(&ask, "chat.started").await;
    let (heard, end) = listen(&mut socket).await;
    assert_eq!((text(&end["type"]), text(&end["stop_reason"])), ("chat.completed", "end_turn"));
    if kind == Kind::Lorem {
        assert_eq!(end["usage"]["output_tokens"], heard.split_whitespace().count());
    } else {
        assert_eq!(
            (heard.as_str(), &end["usage"]),
            (PARTS.concat().as_str(), &json!(kind.usage(4)))
        );
    }
    assert_eq!(text(&end["cost_usd"]), cost(kind, &end["usage"]));
    let stored = stack.get(&path_of(&started), Some(&caller)).await.expect(200);
    assert_eq!((&stored["text"], &stored["cost_usd"]), (&json!(heard), &end["cost_usd"]));
    let events = own_events(stack, &caller, "chat.message").await;
    let detail = &events[0]["detail"];
    assert_eq!((&detail["model"], &detail["cost_usd"]), (&json!(kind.model()), &end["cost_usd"]));
    if kind == Kind::Lorem {
        return;
    }
    // The next message has the conversation before it.
    let next = json!({"message": "bound", "conversation_id": started["conversation_id"]});
    let answer = stack.post("/chat", Some(&caller), &next).await.expect(200);
    assert_eq!((text(&answer["reply"]), text(&answer["stop_reason"])), ("Alpha", "max_tokens"));
    let asked = world.server.asked();
    let asked = asked.iter().find(|asked| asked.message == "bound").unwrap();
    assert_eq!(asked.texts, ["How did Alpha do?", PARTS.concat().as_str(), "bound"]);
    assert_eq!(asked.max_tokens, 4_096);
    let spent = budget(world, &caller).await["spent_usd"].clone();
    assert_eq!(text(&spent), sum([&end["cost_usd"], &answer["cost_usd"]]));
}

/// The sum of costs.
fn sum<'a>(costs: impl IntoIterator<Item = &'a Value>) -> String {
    let mut sum = Cost::ZERO;
    for cost in costs {
        sum += text(cost).parse().unwrap();
    }
    sum.to_string()
}

async fn a_resumed_connection_gets_the_rest(world: &World) {
    let caller = world.stack.someone().await;
    let mut socket = world.stack.connect(&caller).await;
    let ask = json!({"action": "chat.send", "message": "for a while"});
    let started = socket.ask(&ask, "chat.started").await;
    let first = socket.expect("chat.delta").await;
    socket.close().await;
    let mut again = world.stack.connect(&caller).await;
    let resume = json!({
        "action": "chat.resume", "message_id": started["message_id"],
        "after_sequence": first["sequence"],
    });
    again.send(&resume).await;
    let (rest, end) = listen(&mut again).await;
    assert_eq!(text(&end["type"]), "chat.completed");
    let heard = text(&first["text"]).to_owned() + &rest;
    if world.kind != Kind::Lorem {
        assert_eq!(heard, SOME.concat());
    }
    let stored = poll(&world.stack, &caller, &path_of(&started)).await.pop().unwrap();
    assert_eq!(text(&stored["text"]), heard);
}

async fn a_loop_with_tools_ends_with_the_text_of_the_model(world: &World) {
    let caller = world.stack.someone().await;
    let task = json!({"title": "Pay the rent"});
    world.stack.post("/tasks", Some(&caller), &task).await.expect(201);
    let body = json!({"message": TOOL, "agent": "tasks"});
    let answer = world.stack.post("/chat", Some(&caller), &body).await.expect(200);
    assert_eq!((text(&answer["stop_reason"]), statuses(&answer)), ("end_turn", vec!["completed"]));
    assert_eq!(text(&answer["cost_usd"]), cost(world.kind, &answer["usage"]));
    if world.kind == Kind::Lorem {
        return;
    }
    assert_eq!(text(&answer["reply"]), PARTS.concat());
    let asked = world.server.asked().into_iter().filter(|asked| asked.message == TOOL);
    let results: Vec<_> = asked.map(|asked| asked.results).collect();
    let [none, one] = results.as_slice() else { panic!("{results:?}") };
    let ([], [(id, found)]) = (none.as_slice(), one.as_slice()) else { panic!("{results:?}") };
    assert!(id == "call_1" && found.contains("Pay the rent"), "{results:?}");
    // The reply took what its two calls took together: one of one use, one of three parts.
    let (first, second) = (world.kind.usage(2), world.kind.usage(4));
    let mut both = first;
    both += second;
    assert_eq!(answer["usage"], json!(both));
}

async fn a_client_hears_the_end_of_every_reply(world: &World) {
    let stack = &world.stack;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let whole = PARTS.concat();
    let mut costs = Vec::new();
    // A success between the failures keeps the circuits closed.
    for (message, expected, code, model) in [
        ("whole", whole.as_str(), None, "first"),
        ("gone", &whole, None, "second"),
        ("break", PARTS[0], Some("unavailable"), "first"),
        ("end", "Alpha made €12", Some("unavailable"), "first"),
        ("limit", &whole, None, "first"),
        ("hang", "Alpha made €12", Some("unavailable"), "first"),
        ("reset", PARTS[0], Some("unavailable"), "first"),
        ("wrong", "", Some("provider_rejected"), "first"),
        ("forbidden", "", Some("provider_rejected"), "first"),
        ("long", "", Some("context_too_long"), "first"),
        ("filter", "", Some("content_refused"), "first"),
        ("busy", &whole, None, "second"),
    ] {
        let send = json!({"action": "chat.send", "message": message});
        let started = socket.ask(&send, "chat.started").await;
        let (heard, end) = listen(&mut socket).await;
        let kind = if code.is_some() { "chat.failed" } else { "chat.completed" };
        assert_eq!(
            (text(&end["type"]), end["code"].as_str(), heard.as_str()),
            (kind, code, expected),
            "{message}: {end}"
        );
        let stored = poll(stack, &caller, &path_of(&started)).await.pop().unwrap();
        assert_eq!(
            (text(&stored["text"]), text(&stored["status"])),
            (expected, if code.is_some() { "failed" } else { "completed" }),
            "{message}"
        );
        // Tokens that were read are paid for, even if the reply failed. A refusal costs nothing.
        assert_eq!(stored["cost_usd"] == "0.00", expected.is_empty(), "{message}: {stored}");
        costs.push(stored["cost_usd"].clone());
        let events = own_events(stack, &caller, "chat.message").await;
        assert_eq!(events.last().unwrap()["detail"]["model"], model, "{message}");
    }
    let after = budget(world, &caller).await;
    assert_eq!(
        (text(&after["spent_usd"]), text(&after["held_usd"])),
        (sum(&costs).as_str(), "0.00")
    );
}

async fn a_request_beyond_the_budget_is_not_made(world: &World) {
    let stack = &world.stack;
    let (admin, caller) = (stack.admin().await, stack.someone().await);
    let path = format!("/users/{}/budget", user_id(stack, &caller.username).await);
    let message = json!({"message": "too dear"});
    for (amount, status) in [(json!("0.0001"), 402), (json!(null), 200)] {
        let amount = json!({"monthly_usd": amount});
        stack.call(Method::PUT, &path, &admin, &amount).await.expect(200);
        let answer = stack.post("/chat", Some(&caller), &message).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    let asked = world.server.asked();
    assert_eq!(asked.iter().filter(|asked| asked.message == "too dear").count(), 1);
}

//! The stand-in for OpenAI's chat completions by itself, for `.ci/check-openai-sdk`. It prints its
//! URL and its key, and serves until you end it. The answer depends on the model that a request
//! names. A model with the name of a dialect answers in that dialect.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tally_tests::completions_api::{
    Answer, Asked, CompletionsApi, Dialect, KEY, Step, act, calls, chunk, json as answer_of, reply,
    reply_of,
};
use tally_tests::model_server::{Act, Break, Refusal};

const TEXT: [&str; 3] = ["Good", " mörning", ", 👩‍👩‍👧."];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let limited = AtomicBool::new(false);
    let api = CompletionsApi::start(move |asked| match asked.model() {
        "limited-once" if limited.swap(true, Ordering::Relaxed) => Answer::stream(reply(&TEXT)),
        _ => answer(asked),
    });
    let api = api.await;
    println!("{} {KEY}", api.url);
    std::future::pending::<()>().await;
}

fn answer(asked: &Asked) -> Answer {
    let refuses = |refusal| act(&Act::Refuses(refusal));
    match asked.model() {
        "bytes" => Answer::stream(reply(&TEXT)).in_pieces_of(1),
        "refusal" => Step::new().refuses("I'm sorry, I can't.").answer(),
        "filtered" => Answer::stream(reply_of(&["No"], "content_filter")),
        "length" => Answer::stream(reply_of(&TEXT, "length")),
        "loop" if asked.step() == 0 => Step::new()
            .says("Let me see.")
            .calls("call_1", "list_tasks", &json!({}))
            .calls("call_2", "add_task", &json!({"title": "Pay the rent"}))
            .answer(),
        "cut" => Step::new().calls("call_1", "add_task", &json!({"title": "Pay"})).cut().answer(),
        "json" => answer_of(&json!({"summary": TEXT.concat(), "parts": TEXT})),
        "tool" => Answer::stream(calls(&[(
            "call_1",
            "profits",
            json!({"company": "Alpha", "year": 2023}),
        )])),
        "unknown" => {
            let mut frames = reply(&TEXT);
            frames.insert(1, chunk(&json!({"a_new_member": 1})));
            Answer::stream(frames)
        }
        "breaks" => act(&Act::breaks(&TEXT, 1, Break::Error)),
        "overloaded" => refuses(Refusal::Overloaded),
        "failing" => refuses(Refusal::Failing),
        "limited" | "limited-once" => refuses(Refusal::RateLimited(Duration::from_millis(1))),
        "missing" => refuses(Refusal::UnknownModel),
        "long" => refuses(Refusal::TooLong),
        "filter" => refuses(Refusal::Filtered),
        name => {
            let dialect = Dialect::ALL.into_iter().find(|dialect| format!("{dialect:?}") == name);
            Step::new().writes(&TEXT).answer_in(dialect.unwrap_or_default())
        }
    }
}

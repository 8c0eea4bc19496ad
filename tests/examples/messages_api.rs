//! The stand-in for the Messages API by itself, for `.ci/check-anthropic-sdk` and `.ci/check-jobs`.
//! It prints its URL and its key and serves until it is ended. What it answers goes by the model
//! that it is asked for. The model `tasks` answers by the schema of the request.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tally_tests::messages_api::{
    Answer, Cut, KEY, MessagesApi, Step, event, reply, reply_of, tool,
};
use tally_tests::task_model;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let limited = AtomicBool::new(false);
    let api = MessagesApi::start(move |asked| {
        let text = ["Good", " mörning", ", 👩‍👩‍👧."];
        let failure = || {
            event(&json!({
                "type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"},
            }))
        };
        match asked.body["model"].as_str().unwrap_or_default() {
            "bytes" => Answer::stream(reply(&text)).in_pieces_of(1),
            "refusal" => Answer::stream(reply_of(&["No"], "refusal")),
            "loop" if asked.step() == 0 => Step::new()
                .thinks("Both at once. €")
                .says("Let me see.")
                .uses("toolu_1", "list_tasks", &json!({}))
                .thinks_secretly("c2VjcmV0")
                .uses("toolu_2", "add_task", &json!({"title": "Pay the rent"}))
                .answer(),
            "cut" => {
                let input = json!({"title": "Pay the rent"});
                Step::new()
                    .says("So.")
                    .uses("toolu_1", "add_task", &input)
                    .cut(Cut::Closed)
                    .answer()
            }
            "json" => Answer::json(&json!({"summary": text.concat(), "parts": text})),
            "pause" => Step::new().says("One moment.").stops("pause_turn").answer(),
            "tool" => Answer::stream(tool("profits", &json!({"company": "Alpha", "year": 2023}))),
            "unknown" => {
                let new = event(&json!({"type": "a_new_event", "more": 1}));
                Answer::stream(reply(&text[..1]).into_iter().flat_map(|frame| [frame, new.clone()]))
            }
            "breaks" => Answer::stream(reply(&text).into_iter().take(4).chain([failure()])),
            "overloaded" => Answer::error(529, "overloaded_error"),
            "limited" => Answer::error(429, "rate_limit_error").header("retry-after-ms", "1"),
            "limited-once" if !limited.swap(true, Ordering::Relaxed) => {
                Answer::error(429, "rate_limit_error").header("retry-after-ms", "1")
            }
            "missing" => Answer::error(404, "not_found_error"),
            "tasks" => task_model::answer(asked),
            _ => Answer::stream(reply(&text)),
        }
    });
    let api = api.await;
    println!("{} {KEY}", api.url);
    std::future::pending::<()>().await;
}

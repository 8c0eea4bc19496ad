//! The stand-in for Amazon Bedrock Runtime by itself, for `.ci/check-bedrock-client`. It prints its
//! URL, its region and the credentials that it takes, and serves until you end it. With the argument
//! `any` it takes any credentials, such as those of a local stack. The answer depends on the model
//! that a request names.

use serde_json::json;
use tally_tests::bedrock_api::{
    Answer, Asked, BedrockApi, Error, Frame, REGION, Step, error, errors, nothing, of_step, reply,
    stream, tool,
};

/// The text of a reply, in its parts.
const TEXT: [&str; 3] = ["Good", " mörning", ", 👩‍👩‍👧."];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let api = BedrockApi::start(answer).await;
    let takes_any = std::env::args().any(|argument| argument == "any");
    let api = if takes_any { api.without_signatures() } else { api };
    let known = api.credentials();
    println!("{} {REGION} {} {}", api.url, known.access_key_id, known.secret_access_key);
    std::future::pending::<()>().await;
}

/// The answer of a model, by its name.
fn answer(asked: &Asked) -> Answer {
    match asked.model() {
        "bytes" => stream(reply(&TEXT)).in_pieces_of(1),
        "sevens" => stream(reply(&TEXT)).in_pieces_of(7),
        "tool" => stream(tool("profits", &json!({"company": "Alpha", "year": 2023}))),
        "loop" if asked.step() == 0 => of_step(
            &Step::new()
                .thinks("Both at once. €")
                .says("Let me see.")
                .uses("toolu_1", "list_tasks", &json!({}))
                .thinks_secretly("c2VjcmV0")
                .uses("toolu_2", "add_task", &json!({"title": "Pay the rent"})),
        ),
        "nothing" => nothing(),
        "short" => stream(reply(&TEXT)).up_to(5),
        "half" => stream(begun().chain([last().cut(40)])),
        "damaged" => stream(begun().chain([last().damaged()])),
        "new" => {
            let known = reply(&TEXT).into_iter().map(Frame::from);
            let both = known.flat_map(|frame| [frame, Frame::unknown()]);
            stream([Frame::initial_response()].into_iter().chain(both))
        }
        "unmodeled" => stream(begun().chain([Frame::error("InternalFailure", "Oops.")])),
        // An ARN arrives as the client was given it, although the path has it encoded.
        arn if arn.starts_with("arn:") => stream(reply(&[arn])),
        name if name.ends_with("Exception") => {
            stream(begun().chain([Frame::exception(name, "This is an exception.")]))
        }
        name => refusal(name).map_or_else(|| stream(reply(&TEXT)), error),
    }
}

/// The first frames of a reply: one of them has text.
fn begun() -> impl Iterator<Item = Frame> {
    reply(&TEXT).into_iter().take(4).map(Frame::from)
}

/// The last frame of a reply.
fn last() -> Frame {
    Frame::Event(json!({"type": "message_stop"}))
}

/// The refusal of this name.
fn refusal(name: &str) -> Option<Error<'static>> {
    Some(match name {
        "throttled" => errors::THROTTLED,
        "over-quota" => errors::OVER_QUOTA,
        "overloaded" => errors::OVERLOADED,
        "failing" => errors::FAILING,
        "model-failing" => errors::MODEL_FAILING,
        "not-ready" => errors::NOT_READY,
        "timed-out" => errors::MODEL_TIMED_OUT,
        "not-authorized" => errors::NOT_AUTHORIZED,
        "unknown" => errors::UNKNOWN_MODEL,
        "needs-profile" => errors::NEEDS_PROFILE,
        "too-long" => errors::TOO_LONG,
        _ => return None,
    })
}

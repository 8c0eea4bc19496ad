//! The provider `openai` against servers that speak its API in dialects of their own. A case has the
//! name of its vendor. `providers/` has what the provider does as all providers do.

use std::time::Duration;

use assistant::domain::{Effort, MessageRole, StopReason, Usage};
use assistant::{Content, Fault, Request, Turn};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tally_tests::Circuits;
use tally_tests::completions_api::{
    Answer, CompletionsApi, Dialect, Step, act_in, done, error, frame,
};
use tally_tests::model_server::{Act, Break, Refusal};
use tally_tests::steps::{results, step, tools};

use super::providers::stage::{PARTS, asking, hear, request};

const TEXT: &str = "Profits rose by €12.";
const THOUGHT: &str = "I have to look.";

/// A server with this dialect. It gives these replies to the steps of a reply, in small pieces.
async fn server(dialect: Dialect, steps: Vec<Step>) -> CompletionsApi {
    let answers = steps.iter().map(|step| step.answer_in(dialect).in_pieces_of(7));
    let api = CompletionsApi::steps(answers.collect()).await;
    api.speak(dialect);
    api
}

/// Two tokens for three bytes.
fn estimated(texts: &[&str]) -> u64 {
    (2 * texts.concat().len() as u64).div_ceil(3)
}

#[tokio::test]
async fn a_reply_is_whole_and_counted_in_every_dialect() {
    let circuits = Circuits::start().await;
    for dialect in Dialect::ALL {
        let api = server(dialect, vec![Step::new().thinks(THOUGHT).says(TEXT)]).await;
        let heard = hear(&*circuits.openai(&api, &[]), request()).await;
        let found = (heard.outcome(), heard.text.as_str());
        assert_eq!(found, (Ok(StopReason::EndTurn), TEXT), "{dialect:?}");
        if let Some(list) = dialect.blocks() {
            // The pieces are one block, which stands for its text.
            let [thought] = &heard.thoughts[..] else {
                panic!("{dialect:?}: {:?}", heard.thoughts)
            };
            assert_eq!(thought[list].as_array().map(Vec::len), Some(1), "{dialect:?}: {thought}");
        } else {
            let thought =
                dialect.reasoning().map(|member| json!({"type": "openai", member: THOUGHT}));
            assert_eq!(heard.thoughts, thought.into_iter().collect::<Vec<_>>(), "{dialect:?}");
        }
        // It has read 32 tokens, 7 of them from the cache. Thoughts are paid for, also hidden ones.
        let counted = |input_tokens, cache_read_tokens| Usage {
            input_tokens,
            output_tokens: 5,
            cache_read_tokens,
            cache_write_tokens: 0,
        };
        let expected = match (dialect.tells_usage(), dialect.tells_cached()) {
            (true, true) => counted(25, 7),
            (true, false) => counted(32, 0),
            (false, _) => Usage { output_tokens: estimated(&[THOUGHT, TEXT]), ..heard.usages[0] },
        };
        assert_eq!(heard.usage(), expected, "{dialect:?}");
    }
}

/// The first step of a reply: a thought, a text and two calls.
fn first_step() -> Step {
    let input = json!({"title": "Pay the rent: €12", "due_date": null});
    let begun = Step::new().thinks(THOUGHT).says("Let me see.");
    begun.calls("call_1", "add_task", &input).calls("call_2", "list_tasks", &json!({}))
}

#[tokio::test]
async fn calls_are_answered_and_thoughts_come_back_within_a_reply_in_every_dialect() {
    let circuits = Circuits::start().await;
    for dialect in Dialect::ALL {
        let api = server(dialect, vec![first_step(), Step::new().says("Done.")]).await;
        let provider = circuits.openai(&api, &[]);
        let mut request = Request { tools: tools(), ..request() };
        let (turn, reason) = step(&*provider, request.clone()).await;
        assert_eq!(reason, StopReason::ToolUse, "{dialect:?}");
        let ids = check_first_step(&turn, dialect);
        let answers = results(&turn, |_| false);
        request.turns.extend([turn, answers]);
        let (turn, reason) = step(&*provider, request.clone()).await;
        assert_eq!(reason, StopReason::EndTurn, "{dialect:?}");
        assert_eq!(turn.content.last(), Some(&Content::Text("Done.".into())), "{dialect:?}");
        // The first reasoning model of DeepSeek refuses its own thoughts.
        let refused = usize::from(dialect == Dialect::DeepseekR1);
        assert_eq!(api.refused().len(), refused, "{dialect:?}: {:?}", api.refused());
        let asked = api.asked();
        let answered: Vec<_> = asked[1].results().into_iter().map(|(id, ..)| id).collect();
        assert_eq!(answered, ids, "{dialect:?}");
        let said = said_by_the_model(asked[1].messages());
        match (dialect.blocks(), dialect.reasoning().filter(|_| refused == 0)) {
            // The blocks stand for their text.
            (Some(list), member) => {
                assert!(said[0][list].is_array(), "{dialect:?}: {}", said[0]);
                assert!(member.is_none_or(|member| said[0][member].is_null()), "{dialect:?}");
            }
            (None, Some(member)) => assert_eq!(said[0][member], THOUGHT, "{dialect:?}"),
            (None, None) => {}
        }
        let is_signed = !said[0]["tool_calls"][0]["extra_content"].is_null();
        let is_gemini = matches!(dialect, Dialect::Gemini | Dialect::GeminiInPieces);
        assert_eq!(is_signed, is_gemini, "{dialect:?}");

        // A later reply is asked for without the thoughts of earlier ones, because they are stored
        // without them. DeepSeek V4 wants a reasoning all the same, and takes an empty one.
        request.turns.extend([turn, Turn::text(MessageRole::User, "And now?")]);
        step(&*provider, request).await;
        let wants_reasoning = dialect == Dialect::DeepseekV4;
        let refused = refused + usize::from(wants_reasoning);
        assert_eq!(api.refused().len(), refused, "{dialect:?}: {:?}", api.refused());
        let asked = api.asked();
        let said = said_by_the_model(asked[2].messages());
        if wants_reasoning {
            assert!(said.iter().all(|message| message["reasoning_content"] == ""), "{said:?}");
            continue;
        }
        let said = json!(said).to_string();
        let words = ["reasoning", "thinking", "extra_content"];
        assert!(words.iter().all(|word| !said.contains(word)), "{said}");
    }
}

/// A gateway in front of Claude refuses a step whose blocks are another model's, and then a step
/// without blocks, where the model is to think.
#[tokio::test]
async fn a_step_of_another_model_is_taken_without_thoughts_and_without_thinking() {
    let circuits = Circuits::start().await;
    for dialect in [Dialect::LitellmClaude, Dialect::OpenrouterClaude] {
        let api = server(dialect, vec![first_step(), Step::new().says("Done.")]).await;
        let provider = circuits.openai(&api, &[]);
        let effort = Some(Effort::Low);
        let mut request = Request { tools: tools(), effort, ..request() };
        let (mut turn, _) = step(&*provider, request.clone()).await;
        let list = dialect.blocks().unwrap();
        for content in &mut turn.content {
            if let Content::Thought(thought) = content
                && let Some(block) = thought.pointer_mut(&format!("/{list}/0"))
            {
                block["signature"] = json!("c2ln");
            }
        }
        let answers = results(&turn, |_| false);
        request.turns.extend([turn, answers]);
        let (turn, reason) = step(&*provider, request).await;
        assert_eq!(reason, StopReason::EndTurn, "{dialect:?}");
        assert_eq!(turn.content.last(), Some(&Content::Text("Done.".into())), "{dialect:?}");
        let refused = api.refused();
        let [signature, thinking] = &refused[..] else { panic!("{dialect:?}: {refused:?}") };
        assert!(signature.contains("Invalid `signature`"), "{dialect:?}: {signature}");
        assert!(thinking.contains("Expected `thinking`"), "{dialect:?}: {thinking}");
        let asked = api.asked();
        assert!(asked[1].body["reasoning_effort"].is_null(), "{dialect:?}");
    }
}

/// Checks the turn of [`first_step`]. Returns the ids of its uses.
fn check_first_step(turn: &Turn, dialect: Dialect) -> Vec<String> {
    let is_said = |content: &&Content| !matches!(content, Content::Thought(_));
    let said: Vec<_> = turn.content.iter().filter(is_said).collect();
    let [Content::Text(text), Content::ToolUse(first), Content::ToolUse(second)] = said[..] else {
        panic!("{dialect:?}: {said:?}")
    };
    assert_eq!(text, "Let me see.", "{dialect:?}");
    assert_eq!(first.name, "add_task", "{dialect:?}");
    assert_eq!(first.input, json!({"title": "Pay the rent: €12", "due_date": null}));
    assert_eq!((second.name.as_str(), &second.input), ("list_tasks", &json!({})), "{dialect:?}");
    let ids = [&first.id, &second.id].map(String::clone);
    assert!(ids[0] != ids[1] && ids.iter().all(|id| !id.is_empty()), "{dialect:?}: {ids:?}");
    let has_ids = !matches!(dialect, Dialect::Sglang | Dialect::WithoutIds | Dialect::EmptyIds);
    assert!(!has_ids || ids == ["call_1", "call_2"], "{dialect:?}: {ids:?}");
    ids.to_vec()
}

fn said_by_the_model(messages: &[Value]) -> Vec<&Value> {
    messages.iter().filter(|message| message["role"] == "assistant").collect()
}

#[tokio::test]
async fn a_parameter_that_a_model_refuses_is_left_out_and_that_is_remembered() {
    let circuits = Circuits::start().await;
    for dialect in Dialect::ALL {
        let api = CompletionsApi::start(move |_| Step::new().says(TEXT).answer_in(dialect)).await;
        api.speak(dialect);
        for (model, refused, bound, asks_for_usage) in [
            ("first", 0, "max_tokens", true),
            ("new-model", 1, "max_completion_tokens", true),
            ("old-model", 1, "max_tokens", false),
        ] {
            let prices = format!("{model}=5/25/6.25/0.50");
            let provider = circuits.openai(&api, &[("AI_MODEL", model), ("AI_PRICES", &prices)]);
            let before = api.refused().len();
            for _ in 0..2 {
                let heard = hear(&*provider, request()).await;
                assert_eq!(heard.outcome(), Ok(StopReason::EndTurn), "{dialect:?} {model}");
                let asked = api.asked();
                let last = asked.last().unwrap();
                assert_eq!(last.body[bound], 4_096, "{dialect:?} {model}");
                assert_eq!(last.asks_for_usage(), asks_for_usage, "{dialect:?} {model}");
                // Without the wish, most servers say no usage.
                let is_counted = heard.usage().input_tokens != heard.usages[0].input_tokens;
                assert!(is_counted || !asks_for_usage || !dialect.tells_usage(), "{dialect:?}");
            }
            assert_eq!(api.refused().len() - before, refused, "{dialect:?} {model}");
        }
        // An effort is left out of this request alone.
        let prices = ("AI_PRICES", "plain-model=5/25/6.25/0.50");
        let provider = circuits.openai(&api, &[("AI_MODEL", "plain-model"), prices]);
        let before = api.refused().len();
        let heard = hear(&*provider, Request { effort: Some(Effort::Max), ..request() }).await;
        assert_eq!(heard.outcome(), Ok(StopReason::EndTurn), "{dialect:?}");
        let refused = api.refused();
        assert_eq!(refused.len() - before, 1, "{dialect:?}: {refused:?}");
    }
}

const REFUSALS: [(Refusal, Fault); 8] = [
    (Refusal::Overloaded, Fault::Overloaded),
    (Refusal::Wrong, Fault::RequestRefused),
    (Refusal::Failing, Fault::Failing),
    (Refusal::UnknownModel, Fault::UnknownModel),
    (Refusal::RateLimited(Duration::from_millis(1)), Fault::RateLimited),
    (Refusal::Key, Fault::KeyRefused),
    (Refusal::TooLong, Fault::ContextTooLong),
    (Refusal::Filtered, Fault::ContentRefused),
];

/// The message to which a model refuses to answer.
fn message_of(refusal: Refusal) -> String {
    format!("{refusal:?}")
}

#[tokio::test]
async fn an_error_means_the_same_in_every_dialect() {
    let checks = Dialect::ALL.map(|dialect| async move {
        let api = CompletionsApi::start(move |asked| {
            let mut refusals = REFUSALS.into_iter().map(|(refusal, _)| refusal);
            let act = match refusals.find(|refusal| message_of(*refusal) == asked.message()) {
                Some(refusal) => Act::Refuses(refusal),
                None => Act::breaks(&PARTS, 2, Break::Error),
            };
            act_in(dialect, &act)
        });
        let api = api.await;
        let circuits = Circuits::start().await;
        let provider = circuits.openai(&api, &[]);
        for (refusal, fault) in REFUSALS {
            let heard = hear(&*provider, asking(&message_of(refusal))).await;
            assert_eq!(heard.outcome(), Err(fault), "{dialect:?}: {:?}", heard.end);
            assert_eq!(heard.usage(), Usage::default(), "{dialect:?}");
        }
        // In the middle of a stream whose status was 200. Ollama says no more than a sentence.
        let is_bare = dialect == Dialect::Ollama;
        let fault = if is_bare { Fault::Failing } else { Fault::Overloaded };
        let before = api.asked().len();
        let heard = hear(&*provider, request()).await;
        assert_eq!(heard.outcome(), Err(fault), "{dialect:?}: {:?}", heard.end);
        assert_eq!(heard.text, PARTS[..2].concat(), "{dialect:?}");
        assert_eq!(api.asked().len(), before + 1, "{dialect:?}");
    });
    join_all(checks).await;
}

#[tokio::test]
async fn an_error_with_the_status_200_is_read_before_anything_is_written() {
    let stream = |frames: &[&str]| Answer::stream(frames.iter().copied());
    let body = |kind: &str, body: &str| Answer::body(200, kind, body);
    let kind = "application/json";
    let in_error = r#"{"error": {"message": "No.", "type": "server_error", "code": null}}"#;
    let event = format!("event: error\ndata: {in_error}\n\n");
    let done_alone = done();
    let first_frame = frame(&serde_json::from_str(in_error).unwrap());
    let of_google =
        r#"[{"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}]"#;
    let of_router = r#"{"error": {"message": "No endpoints found for this model.", "code": 404}}"#;
    let whole = Ok(StopReason::EndTurn);
    let cases = [
        ("OpenAI, in the first frame", stream(&[&first_frame]), whole, 2),
        ("a gateway, as an event", stream(&[&event]), whole, 2),
        ("OpenRouter, after comments", stream(&[": PROCESSING\n\n", &first_frame]), whole, 2),
        ("Gemini, as JSON", body(kind, of_google), whole, 2),
        ("Ollama, as JSON", body(kind, r#"{"error": "an internal error"}"#), whole, 2),
        ("OpenRouter, as JSON", body(kind, of_router), Err(Fault::UnknownModel), 1),
        ("a stream that is over at once", stream(&[&done_alone]), whole, 2),
        (
            "a server that knows no streams",
            body(kind, r#"{"choices": [{"message": {"content": "Hi"}}]}"#),
            Err(Fault::Broken),
            1,
        ),
        ("JSON without an error", body(kind, r#"{"choices": []}"#), Err(Fault::Broken), 1),
        ("a page", body("text/html", "<html>Hello</html>"), Err(Fault::Broken), 1),
    ];
    let checks = cases.map(|(name, answer, outcome, requests)| async move {
        let api = CompletionsApi::with(vec![answer, Step::new().says(TEXT).answer()]).await;
        let circuits = Circuits::start().await;
        let heard = hear(&*circuits.openai(&api, &[]), request()).await;
        assert_eq!(heard.outcome(), outcome, "{name}: {:?}", heard.end);
        assert_eq!(api.asked().len(), requests, "{name}");
    });
    join_all(checks).await;
}

#[tokio::test]
async fn ollama_uses_a_tool_where_it_may_not_and_that_use_is_dropped() {
    let api = server(Dialect::Ollama, vec![first_step()]).await;
    let circuits = Circuits::start().await;
    let request = Request { tools: tools(), without_tools: true, ..request() };
    let heard = hear(&*circuits.openai(&api, &[]), request).await;
    assert_eq!((heard.outcome(), heard.uses.len()), (Ok(StopReason::ToolUse), 0));
    assert_eq!(heard.text, "Let me see.");
    assert_eq!(api.asked()[0].body["tool_choice"], "none");
}

#[tokio::test]
async fn vllm_says_nothing_of_a_bound_that_cuts_a_call_off_and_its_usage_does() {
    let circuits = Circuits::start().await;
    let begun = Step::new().calls("call_1", "list_tasks", &json!({}));
    let cut = begun.calls("call_2", "add_task", &json!({"title": "Pay the rent"})).cut();
    for (tokens, outcome, uses) in [(20, Ok(StopReason::MaxTokens), 1), (9, Err(Fault::Broken), 0)]
    {
        let api = server(Dialect::Vllm, vec![cut.clone().counts(tokens)]).await;
        let request = Request { tools: tools(), max_tokens: Some(20), ..request() };
        let heard = hear(&*circuits.openai(&api, &[]), request).await;
        assert_eq!((heard.outcome(), heard.uses.len()), (outcome, uses), "{tokens}");
        assert!(heard.uses.iter().all(|used| used.id == "call_1"), "{tokens}");
        // What the model has written is paid for, so it is not asked again.
        assert_eq!((api.asked().len(), heard.usage().output_tokens), (1, tokens as u64));
    }
}

#[tokio::test]
async fn a_refusal_in_the_words_of_the_model_is_a_text() {
    let api = server(Dialect::Openai, vec![Step::new().refuses("I cannot help with it.")]).await;
    let circuits = Circuits::start().await;
    let heard = hear(&*circuits.openai(&api, &[]), request()).await;
    assert_eq!(
        (heard.outcome(), heard.text.as_str()),
        (Ok(StopReason::Refusal), "I cannot help with it.")
    );
}

#[tokio::test]
async fn an_account_without_money_is_a_refused_key_and_not_a_rate_limit() {
    let api = CompletionsApi::with(vec![error(429, "insufficient_quota")]).await;
    let circuits = Circuits::start().await;
    let provider = circuits.openai(&api, &[("AI_FALLBACK_MODEL", "second")]);
    let heard = hear(&*provider, request()).await;
    assert_eq!((heard.outcome(), api.asked().len()), (Err(Fault::KeyRefused), 1));
}

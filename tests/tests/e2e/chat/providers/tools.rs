//! Uses of tools.

use assistant::domain::StopReason;
use assistant::{Content, Request, ToolUse};
use serde_json::{Value, json};
use tally_tests::messages_api::Cut;
use tally_tests::model_server::{Act, Answer, Use};
use tally_tests::steps::{results, step, tools};
use tally_tests::{bedrock_api, completions_api, messages_api};

use super::kind::Kind;
use super::stage::{Stage, asking, good, hear, whole};

/// The uses as `lorem` takes them from a message. The stand-ins make the same ones.
const MESSAGE: &str = "/tool add_task {\"title\": \"Pay the rent: €12\", \"due_date\": null}
/tool list_tasks {}";

fn uses() -> [ToolUse; 2] {
    let used =
        |id: &str, name: &str, input: Value| ToolUse { id: id.into(), name: name.into(), input };
    [
        used("call_1", "add_task", json!({"title": "Pay the rent: €12", "due_date": null})),
        used("call_2", "list_tasks", json!({})),
    ]
}

fn using(text: &str) -> Act {
    let uses = uses().map(|used| Use { id: used.id, name: used.name, input: used.input });
    Act::Uses(text.to_owned(), uses.to_vec())
}

fn request() -> Request {
    Request { tools: tools(), ..asking(MESSAGE) }
}

pub async fn tools_are_used_at_once_each_with_its_whole_input(kind: Kind) {
    let mut stages = vec![Stage::with(kind, vec![using("")]).await];
    if kind != Kind::Lorem {
        let cut = Stage::answers(kind, move |_| kind.answer(&using("")).in_pieces_of(3));
        stages.push(cut.await);
    }
    for stage in stages {
        let heard = stage.hear(request()).await;
        assert_eq!((heard.uses.as_slice(), heard.text.as_str()), (&uses()[..], ""));
        assert_eq!(heard.outcome(), Ok(StopReason::ToolUse));
        assert!(heard.usage().output_tokens > 0);
        for asked in stage.server.asked() {
            let offered = tools().into_iter().map(|tool| tool.name);
            assert_eq!(asked.tools, offered.collect::<Vec<_>>());
            assert!(!asked.without_tools);
        }
        assert_eq!(stage.server.refused(), Vec::<String>::new());
    }
}

pub async fn a_text_comes_before_the_uses_of_tools(kind: Kind) {
    let stage = Stage::with(kind, vec![using("Let me see: €.")]).await;
    let (turn, reason) = step(&*stage.provider(&[]), request()).await;
    let [first, second] = uses().map(Content::ToolUse);
    assert_eq!(turn.content, [Content::Text("Let me see: €.".into()), first, second]);
    assert_eq!(reason, StopReason::ToolUse);
}

pub async fn results_go_back_and_the_reply_goes_on(kind: Kind) {
    let stage =
        Stage::start(kind, |asked| if asked.results.is_empty() { using("") } else { good() });
    let stage = stage.await;
    let provider = stage.provider(&[]);
    let mut request = request();
    let (turn, reason) = step(&*provider, request.clone()).await;
    assert_eq!(reason, StopReason::ToolUse);
    let answers = results(&turn, |number| number == 1);
    request.turns.extend([turn, answers]);
    let heard = hear(&*provider, request).await;
    assert_eq!((heard.outcome(), heard.uses.as_slice()), (Ok(StopReason::EndTurn), &[][..]));
    assert_eq!(stage.server.refused(), Vec::<String>::new());
    if kind == Kind::Lorem {
        assert!(heard.text.split_whitespace().count() >= 50, "{}", heard.text);
        return;
    }
    assert_eq!(heard.text, whole());
    let asked = stage.server.asked();
    assert_eq!((asked.len(), asked[1].message.as_str()), (2, MESSAGE));
    // An API without a mark for failed results has it in the text.
    let [(first, found), (second, failed)] = asked[1].results.as_slice() else {
        panic!("{asked:?}")
    };
    assert_eq!((first.as_str(), found.as_str()), ("call_1", "add_task"));
    assert_eq!(second, "call_2");
    assert!(failed.ends_with("list_tasks"), "{failed}");
}

pub async fn a_request_without_tools_uses_none(kind: Kind) {
    let stage = Stage::with(kind, vec![good()]).await;
    let heard = stage.hear(Request { without_tools: true, ..request() }).await;
    assert_eq!((heard.outcome(), heard.uses.as_slice()), (Ok(StopReason::EndTurn), &[][..]));
    assert!(!heard.text.is_empty());
    for asked in stage.server.asked() {
        // They are still described, because earlier turns may use them.
        assert!(asked.without_tools && asked.tools.len() == tools().len(), "{asked:?}");
    }
    assert_eq!(stage.server.refused(), Vec::<String>::new());
}

/// The answer of an API whose second use is cut off, because the reply has as many tokens as it
/// may.
fn cut(kind: Kind) -> Answer {
    let [cut, whole] = uses();
    let of_claude = || {
        let step = messages_api::Step::new().uses(&whole.id, &whole.name, &whole.input);
        step.uses(&cut.id, &cut.name, &cut.input).cut(Cut::Closed)
    };
    match kind {
        Kind::Lorem => panic!("it has no API"),
        Kind::Anthropic => of_claude().answer(),
        Kind::Bedrock => bedrock_api::of_step(&of_claude()),
        Kind::Openai => {
            let step = completions_api::Step::new().calls(&whole.id, &whole.name, &whole.input);
            step.calls(&cut.id, &cut.name, &cut.input).cut().answer()
        }
    }
}

pub async fn a_use_in_which_the_bound_cuts_a_reply_off_is_left_out(kind: Kind) {
    let stage = Stage::answers(kind, move |_| cut(kind)).await;
    let heard = stage.hear(request()).await;
    let [_, whole] = uses();
    assert_eq!((heard.outcome(), heard.uses), (Ok(StopReason::MaxTokens), vec![whole]));
}

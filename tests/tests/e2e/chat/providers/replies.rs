//! Whole replies.

use assistant::Request;
use assistant::domain::{StopReason, Usage};
use serde_json::{Value, json};
use tally_tests::model_server::Act;

use super::kind::Kind;
use super::stage::{PARTS, QUESTION, Stage, good, hear, request, whole};

pub async fn a_reply_is_whole_and_has_its_model_usage_cost_and_stop_reason(kind: Kind) {
    let stage = Stage::with(kind, vec![good()]).await;
    let provider = stage.provider(&[]);
    let heard = hear(&*provider, request()).await;
    assert_eq!(heard.outcome(), Ok(StopReason::EndTurn));
    assert_eq!(
        (heard.models.as_slice(), provider.model()),
        (&[kind.model().to_owned()][..], kind.model())
    );
    assert_eq!((heard.shown.len(), heard.uses.len(), heard.thoughts.len()), (0, 0, 0));
    let words = |text: &str| text.split_whitespace().count() as u64;
    let (text, usage, cost) = match kind {
        // A token of `lorem` is a word, and costs nothing.
        Kind::Lorem => {
            let (input_tokens, output_tokens) = (words(QUESTION), words(&heard.text));
            assert!((50..=120).contains(&output_tokens), "{}", heard.text);
            (heard.text.clone(), Usage { input_tokens, output_tokens, ..Usage::default() }, "0.00")
        }
        // 25 x 5 + 5 x 25 + 7 x 0.5 dollars for a million, and 5 x 6.25 for the cache.
        Kind::Openai => (whole(), kind.usage(5), "0.0002535"),
        Kind::Anthropic | Kind::Bedrock => (whole(), kind.usage(5), "0.00028475"),
    };
    assert_eq!((&heard.text, heard.usage()), (&text, usage));
    assert_eq!(provider.cost(kind.model(), &heard.usage()).to_string(), cost);
    let asked = stage.server.asked();
    let messages: Vec<_> = asked.iter().map(|asked| asked.message.as_str()).collect();
    assert_eq!(messages, vec![QUESTION; usize::from(kind != Kind::Lorem)]);
    assert_eq!(stage.server.refused(), Vec::<String>::new());
}

pub async fn a_reply_is_whole_in_pieces_of_any_size(kind: Kind) {
    for bytes in [1, 3, 17, 1_000_000] {
        let stage = Stage::answers(kind, move |_| kind.answer(&good()).in_pieces_of(bytes)).await;
        let heard = stage.hear(request()).await;
        assert_eq!(heard.outcome(), Ok(StopReason::EndTurn), "{bytes}");
        assert_eq!(
            (heard.text.as_str(), heard.usage()),
            (whole().as_str(), kind.usage(5)),
            "{bytes}"
        );
    }
}

pub async fn a_reply_ends_for_each_reason_that_the_api_has(kind: Kind) {
    let parts: Vec<_> = PARTS.iter().map(|part| (*part).to_owned()).collect();
    let acts: Vec<_> =
        kind.stop_reasons().iter().map(|reason| Act::Says(parts.clone(), *reason)).collect();
    let stage = Stage::with(kind, acts).await;
    for reason in kind.stop_reasons() {
        let heard = stage.hear(request()).await;
        assert_eq!((heard.outcome(), heard.text.as_str()), (Ok(*reason), whole().as_str()));
        assert_eq!(heard.usage(), kind.usage(5), "{reason:?}");
    }
}

pub async fn the_bound_of_a_request_is_sent(kind: Kind) {
    let stage = Stage::with(kind, vec![good()]).await;
    let provider = stage.provider(&[("AI_MAX_TOKENS", "1000")]);
    for (own, sent) in [(None, 1_000), (Some(300), 300), (Some(1_001), 1_000)] {
        let request = Request { max_tokens: own, ..request() };
        assert_eq!(hear(&*provider, request).await.outcome(), Ok(StopReason::EndTurn));
        let asked = stage.server.asked();
        assert_eq!(asked.last().map(|asked| asked.max_tokens), Some(sent), "{own:?}");
    }
}

pub async fn an_answer_has_the_form_that_is_asked_for(kind: Kind) {
    let schema = json!({
        "type": "object", "properties": {"summary": {"type": "string"}}, "required": ["summary"],
        "additionalProperties": false,
    });
    let answer = json!({"summary": "It rose by €12."});
    let stage =
        Stage::with(kind, vec![Act::says(&[r#"{"summary": "It "#, r#"rose by €12."}"#])]).await;
    let request = Request { output_schema: Some(schema.clone()), ..request() };
    let heard = stage.hear(request).await;
    assert_eq!(heard.outcome(), Ok(StopReason::EndTurn));
    let found: Value = serde_json::from_str(&heard.text).unwrap();
    if kind == Kind::Lorem {
        assert!(found["summary"].is_string(), "{found}");
    } else {
        assert_eq!(found, answer);
        assert_eq!(stage.server.asked()[0].schema, Some(schema));
    }
    assert_eq!(stage.server.refused(), Vec::<String>::new());
}

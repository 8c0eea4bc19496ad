//! The usage of calls.

use assistant::Fault;
use assistant::domain::{StopReason, Usage};
use tally_tests::model_server::{Act, Break, Refusal};

use super::kind::Kind;
use super::stage::{PARTS, QUESTION, SYSTEM, Stage, good, hear, request};

/// Two tokens for three bytes.
fn estimated(text: &str) -> u64 {
    (2 * text.len() as u64).div_ceil(3)
}

/// The estimate of the input before the provider has counted it.
fn sent() -> Usage {
    let input_tokens = estimated(&[SYSTEM, QUESTION].concat());
    Usage { input_tokens, ..Usage::default() }
}

pub async fn usage_is_known_while_it_is_used(kind: Kind) {
    let stage = Stage::with(kind, vec![good()]).await;
    let heard = stage.hear(request()).await;
    assert_eq!(heard.outcome(), Ok(StopReason::EndTurn));
    assert_eq!(heard.usages[0], sent(), "it is estimated before anything is sent");
    assert_eq!(heard.usage(), kind.usage(PARTS.len() as u64 + 1));
    // Until the end the output only grows, and the input is the estimate or the count.
    let end = heard.usages.iter().rposition(|usage| *usage != heard.usage()).unwrap();
    let during = &heard.usages[..=end];
    assert!(during.is_sorted_by_key(|usage| usage.output_tokens), "{during:?}");
    assert!(during.iter().any(|usage| usage.output_tokens > 1), "{during:?}");
    for usage in &during[1..] {
        let of_input = if kind.counts_input_first() { kind.usage(0) } else { sent() };
        assert_eq!(Usage { output_tokens: 0, ..*usage }, of_input, "{during:?}");
    }
}

pub async fn a_reply_that_breaks_off_is_paid_for_by_an_estimate(kind: Kind) {
    for how in [Break::Error, Break::End, Break::Reset] {
        let stage = Stage::with(kind, vec![Act::breaks(&PARTS, 2, how)]).await;
        let heard = stage.hear(request()).await;
        assert!(heard.outcome().is_err(), "{how:?}");
        let input = if kind.counts_input_first() { kind.usage(0) } else { sent() };
        let output_tokens = estimated(&PARTS[..2].concat());
        assert_eq!(heard.usage(), Usage { output_tokens, ..input }, "{how:?}");
    }
}

pub async fn a_request_that_is_refused_costs_nothing(kind: Kind) {
    for (refusal, fault) in [
        (Refusal::Wrong, Fault::RequestRefused),
        (Refusal::Key, Fault::KeyRefused),
        (Refusal::TooLong, Fault::ContextTooLong),
        (Refusal::Failing, Fault::Failing),
    ] {
        let stage = Stage::with(kind, vec![Act::Refuses(refusal)]).await;
        let heard = stage.hear(request()).await;
        assert_eq!((heard.outcome(), heard.usage()), (Err(fault), Usage::default()));
        assert_eq!(heard.usages[0], sent(), "{refusal:?}");
    }
}

pub async fn an_answer_that_does_not_come_in_time_is_paid_where_a_model_thinks_in_silence(
    kind: Kind,
) {
    let stage = Stage::with(kind, vec![Act::Silence]).await;
    let provider = stage.provider(&[("AI_FIRST_TOKEN_MILLISECONDS", "500")]);
    let heard = hear(&*provider, request()).await;
    let expected = if kind.thinks_in_silence() { sent() } else { Usage::default() };
    assert_eq!((heard.outcome(), heard.usage()), (Err(Fault::TimedOut), expected));
}

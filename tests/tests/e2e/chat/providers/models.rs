//! Which model is asked, and when none is.

use assistant::domain::StopReason;
use assistant::store::{OPEN_MS, THRESHOLD};
use assistant::{Fault, Request};
use platform::clock::{Clock, Timestamp};
use tally_tests::model_server::{Act, Refusal};

use super::kind::Kind;
use super::server::Asked;
use super::stage::{Stage, asking, good, hear, request, whole};

const FALLBACK: (&str, &str) = ("AI_FALLBACK_MODEL", "second");

/// The model `second` answers. All others refuse.
fn second_answers(refusal: Refusal) -> impl Fn(&Asked) -> Act + Send + Sync + 'static {
    move |asked| if asked.model == "second" { good() } else { Act::Refuses(refusal) }
}

pub async fn the_model_of_a_request_is_asked_first_and_the_fallback_stays(kind: Kind) {
    let stage = Stage::start(kind, |asked| {
        let is_gone = asked.message == "gone" && asked.model != "second";
        if is_gone { Act::Refuses(Refusal::UnknownModel) } else { good() }
    });
    let stage = stage.await;
    let done = Ok(StopReason::EndTurn);
    for (fallback, own, message, models, outcome) in [
        ("second", None, "there", &["first"][..], done),
        ("second", Some("third"), "there", &["third"], done),
        ("second", Some("second"), "there", &["second"], done),
        ("second", None, "gone", &["first", "second"], done),
        ("second", Some("third"), "gone", &["third", "second"], done),
        ("", Some("third"), "gone", &["third"], Err(Fault::UnknownModel)),
        // It has no price.
        ("second", Some("fourth"), "there", &["second"], done),
        ("", Some("fourth"), "there", &[], Err(Fault::UnknownModel)),
    ] {
        let provider = stage.provider(&[("AI_FALLBACK_MODEL", fallback)]);
        let before = stage.models_asked().len();
        let request = Request { model: own.map(str::to_owned), ..asking(message) };
        let heard = hear(&*provider, request).await;
        assert_eq!(heard.outcome(), outcome, "{fallback} {own:?} {message}");
        assert_eq!(heard.models, *models, "{fallback} {own:?} {message}");
        assert_eq!(stage.models_asked()[before..], *models, "{fallback} {own:?} {message}");
    }
}

pub async fn another_model_answers_where_the_first_one_cannot(kind: Kind) {
    for (refusal, requests) in [(Refusal::Overloaded, 3), (Refusal::UnknownModel, 1)] {
        let stage = Stage::start(kind, second_answers(refusal)).await;
        let provider = stage.provider(&[FALLBACK]);
        let heard = hear(&*provider, request()).await;
        assert_eq!((heard.outcome(), heard.text), (Ok(StopReason::EndTurn), whole()));
        assert_eq!(heard.models, ["first", "second"]);
        assert_eq!(stage.server.asked().len(), requests + 1);
        // 25 x 1 + 5 x 5 + 7 x 0.1 dollars for a million, and 5 x 1.25 for the cache.
        let cost = if kind == Kind::Openai { "0.0000507" } else { "0.00005695" };
        assert_eq!(provider.cost("second", &kind.usage(5)).to_string(), cost);
    }
    // Other failures do not lead to the second model.
    for (refusal, fault) in
        [(Refusal::Failing, Fault::Failing), (Refusal::Wrong, Fault::RequestRefused)]
    {
        let stage = Stage::start(kind, second_answers(refusal)).await;
        let heard = hear(&*stage.provider(&[FALLBACK]), request()).await;
        assert_eq!(heard.outcome(), Err(fault));
        assert!(stage.models_asked().iter().all(|model| model == "first"), "{refusal:?}");
    }
}

pub async fn a_model_that_fails_all_the_time_is_not_asked_for_a_while(kind: Kind) {
    let start = || Stage::start(kind, second_answers(Refusal::Overloaded));
    let (alone, both) = tokio::join!(start(), start());
    tokio::join!(fails_alone(&alone), leads_to_the_other(&both));
}

async fn fails_alone(stage: &Stage) {
    let now = || Clock::System.now();
    let provider = stage.provider(&[]);
    let outcome = async || hear(&*provider, request()).await.outcome();
    assert_eq!(stage.circuits.outage(now()).await, None);
    assert_eq!(outcome().await, Err(Fault::Overloaded));
    // The first call made three attempts. Two more open the circuit.
    assert_eq!(outcome().await, Err(Fault::CircuitOpen));
    assert_eq!(stage.circuits.outage(now()).await, Some(true));
    assert_eq!(outcome().await, Err(Fault::CircuitOpen));
    assert_eq!(stage.server.asked().len(), 5);
}

async fn leads_to_the_other(stage: &Stage) {
    let provider = stage.provider(&[FALLBACK]);
    // In the end the other model is asked at once.
    for requests in [3 + 1, 2 + 1, 1] {
        let before = stage.server.asked().len();
        assert_eq!(hear(&*provider, request()).await.outcome(), Ok(StopReason::EndTurn));
        assert_eq!(stage.server.asked().len() - before, requests);
    }
    assert_eq!(stage.circuits.outage(Clock::System.now()).await, Some(false));
}

pub async fn a_circuit_is_shared_and_closes_by_a_trial(kind: Kind) {
    let now = Clock::System.now();
    let over = Timestamp::from_millisecond(now.as_millisecond() - OPEN_MS - 1).unwrap();
    for (failed_at, act, outcome, requests) in [
        // Other workers have opened it just now.
        (now, good(), Err(Fault::CircuitOpen), 0),
        // Its time is over, and the trial succeeds or fails.
        (over, good(), Ok(StopReason::EndTurn), 1),
        (over, Act::Refuses(Refusal::Overloaded), Err(Fault::CircuitOpen), 1),
    ] {
        let stage = Stage::with(kind, vec![act]).await;
        let outages = stage.circuits.outages();
        for _ in 0..THRESHOLD {
            outages.failed("first", 1, failed_at).await.unwrap();
        }
        assert_eq!(stage.hear(request()).await.outcome(), outcome, "{failed_at}");
        assert_eq!(stage.server.asked().len(), requests, "{failed_at}");
        let is_open = stage.circuits.outage(Clock::System.now()).await == Some(true);
        assert_eq!(is_open, outcome.is_err(), "{failed_at}");
        if outcome.is_ok() {
            let failures = outages.failed("first", 1, Clock::System.now()).await.unwrap();
            assert_eq!(failures, 1, "the earlier ones are forgotten");
        }
    }
}

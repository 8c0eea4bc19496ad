//! One call of the model: an item's request, the answer, and the texts of its event.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use assistant::domain::{Cost, StopReason, Usage};
use assistant::pricing::Pricing;
use assistant::{Content, Event, Fault, Provider, ProviderError, Request, tokens_shown};
use futures_util::StreamExt as _;
use platform::audit::EventTexts;
use platform::clock::millis_since;
use tally_jobs::domain::{ErrorCode, JobError};
use texts::{SOURCES, TextError, Texts};

use crate::work::{Accepted, Call, NoCall, Work};

/// Bytes of an answer and of a result, at most. An item of the table has room for 400 KB.
pub const MOST_BYTES: usize = 100_000;

/// Attempts at storing the texts of an event, and the time between two of them.
const TEXT_ATTEMPTS: u32 = 4;
const TEXT_PAUSE: Duration = Duration::from_millis(500);

/// A call under way, as far as it has come. The worker reads it if it breaks the call off.
#[derive(Debug, Clone, Default)]
pub struct Watched(Arc<Mutex<SoFar>>);

/// How far a call has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SoFar {
    /// The model that was asked; `None` if none was.
    pub model: Option<String>,
    /// Tokens, as far as they are counted or estimated.
    pub usage: Usage,
    /// What it was asked, as a text of its event.
    pub asked: String,
    /// Where the data of its texts comes from, if only some readers may see it.
    pub sources: Option<String>,
    /// The answer so far.
    pub text: String,
}

/// What the hold of a job has for a call.
#[derive(Debug, Clone, Copy)]
pub struct Bound<'a> {
    /// Absent where calls cost nothing.
    pub pricing: Option<&'a Pricing>,
    /// The worst case of the item.
    pub worst: Cost,
}

/// How a call ended.
#[derive(Debug)]
pub struct Answered {
    /// The item.
    pub index: u32,
    /// What came of it.
    pub result: Result<Accepted, Failed>,
    /// How far it has come.
    pub so_far: SoFar,
    /// Milliseconds that it took.
    pub latency_ms: u64,
    /// The texts of its event, stored. `None` if no model was asked, or the texts of its user were
    /// erased.
    pub texts: Option<EventTexts>,
}

/// Why a call has no result.
#[derive(Debug)]
pub enum Failed {
    /// The item cannot have one.
    Item(JobError),
    /// No item of the job can have one.
    Job(JobError),
    /// The provider failed. Another attempt may succeed.
    Provider(ProviderError),
    /// A store failed. Another attempt may succeed.
    Store(platform::Problem),
}

impl Watched {
    /// How far the call has come.
    pub fn so_far(&self) -> SoFar {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, note: impl FnOnce(&mut SoFar)) {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Makes the call of an item.
pub async fn call(
    work: &dyn Work,
    index: u32,
    (provider, texts, user_id): (&dyn Provider, &Texts, &str),
    bound: Bound<'_>,
    watched: Watched,
) -> Answered {
    let began = Instant::now();
    let mut result = match work.request(index).await {
        Ok(call) => ask(provider, call, bound, (began, &watched)).await,
        Err(NoCall::Done(accepted)) => Ok(accepted),
        Err(NoCall::Item(error)) => Err(Failed::Item(error)),
        Err(NoCall::Job(error)) => Err(Failed::Job(error)),
        Err(NoCall::Problem(problem)) => Err(Failed::Store(problem)),
    };
    let latency_ms = millis_since(began);
    let so_far = watched.so_far();
    let stored = match store(texts, user_id, &so_far).await {
        Ok(stored) => stored,
        Err(error) => {
            result = Err(Failed::Store(error.into()));
            None
        }
    };
    Answered { index, result, so_far, latency_ms, texts: stored }
}

/// Stores the texts of the event of a call, if a model was asked.
pub async fn store(
    texts: &Texts,
    user_id: &str,
    so_far: &SoFar,
) -> Result<Option<EventTexts>, TextError> {
    if so_far.model.is_none() {
        return Ok(None);
    }
    let mut all = vec![("prompt", so_far.asked.as_str())];
    if !so_far.text.is_empty() {
        all.push(("reply", so_far.text.as_str()));
    }
    if let Some(sources) = &so_far.sources {
        all.push((SOURCES, sources.as_str()));
    }
    let mut attempt = 1;
    loop {
        match texts.store(user_id, &all).await {
            Ok(stored) => return Ok(Some(stored)),
            Err(TextError::Erased) => return Ok(None),
            Err(error) if attempt < TEXT_ATTEMPTS => {
                tracing::warn!(%error, "failed to store the texts of an event; it is tried again");
                attempt += 1;
                tokio::time::sleep(TEXT_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Asks the model, and takes its answer.
async fn ask(
    provider: &dyn Provider,
    call: Call,
    bound: Bound<'_>,
    (began, watched): (Instant, &Watched),
) -> Result<Accepted, Failed> {
    let Call { request, asked, sources, accept } = call;
    check(provider, &request, bound).await?;
    let mut events = provider.call(request);
    let reason = loop {
        match events.next().await {
            Some(Ok(Event::Model(model))) => watched.note(|so_far| {
                so_far.model = Some(model);
                so_far.asked.clone_from(&asked);
                so_far.sources.clone_from(&sources);
            }),
            Some(Ok(Event::Usage(usage))) => watched.note(|so_far| so_far.usage = usage),
            Some(Ok(Event::Text(text))) => {
                let mut is_too_long = false;
                watched.note(|so_far| {
                    so_far.text.push_str(&text);
                    is_too_long = so_far.text.len() > MOST_BYTES;
                });
                if is_too_long {
                    return Err(Failed::Item(too_long()));
                }
            }
            Some(Ok(Event::Stop(reason))) => break reason,
            Some(Ok(Event::Shown(_) | Event::Thought(_) | Event::ToolUse(_))) => {}
            Some(Err(error)) => return Err(failed(error)),
            None => {
                let detail = "the events ended before the answer was complete";
                return Err(Failed::Provider(ProviderError::new(Fault::Broken, detail)));
            }
        }
    };
    match reason {
        StopReason::EndTurn | StopReason::StopSequence => {}
        StopReason::MaxTokens => return Err(Failed::Item(too_long())),
        StopReason::Refusal => return Err(item(ErrorCode::Refused)),
        StopReason::ModelContextWindowExceeded => return Err(item(ErrorCode::TooLarge)),
        _ => return Err(item(ErrorCode::InvalidOutput)),
    }
    let accepted = accept(&watched.so_far().text, millis_since(began));
    let is_too_long = accepted.result.as_ref().is_some_and(|result| result.len() > MOST_BYTES);
    if is_too_long { Err(Failed::Item(too_long())) } else { Ok(accepted) }
}

/// Refuses a request that could cost more than the hold has for it. The pages of a document are
/// held at so many tokens each. Their real number is not known before the provider counts them.
async fn check(provider: &dyn Provider, request: &Request, bound: Bound<'_>) -> Result<(), Failed> {
    let is_dear =
        bound.pricing.is_some_and(|pricing| pricing.worst_of_request(request) > bound.worst);
    if is_dear {
        return Err(item(ErrorCode::TooLarge));
    }
    if !has_document(request) {
        return Ok(());
    }
    let counted = provider.count_tokens(request).await.map_err(failed)?;
    let is_large = counted.is_some_and(|counted| counted > tokens_shown(request));
    if is_large { Err(item(ErrorCode::TooLarge)) } else { Ok(()) }
}

fn has_document(request: &Request) -> bool {
    let mut contents = request.turns.iter().flat_map(|turn| &turn.content);
    contents.any(|content| matches!(content, Content::Document(_)))
}

/// What an error of the provider means for the item.
fn failed(error: ProviderError) -> Failed {
    match error.fault {
        Fault::ContextTooLong => item(ErrorCode::TooLarge),
        Fault::ContentRefused => item(ErrorCode::Refused),
        Fault::RequestRefused => item(ErrorCode::ProviderRejected),
        Fault::NoKey | Fault::KeyRefused | Fault::UnknownModel => {
            tracing::error!(%error, "failed to call the model of a job; the job ends");
            Failed::Job(JobError::of(ErrorCode::ProviderRejected))
        }
        _ => Failed::Provider(error),
    }
}

fn item(code: ErrorCode) -> Failed {
    Failed::Item(JobError::of(code))
}

fn too_long() -> JobError {
    JobError::of(ErrorCode::OutputTooLong)
}

#[cfg(test)]
mod tests {
    use assistant::domain::Cost;
    use assistant::{Events, Request};
    use futures_util::stream;

    use super::*;

    /// A provider whose calls follow a script.
    struct Scripted(Vec<Result<Event, ProviderError>>);

    impl Provider for Scripted {
        fn model(&self) -> &'static str {
            "scripted"
        }

        fn call(&self, _: Request) -> Events {
            stream::iter(self.0.clone()).boxed()
        }

        fn cost(&self, _: &str, _: &Usage) -> Cost {
            Cost::ZERO
        }
    }

    #[allow(clippy::unnecessary_wraps, reason = "a script has failures too")]
    fn say(text: &str) -> Result<Event, ProviderError> {
        Ok(Event::Text(text.to_owned()))
    }

    #[allow(clippy::unnecessary_wraps, reason = "a script has failures too")]
    fn stop(reason: StopReason) -> Result<Event, ProviderError> {
        Ok(Event::Stop(reason))
    }

    fn fault(fault: Fault) -> Result<Event, ProviderError> {
        Err(ProviderError::new(fault, "as the script says"))
    }

    /// Makes a call of this script, whose answer is the result, so many times over. Gives what came
    /// of it in words, and how far it came.
    async fn asked(script: Vec<Result<Event, ProviderError>>, times: usize) -> (String, SoFar) {
        let call = Call {
            request: Request::default(),
            asked: "What is asked".to_owned(),
            sources: None,
            accept: Box::new(move |text, _| {
                let result = Some(text.repeat(times));
                Accepted { result, error: None, succeeded: 1 }
            }),
        };
        let watched = Watched::default();
        let bound = Bound { pricing: None, worst: Cost::ZERO };
        let watching = (Instant::now(), &watched);
        let told = match ask(&Scripted(script), call, bound, watching).await {
            Ok(accepted) => format!("result {}", accepted.result.unwrap()),
            Err(Failed::Item(error)) => format!("item {}", error.code.as_str()),
            Err(Failed::Job(error)) => format!("job {}", error.code.as_str()),
            Err(Failed::Provider(error)) => format!("provider {:?}", error.fault),
            Err(Failed::Store(problem)) => panic!("{problem:?}"),
        };
        (told, watched.so_far())
    }

    #[tokio::test]
    async fn an_answer_has_a_result_if_the_model_has_ended_it() {
        for (reason, expected) in [
            (StopReason::EndTurn, "result ab"),
            (StopReason::StopSequence, "result ab"),
            (StopReason::MaxTokens, "item output_too_long"),
            (StopReason::Refusal, "item refused"),
            (StopReason::ModelContextWindowExceeded, "item too_large"),
            (StopReason::ToolUse, "item invalid_output"),
            (StopReason::PauseTurn, "item invalid_output"),
        ] {
            let (told, _) = asked(vec![say("a"), say("b"), stop(reason)], 1).await;
            assert_eq!(told, expected);
        }
        let long = "a".repeat(MOST_BYTES);
        let ends = || stop(StopReason::EndTurn);
        let (told, _) = asked(vec![say(&long), ends()], 1).await;
        assert_eq!(told, format!("result {long}"));
        // Too long an answer, and too long a result of one that is not.
        let (told, so_far) = asked(vec![say(&long), say("b"), ends()], 0).await;
        assert_eq!((told.as_str(), so_far.text.len()), ("item output_too_long", MOST_BYTES + 1));
        assert_eq!(asked(vec![say(&long), ends()], 2).await.0, "item output_too_long");
    }

    #[tokio::test]
    async fn a_failure_is_that_of_the_item_of_the_job_or_of_the_provider() {
        for (script, expected) in [
            (vec![fault(Fault::ContextTooLong)], "item too_large"),
            (vec![fault(Fault::ContentRefused)], "item refused"),
            (vec![fault(Fault::RequestRefused)], "item provider_rejected"),
            (vec![fault(Fault::NoKey)], "job provider_rejected"),
            (vec![fault(Fault::KeyRefused)], "job provider_rejected"),
            (vec![fault(Fault::UnknownModel)], "job provider_rejected"),
            (vec![fault(Fault::RateLimited)], "provider RateLimited"),
            (vec![say("a"), fault(Fault::Overloaded)], "provider Overloaded"),
            (vec![fault(Fault::CircuitOpen)], "provider CircuitOpen"),
            (vec![say("a")], "provider Broken"),
            (vec![], "provider Broken"),
        ] {
            let (told, _) = asked(script.clone(), 1).await;
            assert_eq!(told, expected, "{script:?}");
        }
    }

    #[tokio::test]
    async fn a_call_is_watched_as_far_as_it_has_come() {
        let usage = |output_tokens| Usage { output_tokens, ..Usage::default() };
        let model = |name: &str| Ok(Event::Model(name.to_owned()));
        let script = vec![
            model("first"),
            Ok(Event::Usage(usage(1))),
            model("second"),
            say("a"),
            Ok(Event::Usage(usage(2))),
            say("b"),
            fault(Fault::Unreachable),
        ];
        let (_, so_far) = asked(script, 1).await;
        let expected = SoFar {
            model: Some("second".to_owned()),
            usage: usage(2),
            asked: "What is asked".to_owned(),
            sources: None,
            text: "ab".to_owned(),
        };
        assert_eq!(so_far, expected);
        // Before a model is asked, there is nothing to tell.
        assert_eq!(asked(vec![fault(Fault::CircuitOpen)], 1).await.1, SoFar::default());
    }
}

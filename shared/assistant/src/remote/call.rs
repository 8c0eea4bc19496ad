//! One call: attempts, one after the other, until one has begun to write; then that one to its end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use tokio::time::{Instant, sleep};

use super::api::{Api, Sending};
use super::attempt::Attempt;
use super::estimate::Estimate;
use super::failure::Failure;
use super::part::Takes;
use super::{Model, Shared, unpriced};
use crate::domain::Usage;
use crate::error::{Fault, ProviderError};
use crate::provider::Event;
use crate::request::Request;

/// Retries with one model, as in the SDKs of Anthropic and OpenAI.
const RETRIES: u32 = 2;

/// A call.
pub(super) struct ModelCall<A: Api> {
    shared: Arc<Shared<A>>,
    request: Request,
    /// Turns that the request had at first.
    turns: usize,
    /// The models to ask, in order, by their indices in [`Shared::models`].
    models: Vec<usize>,
    /// Place in that order of the model that is asked.
    model: usize,
    /// Whether the model has been announced.
    is_announced: bool,
    /// What the model takes, as far as it is known from other calls and from this one.
    taken: Takes,
    /// Attempts with this model that have failed.
    retries: u32,
    /// The pause before the next attempt.
    pause: Option<Duration>,
    /// The next attempt: its events have been given, but it has not been sent.
    prepared: Option<Prepared>,
    attempt: Option<Attempt<A>>,
    /// The header `Authorization` of the latest attempt, if it had one.
    authorization: Option<HeaderValue>,
    /// The key that replaced a refused one.
    replacement: Option<HeaderValue>,
    ready: VecDeque<Event>,
    /// The error to return when no events are left.
    failed: Option<ProviderError>,
    is_over: bool,
}

/// A request that is ready to be sent.
struct Prepared {
    body: Vec<u8>,
    /// An estimate of what the model reads.
    input: Usage,
}

impl<A: Api> ModelCall<A> {
    /// A call that has not begun. It asks these models in turn.
    pub fn new(shared: Arc<Shared<A>>, models: Vec<usize>, request: Request) -> Self {
        let failed = models.is_empty().then(unpriced);
        Self {
            shared,
            turns: request.turns.len(),
            request,
            models,
            model: 0,
            is_announced: false,
            taken: Takes::ALL,
            retries: 0,
            pause: None,
            prepared: None,
            attempt: None,
            authorization: None,
            replacement: None,
            ready: VecDeque::new(),
            failed,
            is_over: false,
        }
    }

    /// The next event; `None` after the last one.
    pub async fn next(&mut self) -> Option<Result<Event, ProviderError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            if self.is_over {
                return None;
            }
            if let Some(error) = self.failed.take() {
                self.is_over = true;
                return Some(Err(error));
            }
            if let Err(failure) = self.advance().await {
                self.failed = self.recover(failure).await.err();
            }
        }
    }

    /// Prepares an attempt, begins it, or goes on with it.
    async fn advance(&mut self) -> Result<(), Failure> {
        // By now the caller has got the event that the last attempt cost nothing.
        if let Some(pause) = self.pause.take() {
            sleep(pause).await;
        }
        if let Some(prepared) = self.prepared.take() {
            self.attempt = Some(self.begin(prepared).await?);
            self.model().learn(self.taken);
            return Ok(());
        }
        let Some(attempt) = &mut self.attempt else {
            return self.prepare().await;
        };
        self.ready.extend(attempt.next().await?);
        if attempt.is_over() {
            self.is_over = true;
            self.attempt = None;
            self.model().circuit.succeeded().await;
        }
        Ok(())
    }

    /// Writes the next attempt, and says what is about to be sent.
    async fn prepare(&mut self) -> Result<(), Failure> {
        let shared = Arc::clone(&self.shared);
        let model = &shared.models[self.models[self.model]];
        self.taken = self.taken.and(model.takes());
        let body = shared
            .api
            .body(&self.request, &model.name, self.max_tokens(), self.taken)
            .map_err(Failure::from)?;
        self.authorization = match &self.replacement {
            Some(key) => Some(key.clone()),
            None => shared.key.authorization().await.map_err(Failure::from)?,
        };
        if !model.circuit.admits().await {
            return Err(Failure::lasting(Fault::CircuitOpen, model.name.as_str()));
        }
        if !self.is_announced {
            self.is_announced = true;
            self.ready.push_back(Event::Model(model.name.clone()));
        }
        // A request that was too long has lost its first turns.
        let lost = self.turns - self.request.turns.len();
        let shown = A::sent(&self.request.turns).into_iter();
        let shown: Vec<_> = shown.map(|index| lost + index).collect();
        if shown.len() < self.turns {
            self.ready.push_back(Event::Shown(shown));
        }
        // If the caller drops the call before the provider has counted, this estimate of the
        // input stands as its usage.
        let input_tokens = Estimate::of(&self.request).tokens();
        let input = Usage { input_tokens, ..Usage::default() };
        self.ready.push_back(Event::Usage(input));
        self.prepared = Some(Prepared { body, input });
        Ok(())
    }

    /// Sends an attempt.
    async fn begin(&mut self, Prepared { body, input }: Prepared) -> Result<Attempt<A>, Failure> {
        let Shared { api, patience, .. } = &*self.shared;
        let sending = Sending {
            model: &self.model().name,
            authorization: self.authorization.clone(),
            by: Instant::now() + patience.first_token,
        };
        let reply = A::reply(&self.request, input, self.max_tokens());
        Attempt::begin(api, body, sending, reply, *patience).await
    }

    /// The model that is asked.
    fn model(&self) -> &Model {
        &self.shared.models[self.models[self.model]]
    }

    /// Tokens of the reply at most.
    fn max_tokens(&self) -> u64 {
        let most = self.shared.max_tokens;
        self.request.max_tokens.map_or(most, |own| own.min(most))
    }

    /// Decides about a failure: another attempt, or none.
    async fn recover(&mut self, failure: Failure) -> Result<(), ProviderError> {
        // Close its connection before there is another one.
        self.attempt = None;
        let shared = Arc::clone(&self.shared);
        let model = &shared.models[self.models[self.model]];
        let error = &failure.error;
        if error.fault == Fault::KeyRefused && self.replacement.is_none() && !failure.is_paid {
            self.replacement = shared.key.replacement(self.authorization.as_ref()).await;
            if self.replacement.is_some() {
                tracing::warn!(
                    model = model.name,
                    %error,
                    "the provider refused the key; the call tries the new key"
                );
                // A refused request is not paid.
                self.ready.push_back(Event::Usage(Usage::default()));
                return Ok(());
            }
        }
        match error.fault {
            fault if fault.is_outage() => model.circuit.failed().await,
            Fault::NoKey | Fault::KeyRefused => model.circuit.key_refused().await,
            // No model was asked.
            Fault::CircuitOpen => {}
            // The model answers.
            _ => model.circuit.succeeded().await,
        }
        tracing::warn!(
            model = model.name,
            retries = self.retries,
            produced = error.produced,
            %error,
            "failed to get a reply in one attempt"
        );
        if failure.is_paid {
            return Err(failure.error);
        }
        // An attempt that fails before anything was counted is not paid.
        self.ready.push_back(Event::Usage(Usage::default()));
        let is_changed = match failure.refused {
            _ if error.fault == Fault::ContextTooLong => self.request.shorten(),
            Some(part) => part.leave_out(&mut self.request, &mut self.taken),
            None => false,
        };
        if is_changed {
            return Ok(());
        }
        if self.retries < RETRIES
            && let Some(pause) = failure.pause(self.retries)
        {
            self.retries += 1;
            self.pause = Some(pause);
            return Ok(());
        }
        if failure.is_of_the_model() && self.model + 1 < self.models.len() {
            self.model += 1;
            self.retries = 0;
            self.taken = Takes::ALL;
            self.is_announced = false;
            return Ok(());
        }
        Err(failure.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Effort, MessageRole, StopReason};
    use crate::provider::Provider as _;
    use crate::remote::{Key, Messages, Part, Patience, Remote, Reply};
    use crate::request::{Content, Turn};
    use crate::tool::Tool;
    use futures_util::StreamExt as _;
    use futures_util::stream;
    use platform::Platform;
    use platform::clock::Clock;
    use serde_json::json;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Refuses each request in the words of the next part, until the script is over.
    struct Stub {
        refuses: Vec<Part>,
        asked: AtomicUsize,
        /// What the bodies were written for.
        taken: Arc<Mutex<Vec<Takes>>>,
    }

    /// A reply that is over with its first message.
    #[derive(Default)]
    struct Over(bool);

    impl Api for Stub {
        type Message = ();
        type Reply = Over;

        fn sent(turns: &[Turn]) -> Vec<usize> {
            (0..turns.len()).collect()
        }

        fn body(
            &self,
            _: &Request,
            _: &str,
            _: u64,
            takes: Takes,
        ) -> Result<Vec<u8>, ProviderError> {
            self.taken.lock().unwrap().push(takes);
            Ok(Vec::new())
        }

        async fn send(&self, _: Vec<u8>, _: Sending<'_>) -> Result<Messages<()>, Failure> {
            let asked = self.asked.fetch_add(1, Ordering::Relaxed);
            match self.refuses.get(asked) {
                Some(&part) => {
                    let mut failure = Failure::lasting(Fault::RequestRefused, "400");
                    failure.refused = Some(part);
                    Err(failure)
                }
                None => Ok(stream::iter([Ok(())]).boxed()),
            }
        }

        fn reply(_: &Request, _: Usage, _: u64) -> Over {
            Over::default()
        }
    }

    impl Reply<()> for Over {
        fn take(&mut self, (): ()) -> Result<Vec<Event>, Failure> {
            self.0 = true;
            Ok(vec![Event::Stop(StopReason::EndTurn)])
        }

        fn cut(&mut self, failure: Failure) -> Result<Vec<Event>, Failure> {
            Err(failure)
        }

        fn has_begun(&self) -> bool {
            self.0
        }

        fn is_paid(&self) -> bool {
            self.0
        }

        fn has_stopped(&self) -> bool {
            self.0
        }

        fn is_over(&self) -> bool {
            self.0
        }
    }

    /// A provider, whose circuits no store keeps, and what its bodies were written for.
    fn provider(refuses: Vec<Part>) -> (Remote<Stub>, Arc<Mutex<Vec<Takes>>>) {
        let settings = [
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
            ("OUTAGES_TABLE", "t"),
            ("AI_MODEL", "m"),
            ("AI_PRICES", "m=1/1/1/1"),
        ];
        let platform = Platform::new(settings.into_iter().collect(), Clock::System);
        let patience = Patience::from_config(&platform.config).unwrap();
        let taken = Arc::<Mutex<_>>::default();
        let api = Stub { refuses, asked: AtomicUsize::default(), taken: Arc::clone(&taken) };
        let remote = Remote::new(&platform, api, Key::None, patience, Takes::ALL).unwrap();
        (remote, taken)
    }

    /// A request that has all parts.
    fn request() -> Request {
        let thought = Content::Thought(json!({"type": "thinking"}));
        let input_schema = json!({"type": "object"});
        Request {
            turns: vec![
                Turn::text(MessageRole::User, "Hi"),
                Turn { role: MessageRole::Assistant, content: vec![thought] },
            ],
            tools: vec![Tool { name: "t".into(), description: String::new(), input_schema }],
            effort: Some(Effort::Low),
            output_schema: Some(json!({"type": "object"})),
            without_tools: true,
            ..Request::default()
        }
    }

    /// Whether a call has a reply.
    async fn succeeds(remote: &Remote<Stub>) -> bool {
        let events: Vec<_> = remote.call(request()).collect().await;
        matches!(events.last(), Some(Ok(Event::Stop(_))))
    }

    #[tokio::test]
    async fn what_a_model_does_not_take_is_remembered_once_it_has_taken_the_rest() {
        let usage = Takes { usage: false, ..Takes::ALL };
        let both = Takes { usual_limit: false, ..usage };
        let strict = Takes { strict: false, ..Takes::ALL };
        for (refuses, expected, succeeded) in [
            (vec![], Takes::ALL, true),
            (vec![Part::Usage], usage, true),
            (vec![Part::Usage, Part::Limit], both, true),
            // The schema of the answer goes with the first refusal.
            (vec![Part::Schemas, Part::Schemas], strict, true),
            (vec![Part::Effort, Part::Thoughts], Takes::ALL, true),
            // The words were of something else, because the rest is refused too.
            (vec![Part::Usage, Part::Usage], Takes::ALL, false),
            (vec![Part::Limit, Part::Usage, Part::Limit], Takes::ALL, false),
        ] {
            let (remote, taken) = provider(refuses.clone());
            assert_eq!(succeeds(&remote).await, succeeded, "{refuses:?}");
            assert_eq!(taken.lock().unwrap().len(), refuses.len() + usize::from(succeeded));
            assert!(succeeds(&remote).await, "{refuses:?}");
            assert_eq!(taken.lock().unwrap().last(), Some(&expected), "{refuses:?}");
        }
    }

    #[tokio::test]
    async fn a_server_that_refuses_something_else_each_time_is_not_asked_for_ever() {
        use Part::{
            Config, Effort, Format, Limit, Schemas, Thoughts, ToolChoice, Unreasoned, Usage,
        };
        let all = [Thoughts, Effort, Format, Schemas, Limit, Usage, Unreasoned, ToolChoice];
        // The parts that are refused in turn, and the attempts until one is refused again.
        for (parts, attempts) in [(&all[..], 9), (&[Limit, Usage], 3), (&[Config], 2)] {
            let (remote, taken) = provider(parts.iter().copied().cycle().take(1_000).collect());
            assert!(!succeeds(&remote).await, "{parts:?}");
            assert_eq!(taken.lock().unwrap().len(), attempts, "{parts:?}");
        }
    }
}
